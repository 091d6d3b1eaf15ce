"""The database file: how it is opened, what its tables are, and how an older one becomes a current one.

Four tables, each row of them with a checksum over its numbers and its blob:

- journal: one batch a row. The first row is empty and says up to which commit the tables below go.
- series: 256 series a row, by number / 256.
- calls: opaque states in the order of their last commit, which ``place`` numbers.
- assistants: opaque states.

A fifth one holds a random number, the generation: by it a database is told from the one that was there before.

The only text in it is metric names and label values.
"""

import sqlite3
from pathlib import Path

from exporter.errors import StorageError, StoreLost

BUSY_SECONDS = 1.5
"""How long another process may hold the database before that is an error."""

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
)
"""Step N makes version N + 1 of version N."""

_STAMP = 0x564F5800
_WAL_LIMIT = 16 << 20
_CACHE_KIB = 8 << 10
_MAGIC = b"SQLite format 3\0"
_HEADER = 100


def connect(path: Path) -> sqlite3.Connection:
    """Open the file and bring it to the current version.

    Raises:
        StorageError: a newer release wrote it, or its file system can't hold a write-ahead log.
        StoreLost: it is damaged.
        sqlite3.Error: whatever else is wrong with it.
    """
    _check_header(path)
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _configure(db)
        _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def check(db: sqlite3.Connection) -> None:
    """Look at every page.

    Raises:
        StoreLost: the structure of the database is damaged.
        sqlite3.Error: it can't be read.
    """
    if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise StoreLost("the database is damaged (quick_check)")


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


def _configure(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise StorageError("the file system can't hold SQLite's write-ahead log: choose a directory on a local disk")
    db.execute("PRAGMA synchronous = FULL")
    # Only explicit checkpoints, so that none falls into a commit.
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
    db.execute("PRAGMA cell_size_check = ON")
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    # Nothing in the file is worth hiding, and wiping freed pages would double the writes.
    db.execute("PRAGMA secure_delete = OFF")


def _check_header(path: Path) -> None:
    """Look at what SQLite would believe: a changed format number only makes a database read-only or ignores its log."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if header and (len(header) < _HEADER or not header.startswith(_MAGIC) or header[18:20] not in {b"\1\1", b"\2\2"}):
        raise StoreLost("the database is damaged (header)")


def _migrate(db: sqlite3.Connection) -> None:
    version = _version(db)
    if version > len(MIGRATIONS):
        raise StorageError(
            f"the database has schema version {version}, this release knows {len(MIGRATIONS)}: "
            "start the release that wrote it, or choose another directory"
        )
    for done, script in enumerate(MIGRATIONS[version:], start=version + 1):
        stamp = f"PRAGMA user_version = {done}; PRAGMA application_id = {_STAMP + done};"
        db.executescript(f"BEGIN IMMEDIATE; {script} {stamp} COMMIT;")


def _version(db: sqlite3.Connection) -> int:
    """The schema version, which stands twice in the file: a changed bit must not pass for a newer release."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    [stamp] = db.execute("PRAGMA application_id").fetchone()
    [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not version and not stamp and not tables:
        return 0
    if version < 1 or stamp != _STAMP + version:
        raise StoreLost("the database is damaged (version)")
    return int(version)
