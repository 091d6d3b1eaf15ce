"""The exporter's applications on a socket, with a look at what becomes of each connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final, NamedTuple

import pytest
from aiohttp import web

from exporter.config import Auth, Config, Platform
from exporter.errors import StorageError
from exporter.http.connection import Connection
from exporter.http.connection_limit import ConnectionLimit
from exporter.store.base import Batch, Store
from exporter.store.memory import MemoryStore
from tests.conftest import Serve, Wire, head
from tests.support.service import Service, running

PATH: Final = "/webhook/interactly"
OK: Final = (200, b'{"status":"ok"}\n')
HEALTHY: Final = head("/-/healthy", method="GET")


class Site(NamedTuple):
    """A service and what reaches it.

    Attributes:
        service: what answers.
        url: where it is.
        limited: its connections.
        long: paths of the requests that went through aiohttp's request machinery.
    """

    service: Service
    url: str
    limited: ConnectionLimit
    long: list[str]

    async def accepted(self) -> Connection:
        """The exporter's side of the one connection, once aiohttp waits for its next request."""
        await reached(lambda: any(one._waiter for one in self.limited._open()), "a connection that waits")
        [accepted] = self.limited._open()
        return accepted

    def took(self) -> float:
        """How many requests have a duration."""
        return self.service.sample("voice_exporter_webhook_seconds_count", platform="interactly")

    def at_rest(self) -> bool:
        """Whether no request takes a place or memory any more."""
        gate = self.service.webhooks._gate
        return not gate._entries and gate.held == 0


OpenSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(serve: Serve) -> AsyncIterator[OpenSite]:
    """Opens sites, each of which must be at rest when the test ends."""
    sites: list[Site] = []
    async with AsyncExitStack() as stack:

        async def start(config: Config | None = None, store: Store | None = None, limit: int = 100) -> Site:
            service = await stack.enter_async_context(running(config, store))
            long: list[str] = []

            @web.middleware
            async def note(request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]) -> object:
                long.append(request.raw_path)
                return await handler(request)

            service.app.middlewares.insert(0, note)  # type: ignore[arg-type]  # it passes on what it gets
            limited = ConnectionLimit(limit)
            sites.append(Site(service, await serve(service.app, limited), limited, long))
            return sites[-1]

        yield start
        for site in sites:
            await reached(site.at_rest, "nothing to be in flight")


async def reached(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fail with ``what`` when it does not come."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"waited in vain: {what}")


def event(number: int = 0, size: int = 0) -> bytes:
    """An event of its own, blank at the end up to ``size`` bytes."""
    body = json.dumps({"message": {"type": "hang", "timestamp": 1_772_702_490_000 + number, "call": {"id": "1"}}})
    return body.encode().ljust(size)


def plain(body: bytes, *headers: str, path: str = PATH) -> bytes:
    """A request as platforms send it."""
    return head(path, *headers, f"Content-Length: {len(body)}") + body


async def statuses(wire: Wire, count: int) -> list[int]:
    """Statuses of the next answers."""
    return [(await wire.answer())[0] for _ in range(count)]


def guarded(secret: str, auth: Auth | None = None) -> Config:
    """A configuration whose Interactly webhook has a secret."""
    base = Config().webhooks
    platform = Platform(secrets=(secret.encode(),), auth=(auth,) if auth else base.platforms["interactly"].auth)
    return Config(webhooks=replace(base, platforms={**base.platforms, "interactly": platform}))


class Slow(MemoryStore):
    """Ends the commits of calls when it is released, with a failure where it is full."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()
        self.full = False
        self.before: Callable[[], object] = bool

    async def commit(self, batch: Batch) -> None:
        """Wait.

        Raises:
            StorageError: it is full.
        """
        if batch.calls:
            self.asked.set()
            await asyncio.wait_for(self.release.wait(), 20)
            self.before()
            if self.full:
                raise StorageError("full")
        await super().commit(batch)
