"""Webhooks that a platform signs by itself: timestamp and digests stand in one header, as ``key=value`` parts."""

import hmac
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from exporter.config.signing import compile_template
from exporter.platforms.platform import SignedHeader
from exporter.webhooks.credentials import Credentials, any_equal
from exporter.webhooks.signature import MILLISECONDS_FROM

_DIGITS: Final = re.compile(rb"[0-9]{1,16}")
_DIGEST: Final = re.compile(rb"[0-9a-f]{64}")
_MOST_DIGESTS: Final = 8
"""Of a header; who rotates keys signs with two."""


class PlatformSignature:
    """Checks requests that a platform signed in its own way.

    Args:
        signed: how it signs.
        tolerance: seconds that the timestamp may differ from now, either way; 0 leaves it unchecked.
        secrets: any one of them may have signed.
    """

    open = False
    needs_body = True

    def __init__(self, signed: SignedHeader, tolerance: float, secrets: Sequence[bytes]) -> None:
        self._signed = signed
        self.wants = f"signature in {signed.name}"
        self._tolerance = tolerance
        self._keys = [secret for secret in secrets if secret]
        self._template = compile_template(signed.signed)

    def allows(self, request: Credentials, now: float) -> bool:
        """Whether a known key signed this request, not too long before or after now (seconds since the epoch)."""
        timestamp, digests = self._parts(request)
        if not digests or not self._is_fresh(timestamp, now):
            return False
        values = {"timestamp": timestamp, "body": request.body}
        payload = b"".join(values[part] if isinstance(part, str) else part for part in self._template)
        return any_equal(digests, [hmac.digest(key, payload, "sha256").hex().encode() for key in self._keys])

    def explain(self, request: Credentials, now: float) -> str:
        """What is missing, malformed or too old; else the signature is of another key."""
        timestamp, digests = self._parts(request)
        name = self._signed.name
        if not request.header(name):
            return f"no {self.wants}"
        if not digests:
            return f"{name} holds no digest"
        if not self._is_fresh(timestamp, now):
            return f"the timestamp in {name} is unreadable, or too far from the time here"
        return f"the signature in {name} is of another secret"

    def _parts(self, request: Credentials) -> tuple[bytes, list[bytes]]:
        """The one timestamp of the header, empty where there is another number of them, and what can be a digest."""
        parts = _parts(request.header(self._signed.name))
        timestamps = parts[self._signed.timestamp]
        digests = [digest for digest in parts[self._signed.digest] if _DIGEST.fullmatch(digest)]
        return timestamps[0] if len(timestamps) == 1 else b"", digests[:_MOST_DIGESTS]

    def _is_fresh(self, timestamp: bytes, now: float) -> bool:
        if not _DIGITS.fullmatch(timestamp):
            return False
        number = float(timestamp)
        seconds = number / 1000 if number >= MILLISECONDS_FROM else number
        return not self._tolerance or abs(now - seconds) <= self._tolerance


def _parts(header: bytes) -> defaultdict[str, list[bytes]]:
    """The values of a header by key; digests without regard to case."""
    parts: defaultdict[str, list[bytes]] = defaultdict(list)
    for part in header.split(b","):
        key, _, value = part.strip().partition(b"=")
        parts[key.decode("latin-1")].append(value.lower())
    return parts
