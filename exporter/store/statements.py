"""Statements that carry many rows each.

The interpreter lock is given up and fetched again at every step of a statement, and beside a busy event loop each of
these waits for 5 ms.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from exporter.store.codec import Row

ROWS: Final = 200
"""Rows of one statement."""

_Item = TypeVar("_Item")


def put(db: sqlite3.Connection, statement: str, rows: Iterable[Row]) -> None:
    """Insert rows; the statement ends before its values."""
    for some in slices(rows):
        values = ", ".join([marks(len(some[0]))] * len(some))
        db.execute(f"{statement} VALUES {values}", [value for row in some for value in row])


def delete(db: sqlite3.Connection, statement: str, keys: Iterable[int]) -> None:
    """Delete rows; the statement ends before the list of their keys."""
    for some in slices(keys):
        db.execute(f"{statement} {marks(len(some))}", some)


def select(db: sqlite3.Connection, statement: str, keys: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Read rows; the statement ends before the list of their keys."""
    for some in slices(keys):
        yield from db.execute(f"{statement} {marks(len(some))}", some)


def marks(number: int) -> str:
    """A list of so many parameters."""
    return f"({', '.join('?' * number)})"


def slices(items: Iterable[_Item], size: int = ROWS) -> Iterator[list[_Item]]:
    """The items in lists of at most so many."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
