"""One process to a directory, and how far that process had come.

The file ``lock`` is locked for the life of the process; the kernel unlocks it, even after kill -9. It also holds the
number of the last acknowledged commit, and the generation of the database that the number belongs to: a database that
ends before it has lost what was promised. It is written without a sync, after its commit was synced. So after a power
cut it is behind its database, never ahead of it, or speaks of an earlier one; then it says nothing.
"""

import contextlib
import fcntl
import os
import zlib
from pathlib import Path
from typing import NamedTuple

from exporter.errors import StorageError
from exporter.store import files


class Mark(NamedTuple):
    """The last acknowledged commit of the database of a generation."""

    generation: int
    commit: int


class DirectoryLock:
    """The lock on a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Lock the directory, which is made where it is missing. Nothing happens where it is locked already.

        Raises:
            StorageError: another process has it.
            OSError: it can't be made or written.
        """
        if self.held():
            return
        self.release()
        files.make_directory(self._directory)
        self._file = locked(self._path, os.O_RDWR | os.O_CREAT)

    def release(self) -> None:
        """Unlock the directory."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def mark(self, mark: Mark) -> None:
        """Note the last acknowledged commit."""
        if self._file is not None:
            text = f"{mark.generation:016x} {mark.commit:020d}"
            # The mark is a second pair of eyes: a disk too full for it keeps commits safe all the same.
            with contextlib.suppress(OSError):
                os.pwrite(self._file, f"{text} {zlib.crc32(text.encode()):08x}\n".encode(), 0)

    def marked(self) -> Mark | None:
        """The last acknowledged commit; None where that isn't known."""
        if self._file is None:
            return None
        text, _, checksum = os.pread(self._file, 64, 0).decode(errors="replace").rstrip("\n").rpartition(" ")
        generation, _, commit = text.partition(" ")
        if checksum != f"{zlib.crc32(text.encode()):08x}" or not commit.isdecimal():
            return None
        return Mark(int(generation, 16), int(commit))

    def held(self) -> bool:
        """Whether the directory is locked, by a file that is still there."""
        return self._file is not None and files.inode(self._path) == os.fstat(self._file).st_ino


def locked(path: Path, flags: int) -> int:
    """Open a file and lock it; the lock ends with the descriptor, or with the process.

    Raises:
        StorageError: another process has locked it.
        OSError: it can't be opened.
    """
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise StorageError("another process is using it: stop that one, or choose another directory") from None
    return file
