"""Mirror for further targets: each is sent once, beside everything else, whatever comes of it."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from exporter.errors import RelayError
from exporter.relay.client import Client
from exporter.relay.request import RelayRequest

MAX_COPIES: Final = 64
"""Mirror on their way to one target; the next is dropped and counted."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all bodies on their way as copies."""


class Mirror:
    """Sends copies.

    Args:
        client: what sends them.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: Counter[str] = Counter()
        self._held = 0

    def send(self, parcels: Mapping[str, RelayRequest], seconds: float) -> None:
        """Begin to send each parcel to its target."""
        for url, parcel in parcels.items():
            if self._under_way[url] >= MAX_COPIES or self._held + len(parcel.body) > MAX_BYTES:
                self._client.fail(parcel.platform, "copy_failed")
                continue
            self._under_way[url] += 1
            self._held += len(parcel.body)
            task = asyncio.create_task(self._send(url, parcel, seconds))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self, seconds: float) -> None:
        """Let those in flight finish, for so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, url: str, parcel: RelayRequest, seconds: float) -> None:
        try:
            with suppress(RelayError):
                await self._client.copy(url, parcel, seconds)
        finally:
            self._under_way[url] -= 1
            self._held -= len(parcel.body)
