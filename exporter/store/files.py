"""The database as files: made for its owner only, quarantined under a dated name."""

import os
import time
from itertools import count
from pathlib import Path


def create(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives its companions the same permissions.

    Raises:
        OSError: it can't be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    _sync(path.parent)


def quarantine(path: Path) -> str | None:
    """Rename a database and its write-ahead log; the new name, or None where there was nothing to rename.

    Raises:
        OSError: it can't be renamed.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{path.name}.corrupt-{stamp}"
    names = (name if n == 1 else f"{name}-{n}" for n in count(1))
    new = next(new for new in map(path.with_name, names) if not new.exists())
    # The log goes last: a database without its log would pass for an older state.
    renamed = [_rename(f"{path}{suffix}", f"{new}{suffix}") for suffix in ("", "-wal")]
    Path(f"{path}-shm").unlink(missing_ok=True)
    _sync(path.parent)
    return new.name if any(renamed) else None


def _rename(old: str, new: str) -> bool:
    try:
        Path(old).rename(new)
    except FileNotFoundError:
        return False
    return True


def _sync(directory: Path) -> None:
    """Make names in a directory survive a power cut."""
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
