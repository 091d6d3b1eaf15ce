"""Folds the journals of all replicas into the tables, and forgets what nobody needs any more.

One replica does it at a time. It reads and writes nothing but the database, so it does not matter which.
"""

import asyncio
import logging
from collections import defaultdict
from operator import attrgetter
from typing import Final

from exporter.errors import StorageError
from exporter.logs import cause, log
from exporter.store.base import Newer
from exporter.store.changes import Changes
from exporter.store.codec import pack, unpack_series
from exporter.store.postgres.connection import Connection, connect, translated
from exporter.store.postgres.journal import UNFOLDED, Journal, entries, summed
from exporter.store.postgres.statements import LOCK_TIDY, SEEN

CHECKPOINT_ROWS: Final = 1000
EVERY_SECONDS: Final = 5.0
_AT_LEAST_EVERY: Final = 12
"""Rounds after which few rows are folded, too."""
CHUNK_BITS: Final = 8

_ROUND: Final = """
SELECT sum(number - folded)::bigint AS waiting, min(id) FILTER (WHERE seen > clock_timestamp() - interval '15 seconds')
AS eldest FROM voice_exporter.replica
"""
"""How many rows of the journal are not folded, and the eldest process that lives."""

_FOLDED: Final = """
UPDATE voice_exporter.replica r SET folded = k.number FROM unnest($1::bigint[], $2::bigint[]) AS k (id, number)
WHERE r.id = k.id
"""
_FORGET: Final = """
DELETE FROM voice_exporter.journal j USING voice_exporter.replica r
WHERE j.replica = r.id AND j.number <= r.folded AND j.at < now() - interval '2 minutes'
"""
"""A replica that was away for longer reads everything anew."""
_LEAVE: Final = """
DELETE FROM voice_exporter.replica r WHERE r.seen < now() - interval '1 hour' AND r.folded = r.number
AND NOT EXISTS (SELECT 1 FROM voice_exporter.journal j WHERE j.replica = r.id)
"""
_PUT_SERIES: Final = """
INSERT INTO voice_exporter.series VALUES ($1, $2) ON CONFLICT (chunk) DO UPDATE SET blob = excluded.blob
"""
_PUT_ASSISTANT: Final = """
INSERT INTO voice_exporter.assistants VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET blob = excluded.blob
"""

_log = logging.getLogger(__name__)


class Checkpoints:
    """Takes part in checkpoints, and lets the others see that this process lives.

    Args:
        url: of the database.
        journal: says which replica this process is.

    Attributes:
        leads: it is the eldest that lives, as far as anybody can know.
    """

    def __init__(self, url: str, journal: Journal) -> None:
        self._url = url
        self._journal = journal
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._rounds = 0
        self.leads = False

    def start(self) -> None:
        """Begin to take part."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take part no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
            except StorageError as error:
                # None may be left but this one.
                self.leads = True
                # Whoever commits says it louder.
                log(_log, logging.DEBUG, "no checkpoint now", reason=str(error))
            except Exception as error:  # noqa: BLE001 - the next round may do better, and nobody waits for this one
                log(_log, logging.ERROR, "checkpoint failed", error=cause(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def round(self) -> None:
        """Be seen, and fold where there is enough.

        Raises:
            StorageError: that can't be done now.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url)
        connection = self._connection
        try:
            with translated():
                await connection.execute(SEEN, self._journal.own)
                found = await connection.fetchrow(_ROUND)
            waiting, eldest = found or (None, None)
            self.leads = eldest == self._journal.own
            self._rounds += 1
            if waiting and (waiting >= CHECKPOINT_ROWS or self._rounds >= _AT_LEAST_EVERY):
                self._rounds = 0
                await checkpoint(connection, self._journal.newer)
        except BaseException:
            connection.terminate()
            raise


async def checkpoint(connection: Connection, newer: Newer) -> None:
    """Fold all that is in the journal, unless another replica does; ``newer`` chooses between records of a key.

    Raises:
        StorageError: that can't be done now.
    """
    with translated():
        async with connection.transaction():
            # Everything after the lock has to see what whoever had it before has done.
            if await connection.fetchval(LOCK_TIDY) is None:
                return
            found = entries(await connection.fetch(UNFOLDED))
            changes = await asyncio.to_thread(summed, found, newer)
            await _fold_series(connection, changes)
            await _fold_assistants(connection, changes)
            ends: defaultdict[int, int] = defaultdict(int)
            for entry in found:
                ends[entry.replica] = max(ends[entry.replica], entry.number)
            await connection.execute(_FOLDED, [*ends], [*ends.values()])
            await connection.execute(_FORGET)
            await connection.execute(_LEAVE)


async def _fold_series(connection: Connection, changes: Changes) -> None:
    touched: defaultdict[int, list[int]] = defaultdict(list)
    for number in changes.touched():
        touched[number >> CHUNK_BITS].append(number)
    rows = await connection.fetch(
        "SELECT chunk, blob FROM voice_exporter.series WHERE chunk = ANY ($1::bigint[])", [*touched]
    )
    blobs = {row["chunk"]: row["blob"] for row in rows}
    full, empty = await asyncio.to_thread(_folded, blobs, changes, touched)
    await connection.executemany(_PUT_SERIES, full)
    await connection.execute("DELETE FROM voice_exporter.series WHERE chunk = ANY ($1::bigint[])", empty)


def _folded(
    blobs: dict[int, bytes], changes: Changes, touched: dict[int, list[int]]
) -> tuple[list[tuple[int, bytes]], list[int]]:
    """Number and content of the chunks that have series, and the numbers of those that have none."""
    full, empty = [], []
    for chunk, numbers in touched.items():
        series = {one.id: one for one in (unpack_series(blobs[chunk]) if chunk in blobs else ())}
        for number in numbers:
            changes.apply(number, series)
        if series:
            full.append((chunk, pack(sorted(series.values(), key=attrgetter("id")))))
        else:
            empty.append(chunk)
    return full, empty


async def _fold_assistants(connection: Connection, changes: Changes) -> None:
    rows = await connection.fetch(
        "SELECT key, blob FROM voice_exporter.assistants WHERE key = ANY ($1::bigint[])", [*changes.assistants]
    )
    kept = {row["key"]: row["blob"] for row in rows}
    remaining = changes.remaining(kept, changes.assistants)
    changed = [(key, blob) for key, blob in remaining.items() if blob is not None and blob != kept.get(key)]
    await connection.executemany(_PUT_ASSISTANT, changed)
    gone = [key for key, blob in remaining.items() if blob is None]
    await connection.execute("DELETE FROM voice_exporter.assistants WHERE key = ANY ($1::bigint[])", gone)
