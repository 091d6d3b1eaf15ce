"""The store itself: one connection for batches, one for what is new, one for what can wait."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import asyncpg
from msgspec import structs

from exporter.errors import StorageError, StoreConflict
from exporter.store.base import JOINED, Batch, Due, Merge, Newer, News, Snapshot, later
from exporter.store.codec import pack
from exporter.store.postgres import schema, statements
from exporter.store.postgres.checkpoint import Checkpoints
from exporter.store.postgres.connection import Connection, connect, translated
from exporter.store.postgres.filling import fill
from exporter.store.postgres.journal import Journal
from exporter.store.postgres.replica import Replica

_LAST: Final = 1 << 62


class PostgresStore:
    """Keeps batches in a database that others use, too.

    Args:
        url: of the database, as libpq takes it.
    """

    shared: Final = True
    quarantined: Final = None

    def __init__(self, url: str) -> None:
        self._url = url
        self._journal = Journal()
        self._replica = Replica(url, self._journal)
        self._checkpoints = Checkpoints(url, self._journal)
        self._reading = asyncio.Lock()
        self._settled = asyncio.Event()
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        self._borrowed: set[int] = set()
        self._turn = 0
        self._take: Callable[[News], None] = lambda _: None

    @property
    def leads(self) -> bool:
        """As `Store.leads`."""
        return self._checkpoints.leads

    def load(self, merge: Merge = JOINED) -> Snapshot:  # noqa: ARG002 - a record of this store is a whole call
        """Everything but the calls, and the tables where there are none yet.

        Raises:
            StorageError: the database can't be reached or read, or a release made it that this one can't work beside.
        """
        with ThreadPoolExecutor(1) as thread:
            try:
                return thread.submit(asyncio.run, self._load()).result()
            except StorageError as error:
                raise StorageError(f"--storage.url: {error}") from error

    async def _load(self) -> Snapshot:
        connection = await connect(self._url)
        try:
            await schema.prepare(connection)
            return await self._journal.load(connection)
        finally:
            connection.terminate()

    def listen(self, take: Callable[[News], None], newer: Newer = later) -> None:
        """Hand what others committed to ``take``, each commit once; ``newer`` chooses between records of a key."""
        self._take = take
        self._journal.newer = newer

    async def refresh(self) -> None:
        """Read what others committed before this call.

        Raises:
            StorageError: that can't be known now.
        """
        async with self._reading:
            if self._reader is None or self._reader.is_closed():
                self._reader = await connect(self._url)
            try:
                self._tell(await self._journal.news(self._reader))
                while self._journal.ahead:
                    # Others may show this process's own batch by now, which it does not know yet to be kept.
                    await self._settled.wait()
                    self._tell(await self._journal.news(self._reader))
            except StoreConflict:
                raise
            except StorageError:
                self._reader.terminate()
                raise

    async def borrow(self, calls: Collection[int]) -> list[tuple[int, bytes]]:
        """Key and state of each of these calls that is known, locked until the batch ends.

        Raises:
            StorageError: nothing can be kept now.
            StoreConflict: another process was in the way; begin again.
        """
        connection = await self._begin()
        if not calls:
            return []
        with translated():
            return self._lent(await connection.fetch(statements.BORROW, sorted(calls)))

    async def borrow_due(self, due: Due) -> list[tuple[int, bytes]] | None:
        """As `borrow`, calls that are due; None while another process sees to them."""
        connection = await self._begin()
        with translated():
            if await connection.fetchval(statements.LOCK_TIDY) is None:
                await self.abort()
                return None
            done = await self._due(connection, "NOT open", due.ended_before, due.limit, due.excess)
            left = due.excess - len(done) if len(done) < due.limit else 0
            opened = await self._due(connection, "open", due.silent_before, due.limit, left)
            return [*done, *opened]

    async def _due(
        self, connection: Connection, which: str, before: float, limit: int, excess: int
    ) -> list[tuple[int, bytes]]:
        if not limit:
            return []
        slot, most = (_LAST, min(limit, excess)) if excess > 0 else (statements.slot(before), limit)
        return self._lent(await connection.fetch(statements.BORROW_DUE.format(which=which), slot, most))

    async def claim(self, *, dropping: bool = False) -> None:
        """Make the batch under way an exclusive one, and read what earlier ones changed.

        Raises:
            StorageError: nothing can be kept now.
            StoreConflict: another process was in the way; begin again.
        """
        connection = self._under_way()
        with translated():
            registry = await connection.fetchrow(statements.LOCK_REGISTRY)
            if dropping:
                await connection.execute(statements.RAISE_EPOCHS, self._journal.own)
        if registry is None:
            raise StorageError("the schema voice_exporter lacks its registry")
        self._turn = registry["turn"] + 1
        # What is plain is news as well to who drops what nobody has added to.
        if dropping or registry["turn"] != self._journal.turn:
            await self._read(connection)
        if registry["turn"] != self._journal.turn:
            self._journal.lose()
            raise StoreConflict("the journal of the database has a gap")

    async def groups_in_use(self) -> Collection[str]:
        """The groups of open calls.

        Raises:
            StorageError: nothing can be kept now.
        """
        with translated():
            return {row["held"] for row in await self._under_way().fetch(statements.GROUPS)}

    async def read_news(self) -> None:
        """Read what others committed, in the batch under way.

        Raises:
            StorageError: nothing can be kept now.
            StoreConflict: a part of the journal is gone; begin again.
        """
        await self._read(self._under_way())

    async def number_incidents(self, count: int, above: int) -> list[int]:
        """So many numbers above that one, that no other process gets.

        Raises:
            StorageError: nothing can be kept now.
        """
        connection = self._under_way()
        with translated():
            numbers = await self._next_incidents(connection, count)
            if numbers[0] <= above:
                # Incidents came here from elsewhere, by `migrate` or a copy of the tables alone.
                await connection.fetchrow(statements.LOCK_REGISTRY)
                await connection.execute(statements.SKIP_INCIDENTS, above)
                numbers = await self._next_incidents(connection, count)
        return numbers

    async def _next_incidents(self, connection: Connection, count: int) -> list[int]:
        return [row["number"] for row in await connection.fetch(statements.NEXT_INCIDENTS, count)]

    async def abort(self, *, outdated: bool = False) -> None:
        """Give up the batch under way; ``outdated`` has everything read anew before the next one."""
        if outdated:
            self._journal.lose()
        self._turn = 0
        self._borrowed.clear()
        if self._writer is not None and not self._writer.is_closed() and self._writer.is_in_transaction():
            try:
                with translated():
                    await self._writer.execute("ROLLBACK")
            except StorageError:
                self._writer.terminate()

    async def commit(self, batch: Batch) -> None:
        """Keep the batch; on return it survives whatever the database promises to survive.

        Raises:
            StorageError: nothing of the batch was kept, or nobody can know yet.
            StoreConflict: nothing was kept, because another process was in the way; begin again.
        """
        connection = self._under_way()
        self._journal.committing = True
        self._settled.clear()
        try:
            if batch.snapshot:
                await fill(connection, batch)
            await self._write(connection, batch)
            await self._replica.commit(connection)
            self._journal.known[self._journal.own] = self._replica.number
        finally:
            self._journal.committing = False
            self._settled.set()
        self._journal.turn = max(self._journal.turn, self._turn)
        self._turn = 0
        self._borrowed.clear()

    async def close(self) -> None:
        """End the connections."""
        await self._checkpoints.close()
        for connection in (self._writer, self._reader):
            if connection is not None and not connection.is_closed():
                with suppress(StorageError), translated():
                    await connection.close(timeout=1)

    async def _begin(self) -> Connection:
        """Begin a transaction, on a new connection where the last one broke; a batch under way is given up."""
        self._turn = 0
        self._borrowed.clear()
        if self._writer is None or self._writer.is_closed():
            self._writer = await self._replica.connect()
            self._checkpoints.start()
            await self._catch_up(self._writer)
        elif self._journal.lost:
            await self._catch_up(self._writer)
        with translated():
            await self._writer.execute("BEGIN")
        return self._writer

    async def _catch_up(self, connection: Connection) -> None:
        """Read all that is new, or all there is, before the next batch; no batch begins before that is done."""
        try:
            async with self._reading:
                self._tell(await self._journal.news(connection, anew=True))
        except BaseException:
            connection.terminate()
            raise

    def _under_way(self) -> Connection:
        if self._writer is None or self._writer.is_closed():
            raise StorageError("the connection to the database broke")
        return self._writer

    async def _read(self, connection: Connection) -> None:
        async with self._reading:
            self._tell(await self._journal.news(connection))

    def _tell(self, news: News | None) -> None:
        if news is None:
            return
        try:
            self._take(news)
        except BaseException:
            self._journal.lose()
            raise

    def _lent(self, rows: Iterable[asyncpg.Record]) -> list[tuple[int, bytes]]:
        lent = [(row["key"], row["record"]) for row in rows]
        self._borrowed.update(key for key, _ in lent)
        return lent

    async def _write(self, connection: Connection, batch: Batch) -> None:
        entry = structs.replace(batch, calls={}, rows={})
        rows = {key: row for key, row in batch.rows.items() if row is not None}
        if batch.snapshot:
            # It is in the tables already.
            entry, rows = Batch([], [], [], {}, {}), {}
        known = {key: row for key, row in rows.items() if key in self._borrowed}
        created = {key: row for key, row in rows.items() if key not in self._borrowed}
        gone = [key for key, row in batch.rows.items() if row is None]
        ends = max((one.id + 1 for one in batch.series), default=0)
        with translated():
            found = await connection.fetchrow(
                statements.WRITE,
                self._journal.own,
                self._replica.number,
                self._replica.epoch,
                self._turn,
                ends,
                pack(entry),
                *statements.call_columns(known),
                *statements.call_columns(created),
                gone,
            )
        if found is None or not found[0]:
            await self._rejoin()
            raise StoreConflict("another replica dropped series")
        if (found[1], found[2]) != (len(known), len(created)):
            raise StoreConflict("another replica had the same call")

    async def _rejoin(self) -> None:
        """Learn why the row of this process is not what it was."""
        await self.abort()
        connection = self._under_way()
        try:
            await schema.check(connection)
            await self._replica.join(connection)
        except BaseException:
            connection.terminate()
            raise
        await self._catch_up(connection)
