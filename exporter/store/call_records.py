"""The table of calls: records that are merged now and then, so that a long call is not written anew for each change.

A checkpoint adds one row for each call that changed. It takes the newest rows of the call into it as long as they are
small, or no larger than what it has by then. So a call has few rows, and each byte of it is written a few times in its
life, however long it becomes.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from exporter.store.base import Merge
from exporter.store.codec import Row, opened, sealed
from exporter.store.statements import delete, put, select, slices

_PLACE_BITS: Final = 20
_SMALL: Final = 2048
"""Bytes up to which a row is always taken in."""


def read(
    db: sqlite3.Connection, changes: Mapping[int, list[bytes | None]], merge: Merge
) -> Iterator[tuple[int, bytes]]:
    """Key and state of each call, with the changes, in the order of the last one.

    Raises:
        StoreLost: a row is damaged.
    """
    calls: dict[int, list[bytes]] = {}
    for row in db.execute("SELECT place, key, checksum, blob FROM calls ORDER BY place"):
        calls[row[1]] = [*calls.pop(row[1], ()), opened(row)]
    for key, added in changes.items():
        before = calls.pop(key, [])
        if records := (_records(added) if added[0] is None else before + _records(added)):
            calls[key] = records
    # Each is forgotten here as soon as it is given.
    for key in [*calls]:
        yield key, _merged(calls.pop(key), merge)


def write(db: sqlite3.Connection, changes: Mapping[int, list[bytes | None]], commit: int, merge: Merge) -> None:
    """Add the changes up to a commit, inside the transaction of the caller."""
    delete(db, "DELETE FROM calls WHERE key IN", (key for key, added in changes.items() if added[0] is None))
    place = commit << _PLACE_BITS
    for some in slices((key, records) for key, added in changes.items() if (records := _records(added))):
        put(db, "INSERT INTO calls", _rows(db, dict(some), place, merge))
        place += len(some)


def _rows(db: sqlite3.Connection, added: Mapping[int, list[bytes]], place: int, merge: Merge) -> Iterator[Row]:
    """A row for each call, after deleting those that it takes in."""
    older = _taken(db, added)
    for number, (key, records) in enumerate(added.items(), place):
        yield sealed(_merged(older[key] + records, merge), number, key)


def _taken(db: sqlite3.Connection, added: Mapping[int, list[bytes]]) -> defaultdict[int, list[bytes]]:
    """The records of the rows that are taken in, by call; the rows are deleted."""
    rows: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for place, key, size in select(db, "SELECT place, key, length(blob) FROM calls WHERE key IN", added):
        rows[key].append((place, size))
    places = [place for key, found in rows.items() for place in _newest(found, sum(map(len, added[key])))]
    taken: defaultdict[int, list[bytes]] = defaultdict(list)
    for row in sorted(select(db, "SELECT place, key, checksum, blob FROM calls WHERE place IN", places)):
        taken[row[1]].append(opened(row))
    delete(db, "DELETE FROM calls WHERE place IN", places)
    return taken


def _newest(rows: list[tuple[int, int]], size: int) -> Iterator[int]:
    """Places of the rows to take in, newest first, with that many bytes to begin with."""
    for place, length in sorted(rows, reverse=True):
        if length > max(_SMALL, size):
            return
        size += length
        yield place


def _records(added: Iterable[bytes | None]) -> list[bytes]:
    return [record for record in added if record is not None]


def _merged(records: list[bytes], merge: Merge) -> bytes:
    return records[0] if len(records) == 1 else merge(records)
