"""Signed webhooks: Vapi's HMAC credentials with all their options, and Standard Webhooks 1.0.0."""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.config import Auth
from exporter.config.auth import TimestampUnit
from exporter.config.signing import STANDARD_TEMPLATE, compile_template
from exporter.metrics.metric import NANO
from exporter.platforms.values import iso_8601
from exporter.webhooks.credentials import Credentials, any_equal, as_bytes

MILLISECONDS_FROM = 1e11
"""A timestamp this large is milliseconds under ``timestamp_unit: auto``: as seconds it would be the year 5138."""

USUAL_PREFIX = rb"(?:(?i:%s|v[0-9]{1,2})=)?"
"""What senders write before a digest where no prefix is configured: its algorithm, a version, or nothing."""

_NUMBER = re.compile(rb"[0-9]{1,16}(\.[0-9]{1,9})?")


class _Names(NamedTuple):
    """Headers that belong together."""

    signature: str
    timestamp: str
    id: str


@dataclass(frozen=True, slots=True, repr=False)
class _Scheme:
    """How signatures are made and where they are found.

    Attributes:
        keys: any one of them may have signed.
        algorithm: sha256, sha512 or sha1.
        template: what is signed: literal bytes, and placeholders as text.
        names: the first whose signature header is there is used.
        encode: digest to its printed form.
        split: a header's value to the printed digests in it.
    """

    keys: Sequence[bytes]
    algorithm: str
    template: Sequence[bytes | str]
    names: Sequence[_Names]
    encode: Callable[[bytes], bytes]
    split: Callable[[bytes], list[bytes]]


class Signature:
    """Checks signed requests: a message digest over the body, and over the timestamp where the template holds one.

    A timestamp outside the template is anybody's to write, so it is not looked at.

    Raises:
        ValueError: the payload template or a base64 secret is unusable; the message never holds a secret.
    """

    open = False
    needs_body = True

    def __init__(self, auth: Auth, secrets: Sequence[bytes]) -> None:
        self._auth = auth
        keys = auth.keys(tuple(secret for secret in secrets if secret))
        self._scheme = _standard_scheme(keys) if auth.type == "standard" else _hmac_scheme(auth, keys)
        self._length = len(self._sign(b"", b""))
        self.wants = f"signature in {' or '.join(names.signature for names in self._scheme.names)}"

    def allows(self, request: Credentials, now: float) -> bool:
        """Whether a known key signed this request, not too long before or after now (seconds since the epoch)."""
        names = self._names(request)
        # Only what is as long as a digest can be one: an untrusted client's guess costs no hashing of the body.
        signatures = [s for s in self._scheme.split(request.header(names.signature)) if len(s) == self._length]
        signed = self._signed(request, names)
        if not signatures or not all(signed.values()) or not self._fresh(signed.get("timestamp"), now):
            return False
        payloads = [self._payload({**signed, "body": request.body, "url": url}) for url in self._urls(request.url)]
        return any_equal(signatures, [self._sign(key, payload) for key in self._scheme.keys for payload in payloads])

    def explain(self, request: Credentials, now: float) -> str:
        """What is missing, malformed or too old; else the signature is of another key or payload."""
        names = self._names(request)
        value = request.header(names.signature)
        signed = self._signed(request, names)
        missing = [getattr(names, {"svix-id": "id"}.get(name, name)) for name, value in signed.items() if not value]
        if not value:
            return f"no {self.wants}"
        if not any(len(part) == self._length for part in self._scheme.split(value)):
            return f"{names.signature} holds no digest of the configured algorithm, encoding and prefix"
        if missing:
            return f"no {' and no '.join(missing)} beside the signature"
        if not self._fresh(signed.get("timestamp"), now):
            return f"{names.timestamp} is unreadable, or too far from the time here"
        return f"the signature in {names.signature} is of another secret or payload format"

    def _names(self, request: Credentials) -> _Names:
        return next((names for names in self._scheme.names if request.header(names.signature)), self._scheme.names[0])

    def _signed(self, request: Credentials, names: _Names) -> dict[str, bytes]:
        """The values, by placeholder, that must be there to fill the template."""
        values = {
            "method": as_bytes(request.method),
            "timestamp": request.header(names.timestamp),
            "svix-id": request.header(names.id),
        }
        return {name: value for name, value in values.items() if name in self._scheme.template}

    def _fresh(self, timestamp: bytes | None, now: float) -> bool:
        if timestamp is None:
            return True
        seconds = _seconds(timestamp, self._auth.timestamp_unit)
        return seconds is not None and (not self._auth.tolerance or abs(now - seconds) <= self._auth.tolerance)

    def _urls(self, url: str) -> list[bytes]:
        """The URL as it came to us, and as the sender knows it if a proxy ended TLS."""
        if "url" not in self._scheme.template:
            return [b""]
        return [as_bytes(url), as_bytes(url.replace("http:", "https:", 1))]

    def _payload(self, values: dict[str, bytes]) -> bytes:
        return b"".join(values[part] if isinstance(part, str) else part for part in self._scheme.template)

    def _sign(self, key: bytes, payload: bytes) -> bytes:
        return self._scheme.encode(hmac.digest(key, payload, self._scheme.algorithm))


def _seconds(timestamp: bytes, unit: TimestampUnit) -> float | None:
    """Unix time of a timestamp in seconds, milliseconds or ISO 8601; without an offset that is UTC."""
    if _NUMBER.fullmatch(timestamp):
        number = float(timestamp)
        return number / 1000 if unit == "ms" or (unit == "auto" and number >= MILLISECONDS_FROM) else number
    moment = iso_8601(timestamp.decode("latin-1"))
    return None if moment is None else moment / NANO


def _hmac_scheme(auth: Auth, keys: Sequence[bytes]) -> _Scheme:
    names = _Names(auth.signature_header, auth.timestamp_header, auth.id_header)
    template = compile_template(auth.payload_format)
    prefix = re.compile(re.escape(auth.prefix.encode()) if auth.prefix else USUAL_PREFIX % auth.algorithm.encode())
    fold: Callable[[bytes], bytes] = bytes.lower if auth.encoding == "hex" else bytes

    def split(value: bytes) -> list[bytes]:
        found = prefix.match(value)
        return [fold(value[found.end() :])] if found else []

    return _Scheme(
        keys=keys,
        algorithm=auth.algorithm,
        template=template,
        names=[names],
        encode=binascii.hexlify if auth.encoding == "hex" else base64.b64encode,
        split=split,
    )


def _standard_scheme(keys: Sequence[bytes]) -> _Scheme:
    """Symmetric signatures (v1), with the standard's header names or those Svix had before it."""
    return _Scheme(
        keys=keys,
        algorithm="sha256",
        template=compile_template(STANDARD_TEMPLATE),
        names=[_Names(f"{by}-signature", f"{by}-timestamp", f"{by}-id") for by in ("webhook", "svix")],
        encode=base64.b64encode,
        split=lambda value: [part[3:] for part in value.split(b" ") if part.startswith(b"v1,")],
    )
