"""The directory of a database: who has it, which file in it is the good one, and how far that file goes."""

import logging
import sqlite3
from pathlib import Path

from exporter.errors import StoreLost
from exporter.store import files, schema
from exporter.store.lock import DirectoryLock

_log = logging.getLogger(__name__)


class Directory:
    """The directory that holds ``voice-exporter.db``.

    Attributes:
        path: of the directory.
        acknowledged: number of the last commit that was reported as kept; the database goes at least that far.
        quarantined: the name that the last damaged database was given; None where there was none.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self.acknowledged = 0
        self.quarantined: str | None = None
        self._file = directory / "voice-exporter.db"
        self._lock = DirectoryLock(directory)
        self._damage = ""

    def acquire(self) -> None:
        """Lock the directory, and learn how far its database must go.

        Raises:
            StorageError: another process has it.
            OSError: it can't be made or read.
        """
        self._lock.acquire()
        self.acknowledged = self._lock.marked()

    def release(self) -> None:
        """Unlock the directory."""
        self._lock.release()

    def open(self) -> sqlite3.Connection:
        """Connect to the database; where there is none yet, or a condemned one, to a new one.

        Raises:
            StoreLost: it is damaged or gone.
            StorageError: it can't be used.
            OSError, sqlite3.Error: the storage fails.
        """
        if self._damage:
            self._quarantine()
        if not self._file.exists():
            if self.acknowledged:
                raise StoreLost("the database file is gone")
            files.create(self._file)
        return schema.connect(self._file)

    def condemn(self, reason: str) -> None:
        """Say that the database is of no use any more; the next to open one gets a new one."""
        self._damage = reason

    def mark(self) -> None:
        """Note how far the database goes.

        Raises:
            StoreLost: somebody deleted it.
        """
        self._lock.mark(self.acknowledged)
        if not self._file.exists():
            raise StoreLost("the database file is gone")

    def settle(self) -> None:
        """Note that the database stands alone, without a log: a copy of it may take its place, an empty file not."""
        self._lock.mark(min(1, self.acknowledged))

    def _quarantine(self) -> None:
        self._lock.acquire()
        name = files.quarantine(self._file)
        self.quarantined = name or self.quarantined
        fate = f"quarantined as {name}" if name else "nothing left to quarantine"
        _log.error("storage: %s: %s, an empty database takes its place", self._damage, fate)
        self._damage = ""
        self.acknowledged = 0
        self._lock.mark(0)
