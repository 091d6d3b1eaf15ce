"""Who may post: judges one webhook request by the secrets of its platform.

A signed request can be replayed while its timestamp is within the tolerance. That is deliberate: however often an
event arrives it counts once, so a memory of past signatures would protect nothing.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from exporter.config import Auth, Platform
from exporter.webhooks.credentials import Credentials, any_equal
from exporter.webhooks.platform_signature import PlatformSignature
from exporter.webhooks.signature import Signature

__all__ = ["Authenticator", "Check", "Credentials", "RejectAll"]


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
        """What it wants to see, in words; for the operator."""

    def allows(self, request: Credentials, now: float, /) -> bool:
        """Whether the request may post."""

    def explain(self, request: Credentials, now: float, /) -> str:
        """Why a request was rejected, in words that show nothing of it; for the operator."""


class RejectAll:
    """The check of a platform that has no secret, while untrusted clients reach its webhook."""

    open = False
    needs_body = False
    wants = "nothing: it has no secret and rejects all requests"

    def allows(self, _request: Credentials, _now: float) -> bool:
        """Reject."""
        return False

    def explain(self, _request: Credentials, _now: float) -> str:
        """Always the same."""
        return "the platform has no secret"


class Authenticator:
    """The check of one platform, prepared once; any one of the ways it has is enough. Shows no secret in its repr.

    Raises:
        ValueError: the payload template or a base64 secret is unusable; the message never holds a secret.
    """

    def __init__(self, platform: Platform) -> None:
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
        return _Open()
    if auth.signed:
        return PlatformSignature(auth.signed, auth.tolerance, secrets)
    if auth.type in ("hmac", "standard"):
        return Signature(auth, secrets)
    if auth.type == "bearer":
        names = tuple(dict.fromkeys(("authorization", *auth.headers)))
        return _SharedSecret("bearer token", names, secrets, _bearer_token)
    return _SharedSecret("secret", auth.headers, secrets, bytes)


class _Open:
    open = True
    needs_body = False
    wants = "nothing: anyone may post"

    def allows(self, _request: Credentials, _now: float) -> bool:
        return True

    def explain(self, _request: Credentials, _now: float) -> str:
        return "nothing is wrong"


class _SharedSecret:
    open = False
    needs_body = False

    def __init__(
        self, what: str, headers: Sequence[str], secrets: Sequence[bytes], read: Callable[[bytes], bytes]
    ) -> None:
        self._what = what
        self._headers = headers
        self._secrets = [secret for secret in secrets if secret]
        self._read = read

    def allows(self, request: Credentials, _now: float) -> bool:
        return any_equal([self._read(request.header(name)) for name in self._headers], self._secrets)

    @property
    def wants(self) -> str:
        return f"the {self._what} in {' or '.join(self._headers)}"

    def explain(self, request: Credentials, _now: float) -> str:
        sent = [name for name in self._headers if self._read(request.header(name))]
        if sent:
            return f"wrong {self._what} in {' and '.join(sent)}"
        return f"no {self._what} in {' or '.join(self._headers)}"


def _bearer_token(value: bytes) -> bytes:
    scheme, _, token = value.partition(b" ")
    return token.strip(b" ") if scheme.lower() == b"bearer" else b""
