"""How signed webhooks are configured: the template of what is signed, and secrets written in base64."""

import base64
import binascii
import re
from typing import Final

STANDARD_TEMPLATE: Final = "{svix-id}.{timestamp}.{body}"
"""What Standard Webhooks signs."""

_PLACEHOLDERS: Final = ("timestamp", "body", "method", "url", "svix-id")


def compile_template(template: str) -> tuple[bytes | str, ...]:
    """A payload template as its literals (bytes) and placeholders (str), in order.

    Raises:
        ValueError: a brace or placeholder is wrong, or the body is not signed; the message says which and what to do.
    """
    pieces = re.split(r"\{([^{}]*)\}", template)
    literals, placeholders = pieces[::2], pieces[1::2]
    if not set(placeholders) <= set(_PLACEHOLDERS):
        known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
        raise ValueError(f"unknown placeholder; known are {known}")
    if any(brace in literal for literal in literals for brace in "{}"):
        raise ValueError("a brace without its partner")
    if "body" not in placeholders:
        raise ValueError("without {body} one signature would fit every body; add {body}")
    return tuple(piece if place % 2 else piece.encode() for place, piece in enumerate(pieces))


def decode_secret(secret: bytes) -> bytes:
    """The key that a base64 secret stands for, with or without ``whsec_`` before it.

    Raises:
        ValueError: it is not base64; the message does not show it.
    """
    text = secret.removeprefix(b"whsec_")
    try:
        key = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("a secret is not base64: give it as the platform shows it, with or without whsec_")
    return key
