"""Which headers pass the exporter, and which it adds (RFC 9110, section 7.6)."""

from collections.abc import Collection, Iterable
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy

from exporter.relay.request import Headers

MAX_HOPS: Final = 3
"""Exporters that a request may have passed; more means that a relay's URL leads back to its own exporter."""

_PSEUDONYM: Final = "voice-exporter"
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS: Final = frozenset({"host", "content-length", "expect"})
"""Belong to the connection that they came on: the next one has its own host, length and handshake."""


def onward(request: web.Request, secret: Collection[str]) -> Headers:
    """The headers of a request to an application.

    Args:
        request: as it came.
        secret: lower-case names of headers to leave out, because they carry the webhook's secret.
    """
    passed = CIMultiDict(_passing(request.headers, _OURS | frozenset(secret)))
    _append(passed, hdrs.X_FORWARDED_FOR, request.remote or "unknown")
    # Whoever ends TLS in front of the exporter knows better than it does.
    passed.setdefault(hdrs.X_FORWARDED_PROTO, request.scheme)
    passed.setdefault(hdrs.X_FORWARDED_HOST, clean(request.headers.get(hdrs.HOST, "")))
    _append(passed, hdrs.VIA, f"{request.version.major}.{request.version.minor} {_PSEUDONYM}")
    return tuple((str(name), value) for name, value in passed.items())


def back(headers: CIMultiDictProxy[str]) -> Headers:
    """The headers of an application's answer, for the platform."""
    return tuple(_passing(headers, frozenset()))


def hops(request: web.Request) -> int:
    """Exporters that the request has passed already."""
    return ",".join(request.headers.getall(hdrs.VIA, [])).count(_PSEUDONYM)


def _passing(headers: CIMultiDictProxy[str], further: frozenset[str]) -> Iterable[tuple[str, str]]:
    named = ",".join(headers.getall(hdrs.CONNECTION, [])).lower().split(",")
    stays = _HOP_BY_HOP | further | {name.strip() for name in named}
    return [(name, clean(value)) for name, value in headers.items() if name.lower() not in stays]


def clean(value: str) -> str:
    """A value without bytes that are not UTF-8, which aiohttp can read but not send."""
    return value.encode("utf-8", "ignore").decode()


def _append(headers: CIMultiDict[str], name: str, value: str) -> None:
    headers[name] = ", ".join([*headers.popall(name, []), value])
