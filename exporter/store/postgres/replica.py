"""The row of this process among the replicas: by it the database knows which of its batches it has."""

import asyncio
import time
from typing import Final

from exporter.errors import StorageError, StoreConflict
from exporter.store.postgres import schema
from exporter.store.postgres.connection import Connection, connect, translated
from exporter.store.postgres.journal import Journal
from exporter.store.postgres.statements import FIND, LOCK_REGISTRY, REGISTER

RESOLVE_SECONDS: Final = 4.0
"""For so long a batch waits for the answer whether it was kept."""
_PAUSE: Final = 0.1


class Replica:
    """This process among the replicas.

    Args:
        url: of the database.
        journal: what this process knows of it.

    Attributes:
        number: its last batch.
        epoch: the one in which it may commit.
    """

    def __init__(self, url: str, journal: Journal) -> None:
        self._url = url
        self._journal = journal
        self.number = 0
        self.epoch = 0

    async def connect(self) -> Connection:
        """A connection on which batches can be made.

        Raises:
            StorageError: there is none now.
        """
        connection = await connect(self._url)
        try:
            await schema.check(connection)
            await self.join(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def join(self, connection: Connection) -> None:
        """Find the row of this process, or make one; what it does not have is read before its next batch.

        Raises:
            StorageError: that can't be done now.
        """
        with translated():
            found = await connection.fetchrow(FIND, self._journal.own) if self._journal.own else None
            if found is None:
                await self._register(connection)
            elif found["number"] < self.number:
                # The database was set back to an earlier state.
                self._journal.lose()
                await self._register(connection)
            else:
                self.number, self.epoch = found["number"], found["epoch"]

    async def _register(self, connection: Connection) -> None:
        """Make a row while nobody drops series, or its epoch could be the one before that."""
        async with connection.transaction():
            await connection.fetchrow(LOCK_REGISTRY)
            self._journal.own = await connection.fetchval(REGISTER)
        self.number = self.epoch = 0
        self._journal.known[self._journal.own] = 0

    async def commit(self, connection: Connection) -> None:
        """Commit the batch that follows the last one, and know for certain whether it was.

        A connection that breaks meanwhile leaves that open. Its transaction holds the lock of the row until it ends, so
        whoever gets that lock on another connection sees what became of it.

        Raises:
            StorageError: it was not kept, or nobody can know before the database answers again.
        """
        answer = asyncio.ensure_future(connection.execute("COMMIT", timeout=3600))
        done, _ = await asyncio.wait({answer}, timeout=RESOLVE_SECONDS)
        if not done:
            # Not cancelled: the server would end its wait for a standby and call the batch kept.
            connection.terminate()
            await asyncio.wait({answer})
        try:
            with translated():
                await answer
        except StoreConflict:
            raise
        except StorageError:
            connection.terminate()
            await self._resolve()
        self.number += 1

    async def _resolve(self) -> None:
        """Return where the batch after the last one was kept.

        Raises:
            StorageError: it was not, or nobody knows.
        """
        deadline = time.monotonic() + RESOLVE_SECONDS
        while True:
            try:
                found = await self._find()
            except StorageError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                break
        if found != self.number + 1:
            raise StorageError("the connection to the database broke before the commit")

    async def _find(self) -> int:
        connection = await connect(self._url)
        try:
            with translated():
                found = await connection.fetchrow(FIND, self._journal.own)
        finally:
            connection.terminate()
        return int(found["number"]) if found else -1
