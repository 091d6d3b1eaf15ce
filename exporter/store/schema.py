"""The database file: what its tables are, and how it is opened.

Four tables, each row of them with a checksum over its numbers and its blob:

- journal: one batch a row. The first row is empty and says up to which commit the tables below go.
- series: 256 series a row, by number / 256.
- calls: opaque records, several of one call, in the order of their last commit, which ``place`` numbers.
- assistants: opaque states.

A fifth one holds a random number, the generation: by it a database is told from the one that was there before.

The only text in it is metric names and label values.
"""

import sqlite3
from typing import Final

from exporter.errors import StoreLost
from exporter.store import sqlite_file

MIGRATIONS = (
    """
    CREATE TABLE journal (seq INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, blob BLOB NOT NULL);
    CREATE TABLE series (chunk INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, blob BLOB NOT NULL);
    -- By place and not by key: what is written together lies together, a third of the time with random keys.
    CREATE TABLE calls (
        place INTEGER PRIMARY KEY, key INTEGER NOT NULL UNIQUE, checksum INTEGER NOT NULL, blob BLOB NOT NULL
    );
    CREATE TABLE assistants (key INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, blob BLOB NOT NULL);
    -- No checkpoint yet; the number is the checksum of an empty blob behind the number 0.
    INSERT INTO journal VALUES (0, 455757471, x'');
    """,
    """
    CREATE TABLE generation (number INTEGER PRIMARY KEY);
    INSERT INTO generation VALUES (random() & 0x7fffffffffffffff);
    """,
    """
    CREATE TABLE records (
        place INTEGER PRIMARY KEY, key INTEGER NOT NULL, checksum INTEGER NOT NULL, blob BLOB NOT NULL
    );
    INSERT INTO records SELECT place, key, checksum, blob FROM calls;
    DROP TABLE calls;
    ALTER TABLE records RENAME TO calls;
    CREATE INDEX calls_by_key ON calls (key);
    """,
)
"""Step N makes version N + 1 of version N."""

_WAL_LIMIT = 16 << 20
_CACHE_KIB = 8 << 10


LAYOUT: Final = sqlite_file.Layout(
    name="the database",
    stamp=0x564F5800,
    migrations=MIGRATIONS,
    journal_mode="wal",
    pragmas=(
        "synchronous = FULL",
        # Only explicit checkpoints, so that none falls into a commit.
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {_WAL_LIMIT}",
        "cell_size_check = ON",
        f"cache_size = -{_CACHE_KIB}",
        # Nothing in the file is worth hiding, and wiping freed pages would double the writes.
        "secure_delete = OFF",
    ),
)


def generation(db: sqlite3.Connection) -> int:
    """The number that tells this database from all others.

    Raises:
        StoreLost: it is missing.
        sqlite3.Error: it can't be read.
    """
    row = db.execute("SELECT number FROM generation").fetchone()
    if row is None:
        raise StoreLost("the database is damaged (generation)")
    return int(row[0])
