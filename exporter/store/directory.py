"""The directory of a database: who has it, which file in it is the good one, and how far that file goes."""

import logging
import sqlite3
from pathlib import Path

from exporter.errors import StoreLost
from exporter.store import files, schema
from exporter.store.lock import Lease

_log = logging.getLogger(__name__)


class Folder:
    """The directory that holds ``voice-exporter.db``.

    Attributes:
        directory: its path.
        acknowledged: number of the last commit that was reported as kept; the database goes at least that far.
        set_aside: the name that the last damaged database was given; None where there was none.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.acknowledged = 0
        self.set_aside: str | None = None
        self._path = directory / "voice-exporter.db"
        self._lease = Lease(directory)
        self._damage = ""

    def acquire(self) -> None:
        """Lock the directory, and learn how far its database must go.

        Raises:
            StorageError: another process has it.
            OSError: it can't be made or read.
        """
        self._lease.acquire()
        self.acknowledged = self._lease.marked()

    def release(self) -> None:
        """Unlock the directory."""
        self._lease.release()

    def open(self) -> sqlite3.Connection:
        """Connect to the database; where there is none yet, or a condemned one, to a new one.

        Raises:
            StoreLost: it is damaged or gone.
            StorageError: it can't be used.
            OSError, sqlite3.Error: the storage fails.
        """
        if self._damage:
            self._set_aside()
        if not self._path.exists():
            if self.acknowledged:
                raise StoreLost("the database file is gone")
            files.create(self._path)
        return schema.connect(self._path)

    def condemn(self, reason: str) -> None:
        """Say that the database is of no use any more; the next to open one gets a new one."""
        self._damage = reason

    def mark(self) -> None:
        """Note how far the database goes.

        Raises:
            StoreLost: somebody deleted it.
        """
        self._lease.mark(self.acknowledged)
        if not self._path.exists():
            raise StoreLost("the database file is gone")

    def settle(self) -> None:
        """Note that the database stands alone, without a log: a copy of it may take its place, an empty file not."""
        self._lease.mark(min(1, self.acknowledged))

    def _set_aside(self) -> None:
        self._lease.acquire()
        name = files.set_aside(self._path)
        self.set_aside = name or self.set_aside
        fate = f"quarantined as {name}" if name else "nothing left to quarantined"
        _log.error("storage: %s: %s, an empty database takes its place", self._damage, fate)
        self._damage = ""
        self.acknowledged = 0
        self._lease.mark(0)
