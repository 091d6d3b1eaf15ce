"""An SQLite file: how it is opened and checked, and how an older one becomes a current one."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from exporter.errors import StorageError, StoreLost

_MAGIC = b"SQLite format 3\0"
_HEADER = 100


class Layout(NamedTuple):
    """What a database file is.

    Attributes:
        name: what messages call it.
        stamp: with the schema version added, the application id of the file.
        migrations: step N makes version N + 1 of version N.
        journal_mode: as SQLite names it.
        pragmas: how the file is opened.
        unstamped: the last version that may be without an application id.
        at_creation: pragmas of a new file; in an old one some of them write.
        busy_seconds: how long another process may hold the database before that is an error.
    """

    name: str
    stamp: int
    migrations: tuple[str, ...]
    journal_mode: str
    pragmas: tuple[str, ...]
    unstamped: int = 0
    at_creation: tuple[str, ...] = ()
    busy_seconds: float = 1.5


def connect(path: Path | None, layout: Layout) -> sqlite3.Connection:
    """Open the file and bring it to the current version.

    Args:
        path: of the file; None for a database in memory.
        layout: what it is.

    Raises:
        StorageError: a newer release wrote it, or its file system can't hold a write-ahead log.
        StoreLost: it is damaged.
        sqlite3.Error: whatever else is wrong with it.
    """
    if path:
        _check_header(path, layout)
    db = sqlite3.connect(path or ":memory:", timeout=layout.busy_seconds, isolation_level=None)
    try:
        _configure(db, layout)
        _migrate(db, layout)
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


def _configure(db: sqlite3.Connection, layout: Layout) -> None:
    [mode] = db.execute(f"PRAGMA journal_mode = {layout.journal_mode}").fetchone()
    if mode not in {layout.journal_mode, "memory"}:
        raise StorageError("the file system can't hold SQLite's write-ahead log: choose a directory on a local disk")
    for pragma in layout.pragmas:
        db.execute(f"PRAGMA {pragma}")


def _check_header(path: Path, layout: Layout) -> None:
    """Look at what SQLite would believe: a changed format number only makes a database read-only or ignores its log."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if header and (len(header) < _HEADER or not header.startswith(_MAGIC) or header[18:20] not in {b"\1\1", b"\2\2"}):
        raise StoreLost(f"{layout.name} is damaged (header)")


def _migrate(db: sqlite3.Connection, layout: Layout) -> None:
    version, current = _version(db, layout), len(layout.migrations)
    if version > current:
        raise StorageError(
            f"{layout.name} has schema version {version}, this release knows {current}: "
            "start the release that wrote it, or choose another directory"
        )
    for pragma in () if version else layout.at_creation:
        db.execute(f"PRAGMA {pragma}")
    for done, script in enumerate(layout.migrations[version:], start=version + 1):
        stamp = f"PRAGMA user_version = {done}; PRAGMA application_id = {layout.stamp + done};"
        db.executescript(f"BEGIN IMMEDIATE; {script} {stamp} COMMIT;")


def _version(db: sqlite3.Connection, layout: Layout) -> int:
    """The schema version, which stands twice in the file: a changed bit must not pass for a newer release."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    [stamp] = db.execute("PRAGMA application_id").fetchone()
    [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not version and not stamp and not tables:
        return 0
    stamped = stamp == layout.stamp + version or (not stamp and version <= layout.unstamped)
    if version < 1 or not stamped:
        raise StoreLost(f"{layout.name} is damaged (version)")
    return int(version)
