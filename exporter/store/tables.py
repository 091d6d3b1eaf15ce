"""The tables that checkpoints bring the journal into: reading them whole, and writing what changed."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

from exporter.store import call_records
from exporter.store.base import Merge, Snapshot, StoredSeries
from exporter.store.changes import Changes
from exporter.store.codec import opened, pack, sealed, unpack_series
from exporter.store.statements import delete, put, select, slices

_CHUNK_BITS = 8
_CHUNKS_AT_ONCE = 32


def read(db: sqlite3.Connection, changes: Changes, merge: Merge) -> Snapshot:
    """All that the tables hold, with the changes applied.

    Raises:
        StoreLost: a row is damaged.
    """
    series: dict[int, StoredSeries] = {}
    for row in db.execute("SELECT chunk, checksum, blob FROM series ORDER BY chunk"):
        series.update((one.id, one) for one in unpack_series(opened(row)))
    for number in changes.touched():
        changes.apply(number, series)
    kept = {row[0]: opened(row) for row in db.execute("SELECT key, checksum, blob FROM assistants")}
    assistants = ((key, blob) for key, blob in (kept | changes.assistants).items() if blob is not None)
    return Snapshot(
        sorted(series.values(), key=attrgetter("id")), [*call_records.read(db, changes.calls, merge)], [*assistants]
    )


def write(db: sqlite3.Connection, changes: Changes, commit: int, merge: Merge) -> None:
    """Apply the changes up to a commit to the tables, inside the transaction of the caller."""
    _write_series(db, changes)
    call_records.write(db, changes.calls, commit, merge)
    kept = ((key, blob) for key, blob in changes.assistants.items() if blob is not None)
    put(db, "INSERT OR REPLACE INTO assistants", (sealed(blob, key) for key, blob in kept))
    delete(db, "DELETE FROM assistants WHERE key IN", (k for k, blob in changes.assistants.items() if blob is None))


def clear(db: sqlite3.Connection) -> None:
    """Empty the tables, inside the transaction of the caller."""
    for statement in ("DELETE FROM series", "DELETE FROM calls", "DELETE FROM assistants"):
        db.execute(statement)


def _write_series(db: sqlite3.Connection, changes: Changes) -> None:
    touched: defaultdict[int, list[int]] = defaultdict(list)
    for number in changes.touched():
        touched[number >> _CHUNK_BITS].append(number)
    for chunks in slices(sorted(touched), _CHUNKS_AT_ONCE):
        found = _read_chunks(db, chunks)
        for chunk in chunks:
            for number in touched[chunk]:
                changes.apply(number, found[chunk])
        full = {chunk: sorted(found[chunk].values(), key=attrgetter("id")) for chunk in chunks}
        put(db, "INSERT OR REPLACE INTO series", (sealed(pack(some), n) for n, some in full.items() if some))
        delete(db, "DELETE FROM series WHERE chunk IN", (n for n, some in full.items() if not some))


def _read_chunks(db: sqlite3.Connection, chunks: Sequence[int]) -> dict[int, dict[int, StoredSeries]]:
    found: dict[int, dict[int, StoredSeries]] = {chunk: {} for chunk in chunks}
    statement = "SELECT chunk, checksum, blob FROM series WHERE chunk IN"
    for row in select(db, statement, chunks):
        found[row[0]] = {one.id: one for one in unpack_series(opened(row))}
    return found
