"""The journal: one row a batch, numbered without a gap, behind a first row that says how far the tables go."""

import sqlite3

from exporter.errors import StoreLost
from exporter.store.codec import opened, sealed


def read(db: sqlite3.Connection) -> dict[int, bytes]:
    """The batches that no checkpoint brought into the tables yet, by number, after the empty first row.

    Raises:
        StoreLost: a row is damaged or missing.
    """
    rows = {row[0]: opened(row) for row in db.execute("SELECT seq, checksum, blob FROM journal ORDER BY seq")}
    first = next(iter(rows), None)
    if first is None or rows[first] or [*rows] != [*range(first, first + len(rows))]:
        raise StoreLost("the database has lost a part of its journal")
    return rows


def append(db: sqlite3.Connection, number: int, blob: bytes) -> None:
    """Keep a batch: one statement, one transaction."""
    db.execute("INSERT INTO journal VALUES (?, ?, ?)", sealed(blob, number))


def forget_after(db: sqlite3.Connection, number: int) -> None:
    """Forget what a commit left that was reported as failed."""
    db.execute("DELETE FROM journal WHERE seq > ?", (number,))


def restart(db: sqlite3.Connection, number: int) -> None:
    """Start again after this number, inside the transaction of the caller."""
    db.execute("DELETE FROM journal")
    append(db, number, b"")
