"""What an error of SQLite or the system means: a fault of the storage that passes, or a damaged database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.errors import StorageError, StoreLost

_PASSING = {
    sqlite3.SQLITE_BUSY: "the database is locked by another process",
    sqlite3.SQLITE_CANTOPEN: "the database can't be opened",
    sqlite3.SQLITE_FULL: "no space left on the storage device",
    sqlite3.SQLITE_IOERR: "I/O error on the storage device",
    sqlite3.SQLITE_NOLFS: "the database is too large for its file system",
    sqlite3.SQLITE_NOMEM: "not enough memory",
    sqlite3.SQLITE_PERM: "no permission for the database",
    sqlite3.SQLITE_PROTOCOL: "the database is locked by another process",
    sqlite3.SQLITE_READONLY: "the storage is read-only",
}
"""Everything else that SQLite may say of statements that are right means that its file is not."""

_DAMAGE = {sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA}


def storage_error(error: sqlite3.Error | OSError | MemoryError) -> StorageError:
    """The error to show for one that was met; StoreLost where the database is damaged."""
    if isinstance(error, MemoryError):
        return StorageError(_PASSING[sqlite3.SQLITE_NOMEM])
    if isinstance(error, OSError):
        remedy = "; name a directory that this user may write" if isinstance(error, PermissionError) else ""
        return StorageError(f"the storage can't be used: {error.strerror}{remedy}")
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    name: str = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
    reason = _PASSING.get(code & 0xFF)
    if reason is None or code in _DAMAGE:
        return StoreLost(f"the database is damaged ({name})")
    return StorageError(f"{reason} ({name})")


def is_full(error: BaseException | None) -> bool:
    """Whether a write may have failed for want of space; a quota that is reached is an I/O error to SQLite."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
    return isinstance(error, OSError)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLite and the system raise into what the store promises to raise."""
    try:
        yield
    except (sqlite3.Error, OSError, MemoryError) as error:
        raise storage_error(error) from error
