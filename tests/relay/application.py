"""The application behind the relay: a real aiohttp server that remembers what it got and answers as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import NamedTuple, TypeAlias

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

Answering: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Seen(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes


class Answer(NamedTuple):
    """An answer as a client sees it."""

    status: int
    reason: str | None
    headers: list[tuple[str, str]]
    body: bytes


async def fine(_request: web.Request) -> web.StreamResponse:
    """Answer 200 with some JSON."""
    return web.json_response({"assistantId": "ada-example"})


class Application:
    """What runs behind the relay.

    Attributes:
        url: where it listens.
        seen: the requests so far; in it as soon as they are read.
        answering: makes the answers.
    """

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self.answering: Answering = fine
        self._arrived = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Remember a request and answer it."""
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, CIMultiDict(request.headers), body))
        self._arrived.set()
        return await self.answering(request)

    async def wait_for(self, number: int) -> list[Seen]:
        """The requests, once there are so many."""
        async with asyncio.timeout(20):
            while len(self.seen) < number:
                self._arrived.clear()
                await self._arrived.wait()
        return self.seen


@asynccontextmanager
async def application(answering: Answering = fine, port: int = 0) -> AsyncIterator[Application]:
    """An application that listens until the context ends."""
    behind = Application()
    behind.answering = answering
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{rest:.*}", behind.handle)
    runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, port = runner.addresses[0][:2]
    behind.url = f"http://{host}:{port}/hook"
    try:
        yield behind
    finally:
        await runner.cleanup()


Talking: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talking) -> AsyncIterator[str]:
    """A server whose bytes the test writes itself; it closes the connection when ``talk`` returns. Gives its URL."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}/hook"
    finally:
        server.close()


async def post(url: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    """Send a body: the answer as it comes over the wire, nothing inflated, no redirect followed."""
    async with (
        aiohttp.ClientSession(auto_decompress=False, max_field_size=1 << 16) as session,
        session.post(
            URL(url, encoded=True), data=BytesIO(body), headers=CIMultiDict(headers), allow_redirects=False
        ) as got,
    ):
        return Answer(got.status, got.reason, list(got.headers.items()), await got.read())
