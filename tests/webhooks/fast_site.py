"""A site with the fast path, and what is sent to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, NamedTuple

from aiohttp import web

from exporter.config import Auth, Config, RelayConfig
from exporter.errors import StorageError
from exporter.http.connection_limit import ConnectionLimit
from exporter.store.base import Batch, Store
from exporter.store.memory import MemoryStore
from tests.conftest import Connect, Serve, Wire, head
from tests.support.service import Service, running
from tests.support.waiting import reached

PATH: Final = "/webhook/interactly"
KEY: Final = "X-Interactly-Secret: sesame"
OK: Final = (200, b'{"status":"ok"}\n')
HEALTHY: Final = head("/-/healthy", method="GET")
LIMIT: Final = 2000


class Site(NamedTuple):
    """A service and what reaches it.

    Attributes:
        service: what answers.
        url: where it is.
        limited: its connections.
        passed: paths of the requests that took aiohttp's own way.
    """

    service: Service
    url: str
    limited: ConnectionLimit
    passed: list[str]


@asynccontextmanager
async def site(
    serve: Serve, config: Config | None = None, store: Store | None = None, limit: int = 100
) -> AsyncIterator[Site]:
    """An exporter, which must be at rest when the context ends."""
    async with running(config, store) as service:
        passed: list[str] = []

        @web.middleware
        async def note(request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]) -> object:
            passed.append(request.raw_path)
            return await handler(request)

        service.app.middlewares.insert(0, note)  # type: ignore[arg-type]  # it passes on what it gets
        limited = ConnectionLimit(limit)
        yield Site(service, await serve(service.app, limited), limited, passed)
        await reached("nothing to be in flight", lambda: service.webhooks.receiver.idle)


async def ready(connect: Connect, at: Site) -> Wire:
    """A connection on which aiohttp's task waits, as behind every first answer."""
    wire = await connect(at.url)
    await wire.send(HEALTHY)
    assert (await wire.answer())[0] == 200
    at.passed.clear()
    return wire


def event(number: int = 0, size: int = 0) -> bytes:
    """An event of its own, blank at the end up to ``size`` bytes."""
    body = json.dumps({"message": {"type": "hang", "timestamp": 1_772_702_490_000 + number, "call": {"id": "1"}}})
    return body.encode().ljust(size)


def plain(body: bytes, *headers: str, path: str = PATH) -> bytes:
    """A request as platforms send it."""
    return head(path, *headers, f"Content-Length: {len(body)}") + body


def chunked(body: bytes, size: int) -> bytes:
    """A request whose body says its length in pieces."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head(PATH, KEY, "Transfer-Encoding: chunked") + framed + b"0\r\n\r\n"


async def statuses(wire: Wire, count: int) -> list[int]:
    """Statuses of the next answers."""
    return [(await wire.answer())[0] for _ in range(count)]


def guarded(auth: Auth | None = None, relay: RelayConfig | None = None) -> Config:
    """A configuration whose Interactly webhook has a secret."""
    base = Config().webhooks
    platform = replace(base.platforms["interactly"], secrets=(b"sesame",), relay=relay)
    platform = replace(platform, auth=(auth,)) if auth else platform
    webhooks = replace(base, platforms={**base.platforms, "interactly": platform}, max_body_bytes=LIMIT)
    return Config(webhooks=webhooks)


class Slow(MemoryStore):
    """Ends the commits of calls when it is released, with a failure where it is full."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()
        self.full = False

    async def holds(self) -> None:
        """Wait until there is a commit to end."""
        await asyncio.wait_for(self.asked.wait(), 20)

    async def commit(self, batch: Batch) -> None:
        """Wait.

        Raises:
            StorageError: it is full.
        """
        if batch.calls:
            self.asked.set()
            await asyncio.wait_for(self.release.wait(), 20)
            if self.full:
                raise StorageError("full")
        await super().commit(batch)
