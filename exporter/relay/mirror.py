"""Copies for further targets: each is sent once, beside everything else, whatever comes of it."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from exporter.errors import RelayError
from exporter.relay.client import Client
from exporter.relay.options import RelayOptions
from exporter.relay.request import RelayRequest


class Mirror:
    """Sends copies.

    Args:
        client: what sends them.
        options: how many there may be at once.
    """

    def __init__(self, client: Client, options: RelayOptions) -> None:
        self._client = client
        self._options = options
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: Counter[str] = Counter()
        self._held = 0

    def send(self, copies: Mapping[str, RelayRequest], seconds: float) -> None:
        """Begin to send each copy to its target."""
        options = self._options
        for url, copy in copies.items():
            if self._in_flight[url] >= options.copies or self._held + len(copy.body) > options.copied_bytes:
                self._client.fail(copy.platform, "copy_failed")
                continue
            self._in_flight[url] += 1
            self._held += len(copy.body)
            task = asyncio.create_task(self._send(url, copy, seconds))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self, seconds: float) -> None:
        """Let those in flight finish, for so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, url: str, copy: RelayRequest, seconds: float) -> None:
        try:
            with suppress(RelayError):
                await self._client.copy(url, copy, seconds)
        finally:
            self._in_flight[url] -= 1
            self._held -= len(copy.body)
