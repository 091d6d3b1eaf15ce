"""Who may post: judges one webhook request by the secrets of its platform.

A signed request can be replayed while its timestamp is within the tolerance. That is deliberate: however often an
event arrives it counts once, so a memory of past signatures would protect nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from exporter.config import Auth, PlatformConfig
from exporter.webhooks.credentials import Credentials, any_equal
from exporter.webhooks.platform_signature import PlatformSignature
from exporter.webhooks.signature import Signature

__all__ = ["REJECT_ALL", "Authenticator", "Check", "Credentials"]


class Check(Protocol):
    """Judges who may post."""

    @property
    def open(self) -> bool:
        """Whether it lets in whoever asks."""

    @property
    def needs_body(self) -> bool:
        """Whether it looks at the body."""

    @property
    def wants(self) -> str:
        """What a request has to show, in words: a part of `explain` where that is missing."""

    def allows(self, request: Credentials, now: float, /) -> bool:
        """Whether the request may post."""

    def explain(self, request: Credentials, now: float, /) -> str:
        """Why a request was rejected, in words that show nothing of it; for the operator."""


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Judges all requests alike."""

    open: bool
    wants: str
    reason: str
    needs_body: bool = False

    def allows(self, _request: Credentials, _now: float) -> bool:
        """What was fixed."""
        return self.open

    def explain(self, _request: Credentials, _now: float) -> str:
        """Always the same."""
        return self.reason


REJECT_ALL: Final[Check] = _Fixed(
    open=False, wants="nothing: it has no secret and rejects all requests", reason="the platform has no secret"
)
"""The check of a platform that has no secret, while untrusted clients reach its webhook."""
_ALLOW_ALL: Final[Check] = _Fixed(open=True, wants="nothing: anyone may post", reason="nothing is wrong")


class Authenticator:
    """The check of one platform, prepared once; any one of the ways it has is enough. Shows no secret in its repr.

    Raises:
        ValueError: the payload template or a base64 secret is unusable; the message never holds a secret.
    """

    def __init__(self, platform: PlatformConfig) -> None:
        self._checks = [_check(auth, secrets) for auth, secrets in platform.credentials]

    @property
    def open(self) -> bool:
        """Whether it lets in whoever asks."""
        return any(check.open for check in self._checks)

    @property
    def needs_body(self) -> bool:
        """Whether ``allows`` looks at the body: only signatures do, all else can be settled before reading it."""
        return any(check.needs_body for check in self._checks)

    def allows(self, request: Credentials, now: float) -> bool:
        """Whether the request may post. Malformed credentials are wrong ones: nothing is raised.

        Args:
            request: what arrived.
            now: seconds since the epoch.
        """
        return any(check.allows(request, now) for check in self._checks)

    @property
    def wants(self) -> str:
        """What a request has to show, in words."""
        return ", or ".join(check.wants for check in self._checks)

    def explain(self, request: Credentials, now: float) -> str:
        """Why a request was rejected, by each of the ways that there are."""
        return "; ".join(dict.fromkeys(check.explain(request, now) for check in self._checks))


def _check(auth: Auth, secrets: tuple[bytes, ...]) -> Check:
    if auth.type == "none" or not (secrets or auth.explicit):
        return _ALLOW_ALL
    if auth.signed:
        return PlatformSignature(auth.signed, auth.tolerance, secrets)
    if auth.type in ("hmac", "standard"):
        return Signature(auth, secrets)
    if auth.type == "bearer":
        names = tuple(dict.fromkeys(("authorization", *auth.headers)))
        return _SharedSecret("bearer token", names, secrets, _bearer_token)
    return _SharedSecret("secret", auth.headers, secrets, bytes)


class _SharedSecret:
    open = False
    needs_body = False

    def __init__(
        self, what: str, headers: Sequence[str], secrets: Sequence[bytes], read: Callable[[bytes], bytes]
    ) -> None:
        self._what = what
        self._headers = headers
        self.wants = f"{what} in {' or '.join(headers)}"
        self._secrets = [secret for secret in secrets if secret]
        self._read = read

    def allows(self, request: Credentials, _now: float) -> bool:
        return any_equal([self._read(request.header(name)) for name in self._headers], self._secrets)

    def explain(self, request: Credentials, _now: float) -> str:
        sent = [name for name in self._headers if self._read(request.header(name))]
        return f"wrong {self._what} in {' and '.join(sent)}" if sent else f"no {self.wants}"


def _bearer_token(value: bytes) -> bytes:
    scheme, _, token = value.partition(b" ")
    return token.strip(b" ") if scheme.lower() == b"bearer" else b""
