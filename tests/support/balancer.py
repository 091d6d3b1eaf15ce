"""A load balancer before several exporters: each request goes to the next one that answers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Self

import aiohttp
from aiohttp import hdrs, web

_HOP = {hdrs.CONNECTION.lower(), hdrs.TRANSFER_ENCODING.lower(), hdrs.CONTENT_ENCODING.lower(), "content-length"}


class Balancer:
    """Listens on the loopback address. Nothing that an exporter may have got is sent to another one.

    Args:
        urls: of the exporters; empty for one that is down.

    Attributes:
        address: where it listens.
    """

    def __init__(self, urls: Callable[[], Sequence[str]]) -> None:
        self._urls = urls
        self._turn = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        for _ in self._urls():
            if not (url := self._next()):
                continue
            try:
                headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
                async with self._session.request(
                    request.method, f"{url}{request.path_qs}", data=body, headers=headers
                ) as answer:
                    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
                    return web.Response(status=answer.status, headers=kept, body=await answer.read())
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError):
                # It may have counted the event: whoever sends has to know what to do then.
                return web.Response(status=502)
        return web.Response(status=503)

    def _next(self) -> str:
        urls = self._urls()
        self._turn = (self._turn + 1) % len(urls)
        return urls[self._turn]
