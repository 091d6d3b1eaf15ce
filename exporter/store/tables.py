"""The tables that checkpoints bring the journal into: reading them whole, and writing what changed.

Statements carry many rows each. The interpreter lock is given up and fetched again at every step of a statement, and
beside a busy event loop each of these waits for 5 ms.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import TypeVar

from exporter.store.base import Snapshot, StoredSeries
from exporter.store.changes import Changes
from exporter.store.codec import Row, opened, pack, sealed, unpack_series

_CHUNK_BITS = 8
_PLACE_BITS = 20
_CHUNKS_AT_ONCE = 32
_ROWS_AT_ONCE = 200

_Item = TypeVar("_Item")


def read(db: sqlite3.Connection, changes: Changes) -> Snapshot:
    """All that the tables hold, with the changes applied.

    Raises:
        StoreLost: a row is damaged.
    """
    series: dict[int, StoredSeries] = {}
    for row in db.execute("SELECT chunk, checksum, blob FROM series ORDER BY chunk"):
        series.update((one.id, one) for one in unpack_series(opened(row)))
    for number in changes.touched():
        changes.apply(number, series)
    calls = db.execute("SELECT place, key, checksum, blob FROM calls ORDER BY place")
    assistants = db.execute("SELECT key, checksum, blob FROM assistants")
    return Snapshot(
        sorted(series.values(), key=attrgetter("id")),
        _newest(((row[1], opened(row)) for row in calls), changes.calls),
        _newest(((row[0], opened(row)) for row in assistants), changes.assistants),
    )


def write(db: sqlite3.Connection, changes: Changes, commit: int) -> None:
    """Apply the changes up to a commit to the tables, inside the transaction of the caller."""
    _write_series(db, changes)
    place = commit << _PLACE_BITS
    kept = ((key, blob) for key, blob in changes.calls.items() if blob is not None)
    _put(db, "INSERT OR REPLACE INTO calls", (sealed(blob, place + n, key) for n, (key, blob) in enumerate(kept)))
    _delete(db, "DELETE FROM calls WHERE key IN", (key for key, blob in changes.calls.items() if blob is None))
    kept = ((key, blob) for key, blob in changes.assistants.items() if blob is not None)
    _put(db, "INSERT OR REPLACE INTO assistants", (sealed(blob, key) for key, blob in kept))
    _delete(db, "DELETE FROM assistants WHERE key IN", (k for k, blob in changes.assistants.items() if blob is None))


def clear(db: sqlite3.Connection) -> None:
    """Empty the tables, inside the transaction of the caller."""
    for statement in ("DELETE FROM series", "DELETE FROM calls", "DELETE FROM assistants"):
        db.execute(statement)


def _newest(states: Iterable[tuple[int, bytes]], changed: dict[int, bytes | None]) -> list[tuple[int, bytes]]:
    old = [(key, blob) for key, blob in states if key not in changed]
    return old + [(key, blob) for key, blob in changed.items() if blob is not None]


def _write_series(db: sqlite3.Connection, changes: Changes) -> None:
    touched: defaultdict[int, list[int]] = defaultdict(list)
    for number in changes.touched():
        touched[number >> _CHUNK_BITS].append(number)
    for chunks in _slices(sorted(touched), _CHUNKS_AT_ONCE):
        found = _read_chunks(db, chunks)
        for chunk in chunks:
            for number in touched[chunk]:
                changes.apply(number, found[chunk])
        full = {chunk: sorted(found[chunk].values(), key=attrgetter("id")) for chunk in chunks}
        _put(db, "INSERT OR REPLACE INTO series", (sealed(pack(some), n) for n, some in full.items() if some))
        _delete(db, "DELETE FROM series WHERE chunk IN", (n for n, some in full.items() if not some))


def _read_chunks(db: sqlite3.Connection, chunks: Sequence[int]) -> dict[int, dict[int, StoredSeries]]:
    found: dict[int, dict[int, StoredSeries]] = {chunk: {} for chunk in chunks}
    statement = "SELECT chunk, checksum, blob FROM series WHERE chunk IN"
    for row in db.execute(f"{statement} {_places(len(chunks))}", chunks):
        found[row[0]] = {one.id: one for one in unpack_series(opened(row))}
    return found


def _put(db: sqlite3.Connection, statement: str, rows: Iterable[Row]) -> None:
    for some in _slices(rows, _ROWS_AT_ONCE):
        values = ", ".join([_places(len(some[0]))] * len(some))
        db.execute(f"{statement} VALUES {values}", [value for row in some for value in row])


def _delete(db: sqlite3.Connection, statement: str, keys: Iterable[int]) -> None:
    for some in _slices(keys, _ROWS_AT_ONCE):
        db.execute(f"{statement} {_places(len(some))}", some)


def _places(number: int) -> str:
    return f"({', '.join('?' * number)})"


def _slices(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
