"""The directory of a database: which process owns it, which file is current, and its last acknowledged commit.

The owner holds locks on the file ``lock`` and on the database itself: deleting one of them does not let a second
process in. They are independent of SQLite's own locks, so other programs may still read the database.
"""

import logging
import os
import sqlite3
from pathlib import Path

from exporter.errors import StoreLost
from exporter.logs import log
from exporter.store import files, schema, sqlite_file
from exporter.store.lock import DirectoryLock, Mark, locked

_log = logging.getLogger(__name__)


class Directory:
    """The directory that holds ``voice-exporter.db``.

    Args:
        directory: its path.
        layout: what the database in it is.

    Attributes:
        path: of the directory.
        acknowledged: number of the last commit that was reported as kept; the database goes at least that far.
        quarantined: the name that the last damaged database was given; None where there was none.
    """

    def __init__(self, directory: Path, layout: sqlite_file.Layout = schema.LAYOUT) -> None:
        self.path = directory
        self._layout = layout
        self.acknowledged = 0
        self.quarantined: str | None = None
        self._database = directory / "voice-exporter.db"
        self._lock = DirectoryLock(directory)
        self._claim: int | None = None
        self._mark: Mark | None = None
        self._inodes: dict[Path, int | None] = {}
        self._damage = ""

    def acquire(self) -> None:
        """Lock the directory, and read the number of its last acknowledged commit.

        Raises:
            StorageError: another process has it.
            OSError: it can't be made or read.
        """
        self._lock.acquire()
        self._mark = self._lock.marked()

    def release(self) -> None:
        """Unlock the directory."""
        self._unclaim()
        self._lock.release()

    def open(self) -> sqlite3.Connection:
        """Connect to the database; create it if there is none, or if the old one was condemned.

        Raises:
            StoreLost: it is damaged or gone.
            StorageError: it can't be used.
            OSError, sqlite3.Error: the storage fails.
        """
        if self._damage:
            self._quarantine()
        if files.is_missing(self._database):
            if (self._mark and self._mark.commit) or files.log_of(self._database).exists():
                raise StoreLost("the database file is gone")
            files.create(self._database)
        self._unclaim()
        self._claim = locked(self._database, os.O_RDONLY)
        db = sqlite_file.connect(self._database, self._layout)
        try:
            self._recognise(schema.generation(db))
        except BaseException:
            db.close()
            raise
        return db

    def condemn(self, reason: str) -> None:
        """Mark the database as damaged: the next `open` quarantines it and creates a new one."""
        self._damage = reason

    def mark(self) -> None:
        """Record the last acknowledged commit in ``lock``.

        Raises:
            StoreLost: somebody deleted it, or its log.
            StorageError: somebody deleted the lock, and another process has the directory now.
        """
        if not self._lock.held():
            log(_log, logging.WARNING, "storage made its deleted lock again", file="lock")
            self._lock.acquire()
        self._note(self.acknowledged)
        for path, inode in self._inodes.items():
            if files.inode(path) != inode:
                raise StoreLost(f"the {'database' if path == self._database else 'log of the database'} file is gone")

    def settle(self) -> None:
        """Record that the database has no write-ahead log left: a copy may replace it, an empty file may not."""
        self._note(min(1, self.acknowledged))

    def _recognise(self, generation: int) -> None:
        """Identify the database by its generation, and take over its last acknowledged commit."""
        if self._inodes and self._mark and self._mark.generation != generation:
            raise StoreLost("another database is in the place of the database")
        if self._mark is None or self._mark.generation != generation:
            self._mark = Mark(generation, 0)
        self.acknowledged = max(self.acknowledged, self._mark.commit)
        self._inodes = {path: files.inode(path) for path in (self._database, files.log_of(self._database))}

    def _note(self, commit: int) -> None:
        if self._mark:
            self._mark = self._mark._replace(commit=commit)
            self._lock.mark(self._mark)

    def _quarantine(self) -> None:
        self._lock.acquire()
        name = files.quarantine(self._database)
        self.quarantined = name or self.quarantined
        log(
            _log,
            logging.ERROR,
            "storage was damaged, an empty database takes its place",
            reason=self._damage,
            quarantined=name,
        )
        self._damage = ""
        self.acknowledged = 0
        self._mark = None
        self._inodes = {}

    def _unclaim(self) -> None:
        """Unlock the database; never while connected: closing a descriptor ends SQLite's locks on the file."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None
