"""One process to a directory, and how far that process had come.

The file ``lock`` is locked for the life of the process; the kernel unlocks it, even after kill -9. It also holds the
number of the last acknowledged commit. It is written without a sync: it survives the process, and after a power cut it
may be behind but never ahead of the database. A database that ends before this number has lost what was promised.
"""

import contextlib
import fcntl
import os
import zlib
from pathlib import Path

from exporter.errors import StorageError


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
        if self._held():
            return
        self.release()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise StorageError("another process is using it: stop that one, or choose another directory") from None
        self._file = file

    def release(self) -> None:
        """Unlock the directory."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def mark(self, commit: int) -> None:
        """Note the last acknowledged commit."""
        if self._file is not None:
            text = f"{commit:020d}"
            # The mark is a second pair of eyes: a disk too full for it keeps commits safe all the same.
            with contextlib.suppress(OSError):
                os.pwrite(self._file, f"{text} {zlib.crc32(text.encode()):08x}\n".encode(), 0)

    def marked(self) -> int:
        """The last acknowledged commit, 0 where that isn't known."""
        if self._file is None:
            return 0
        text, _, checksum = os.pread(self._file, 64, 0).decode(errors="replace").rstrip("\n").partition(" ")
        return int(text) if text.isdecimal() and checksum == f"{zlib.crc32(text.encode()):08x}" else 0

    def _held(self) -> bool:
        if self._file is None or not self._path.exists():
            return False
        return os.path.samestat(os.fstat(self._file), self._path.stat())
