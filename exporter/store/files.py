"""The database as files: made for its owner only, quarantined under a dated name, there after a power cut."""

import os
import time
from itertools import count
from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a directory and those above it that are missing, for their owner only.

    Raises:
        OSError: it can't be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in reversed(missing):
        sync_names(each.parent)


def create(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives its companions the same permissions.

    Raises:
        OSError: it can't be made.
    """
    make_directory(path.parent)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    sync_names(path.parent)


def inode(path: Path) -> int | None:
    """What tells a file from another one of the same name; None where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def is_missing(path: Path) -> bool:
    """Whether there is no such file, or an empty one, as a power cut may leave it."""
    return not path.exists() or not path.stat().st_size


def log_of(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(path.name + "-wal")


def journal_of(path: Path) -> Path:
    """The rollback journal of a database that has no write-ahead log."""
    return path.with_name(path.name + "-journal")


def quarantine(path: Path) -> str | None:
    """Rename a database and its log or journal; the new name, or None where there was nothing to rename.

    Raises:
        OSError: it can't be renamed.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{path.name}.corrupt-{stamp}"
    names = (name if n == 1 else f"{name}-{n}" for n in count(1))
    new = next(new for new in map(path.with_name, names) if not new.exists())
    # The log goes last, a power cut in between included: a database without its log would pass for an older state, and
    # a log without its database is never read.
    renamed = [_rename(path, new), _rename(log_of(path), log_of(new)), _rename(journal_of(path), journal_of(new))]
    Path(f"{path}-shm").unlink(missing_ok=True)
    return new.name if any(renamed) else None


def _rename(old: Path, new: Path) -> bool:
    try:
        old.rename(new)
    except FileNotFoundError:
        return False
    sync_names(old.parent)
    return True


def sync_names(directory: Path) -> None:
    """Make the names in a directory survive a power cut.

    Raises:
        OSError: the storage fails.
    """
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
