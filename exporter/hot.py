"""The one hot route: webhooks go past aiohttp's router and middlewares, and get an answer that is written as it is.

What each of these saves is in docs/performance.md.
"""

import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Final, TypeAlias

from aiohttp import ClientConnectionResetError, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from exporter.connections import track

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_Router: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HOT: Final = web.AppKey("hot", dict[str, Handler])
"""An application's handlers of POST by path that `shortcut` may call."""

_BODY: Final = b'{"status":"ok"}\n'


def shortcut(router: _Router, handlers: dict[str, Handler]) -> _Router:
    """Handles a POST to one of the paths at once, and leaves everything else to the router."""

    async def dispatch(request: web.BaseRequest) -> web.StreamResponse:
        handler = handlers.get(request.raw_path) if request.method == hdrs.METH_POST else None
        if handler is None or hdrs.EXPECT in request.headers or not isinstance(request, web.Request):
            return await router(request)
        return await track(request, handler)

    return dispatch


def ok(request: web.Request) -> web.StreamResponse:
    """The answer to an event that is kept."""
    if request.keep_alive and request.version == HttpVersion11:
        return _OK
    return web.Response(body=_BODY, content_type="application/json")


@lru_cache(1)
def _written(second: int) -> bytes:
    """The whole answer as it is written during that second of Unix time."""
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(_BODY)}\r\n"
        f"Date: {formatdate(second, usegmt=True)}\r\n"
        "Server: voice-exporter\r\n\r\n"
    )
    return head.encode() + _BODY


class _Prepared(web.StreamResponse):
    """Has nothing of one request, so that all share it."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the client is gone")
        transport.write(_written(int(time.time())))
        await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything is written already."""

    @property
    def keep_alive(self) -> bool | None:
        return True


_OK: Final = _Prepared()
