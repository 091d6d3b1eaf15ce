"""Stores on one database as several processes use them."""

from collections.abc import Callable, Collection
from typing import TypeAlias

from exporter.errors import StoreConflict
from exporter.store.base import Batch, CallRow, Newer, News, Snapshot, later
from exporter.store.postgres import PostgresStore
from exporter.store.postgres.checkpoint import checkpoint
from exporter.store.postgres.connection import connect
from tests.store.model import batch


class Process:
    """A store as one process uses it, with what it was told."""

    def __init__(self, url: str) -> None:
        self.store = PostgresStore(url)
        self.store.listen(self.take)
        self.news: list[Batch] = []
        self.anew: Snapshot | None = None
        self.first = self.store.load()

    def take(self, news: News) -> None:
        """Note what others committed."""
        self.news += news.batches
        self.anew = news.anew or self.anew

    async def keep(self, one: Batch, calls: Collection[int] = (), *, exclusive: bool = True) -> None:
        """Commit a batch, as often as others are in the way."""
        while True:
            try:
                await self.store.borrow(calls)
                if exclusive:
                    await self.store.claim(dropping=bool(one.dropped))
                await self.store.commit(one)
            except StoreConflict:
                await self.store.abort()
            else:
                return

    async def told(self) -> list[Batch]:
        """What is new since the last time."""
        await self.store.refresh()
        told, self.news = self.news, []
        return told


Start: TypeAlias = Callable[[], Process]


def called(record: bytes, *, used: float = 100.0, still_open: bool = True) -> CallRow:
    """A call."""
    return CallRow(record, still_open, used, "an assistant")


def rows(**calls: CallRow | None) -> Batch:
    """A batch of calls by number."""
    one = batch()
    one.rows = {int(key.removeprefix("n")): row for key, row in calls.items()}
    return one


def loaded(url: str) -> Snapshot:
    """What the next process finds."""
    return Process(url).first


async def fold(url: str, newer: Newer = later) -> None:
    """Fold the journal; ``newer`` chooses between records of a key."""
    connection = await connect(url)
    await checkpoint(connection, newer)
    await connection.close()
