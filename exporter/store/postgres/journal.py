"""The journal as one process reads it: everything at its start, from then on what is new."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from exporter.errors import StorageError, StoreConflict
from exporter.store.base import Batch, Newer, News, Snapshot, StoredSeries, later
from exporter.store.changes import Changes
from exporter.store.codec import unpack_batch, unpack_series
from exporter.store.postgres.connection import Connection, translated

_REPLICAS: Final = "SELECT id, number, folded FROM voice_exporter.replica"
UNFOLDED: Final = """
SELECT j.replica, j.number, j.turn, j.batch
FROM voice_exporter.replica r JOIN voice_exporter.journal j ON j.replica = r.id AND j.number > r.folded
"""
_REGISTRY: Final = """
SELECT turn, next_series, extract(epoch FROM clock_timestamp())::float8 AS now FROM voice_exporter.registry
"""
_NEWS: Final = """
SELECT r.id AS replica, r.number AS last, j.number, j.turn, j.batch
FROM voice_exporter.replica r
LEFT JOIN unnest($1::bigint[], $2::bigint[]) AS known (id, number) ON known.id = r.id
LEFT JOIN LATERAL (
    SELECT number, turn, batch FROM voice_exporter.journal
    WHERE replica = r.id AND number > coalesce(known.number, 0)
) j ON true
WHERE r.number <> coalesce(known.number, 0)
"""


class Entry(NamedTuple):
    """A row of the journal.

    Attributes:
        turn: which of the exclusive batches it is; 0 where it is none.
    """

    replica: int
    number: int
    turn: int
    batch: Batch


class Journal:
    """What this process knows of the journal.

    Attributes:
        known: the last batch that it has, by replica.
        turn: the last exclusive batch that it has.
        own: the number of this process among the replicas; 0 while it has none.
        committing: a batch of its own is on its way: it will have it without reading it.
        ahead: the database has that batch already.
        lost: what it has is not what the database has, so that everything is to be read anew.
        newer: chooses between records of a key.
    """

    def __init__(self) -> None:
        self.known: dict[int, int] = {}
        self.turn = 0
        self.own = 0
        self.committing = False
        self.ahead = False
        self.lost = False
        self.newer: Newer = later

    def lose(self) -> None:
        """What this process has is not what the database has: read everything anew."""
        self.lost = True

    async def load(self, connection: Connection) -> Snapshot:
        """Everything.

        Raises:
            StorageError: it can't be read.
        """
        with translated():
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                registry = await connection.fetchrow(_REGISTRY)
                replicas = await connection.fetch(_REPLICAS)
                chunks = await connection.fetch("SELECT blob FROM voice_exporter.series")
                kept = await connection.fetch("SELECT key, blob FROM voice_exporter.assistants")
                unfolded = await connection.fetch(UNFOLDED)
        if registry is None:
            raise StorageError("the schema voice_exporter lacks its registry")
        series: dict[int, StoredSeries] = {one.id: one for row in chunks for one in unpack_series(row["blob"])}
        changes = summed(entries(unfolded), self.newer)
        for number in changes.touched():
            changes.apply(number, series)
        assistants: dict[int, bytes | None] = {row["key"]: row["blob"] for row in kept}
        assistants |= changes.remaining(assistants, changes.assistants)
        self.known = {row["id"]: row["number"] for row in replicas}
        self.turn, self.lost = registry["turn"], False
        return Snapshot(
            sorted(series.values(), key=attrgetter("id")),
            [],
            [(key, blob) for key, blob in assistants.items() if blob is not None],
            registry["next_series"],
            registry["now"],
        )

    async def news(self, connection: Connection, *, anew: bool = False) -> News | None:
        """What others committed since; None where that is nothing.

        Args:
            connection: to the database.
            anew: everything may be read again, where a part is missing: no batch is under way.

        Raises:
            StoreConflict: a part is missing.
            StorageError: it can't be read.
        """
        if self.lost:
            return await self._anew(connection, allowed=anew)
        with translated():
            rows = await connection.fetch(_NEWS, [*self.known], [*self.known.values()])
        ends = {row["replica"]: row["last"] for row in rows}
        self.ahead = self.committing and ends.pop(self.own, 0) > self.known[self.own]
        if self.ahead:
            # What others committed may rest upon it: in memory, too, it comes first.
            return None
        fresh: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in entries(row for row in rows if row["number"] is not None):
            # Meanwhile this process may have committed, or read the same on its other connection.
            if entry.replica in ends and entry.number > self.known.get(entry.replica, 0):
                fresh[entry.replica].append(entry)
        if not all(self._continues(replica, end, fresh[replica]) for replica, end in ends.items()):
            self.lose()
            return await self._anew(connection, allowed=anew)
        return self._taken([entry for some in fresh.values() for entry in some])

    async def _anew(self, connection: Connection, *, allowed: bool) -> News:
        if not allowed:
            raise StoreConflict("a part of the journal is gone: everything is read again with the next batch")
        return News([], await self.load(connection), exclusive=True)

    def _continues(self, replica: int, end: int, fresh: Sequence[Entry]) -> bool:
        """Whether the entries are those after what is known, up to the end: no gap, and nothing of it is undone."""
        known = self.known.get(replica, 0)
        return sorted(entry.number for entry in fresh) == [*range(known + 1, max(end, known) + 1)] and (
            end >= known or replica == self.own
        )

    def _taken(self, fresh: Sequence[Entry]) -> News | None:
        for entry in fresh:
            self.known[entry.replica] = max(self.known.get(entry.replica, 0), entry.number)
        turn = max((entry.turn for entry in fresh), default=0)
        self.turn = max(self.turn, turn)
        return News([entry.batch for entry in ordered(fresh)], exclusive=turn > 0) if fresh else None


def entries(rows: Iterable[object]) -> list[Entry]:
    """The entries of rows of the table.

    Raises:
        StorageError: one is damaged.
    """
    return [
        Entry(row["replica"], row["number"], row["turn"], unpack_batch(row["batch"]))  # type: ignore[index]  # a record
        for row in rows
    ]


def ordered(some: Iterable[Entry]) -> list[Entry]:
    """In an order in which they can be applied: exclusive ones as they followed each other, the others behind them."""
    return sorted(some, key=lambda entry: entry.turn or 1 << 62)


def summed(some: Iterable[Entry], newer: Newer) -> Changes:
    """What they come to; of several values that a cell is said to have, it has the greatest."""
    batches = [entry.batch for entry in ordered(some)]
    latest: dict[int, int] = {}
    for batch in batches:
        for number, value in batch.latest:
            latest[number] = max(value, latest.get(number, value))
        batch.latest = []
    changes = Changes(batches, newer)
    changes.add(Batch([], [], [], {}, {}, latest=[*latest.items()]))
    return changes
