"""The file behind the queue: one table, synchronous, for one thread.

The rollback journal is emptied by each transaction and freed pages are overwritten, so that nothing of a body stays in
the directory once its row is gone.
"""

import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from exporter.errors import QueueFull, StorageError, StoreLost
from exporter.relay.request import RelayRequest
from exporter.store import files
from exporter.store.sqlite_errors import translated

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 256 * 1024 * 1024
"""Of all bodies that wait."""

Destination: TypeAlias = tuple[str, str]
"""Platform and target: what waits for one application does not hold up what waits for another."""

_VERSION: Final = 1
_SCHEMA: Final = f"""
PRAGMA auto_vacuum = FULL;
BEGIN IMMEDIATE;
CREATE TABLE parcels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL,
    target TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL DEFAULT 0,
    size INTEGER NOT NULL,
    parcel BLOB NOT NULL
);
CREATE INDEX destinations ON parcels (platform, target, due);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(RelayRequest).decode


class Queued(NamedTuple):
    """An event that was claimed.

    Attributes:
        id: its number.
        target: the URL of a further target; empty for the application that answers.
        attempts: how often it was claimed, this time included.
        parcel: the request.
    """

    id: int
    target: str
    attempts: int
    parcel: RelayRequest

    @property
    def destination(self) -> Destination:
        """Whom it waits for."""
        return self.parcel.platform, self.target


class QueueFile:
    """The file.

    Args:
        path: of the file, made when it is first needed; None keeps all in memory.

    Attributes:
        waiting: events by platform.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._bytes = 0
        self.waiting: Counter[str] = Counter()

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self._path is not None and self._path.exists()

    def run(self, works: Sequence[Callable[["QueueFile"], Any]]) -> list[Any]:
        """Do it all in one transaction: what each gives, or why it had no room.

        Raises:
            StorageError: nothing was done.
            StoreLost: nothing was done, and what waited is gone: the damaged file was quarantined.
        """
        try:
            with translated():
                self._open().execute("BEGIN IMMEDIATE")
                given = [self._attempt(work) for work in works]
                self._open().execute("COMMIT")
                return given
        except StorageError as error:
            self.close()
            if isinstance(error, StoreLost) and self._path:
                with translated():
                    files.quarantine(self._path)
            raise

    def put(self, parcels: Mapping[str, RelayRequest]) -> None:
        """Add parcels, by target.

        Raises:
            QueueFull: there is no room for all of them.
        """
        size = sum(len(parcel.body) for parcel in parcels.values())
        if self.waiting.total() + len(parcels) > MAX_EVENTS or self._bytes + size > MAX_BYTES:
            raise QueueFull("too many events wait for the application")
        for target, parcel in parcels.items():
            row = (parcel.platform, target, len(parcel.body), _sealed(parcel))
            self._open().execute("INSERT INTO parcels (platform, target, size, parcel) VALUES (?, ?, ?, ?)", row)
            self._count(parcel, 1)

    def claim(self, now: float, slots: Callable[[Destination], int]) -> tuple[list[Queued], float | None]:
        """Take what is due, oldest first, for each destination so many, and say when the next will be."""
        db, claimed = self._open(), []
        for destination in db.execute(
            "SELECT DISTINCT platform, target FROM parcels WHERE due <= ?", (now,)
        ).fetchall():
            rows = db.execute(
                "SELECT id, target, attempts + 1, parcel FROM parcels"
                " WHERE platform = ? AND target = ? AND due <= ? ORDER BY id LIMIT ?",
                (*destination, now, slots(destination)),
            )
            claimed += [Queued(number, target, attempts, _opened(blob)) for number, target, attempts, blob in rows]
        for queued in claimed:
            db.execute("UPDATE parcels SET due = NULL, attempts = attempts + 1 WHERE id = ?", (queued.id,))
        [due] = db.execute("SELECT min(due) FROM parcels WHERE due > ?", (now,)).fetchone()
        return claimed, due

    def remove(self, queued: Queued) -> None:
        """Forget an event."""
        if self._open().execute("DELETE FROM parcels WHERE id = ?", (queued.id,)).rowcount:
            self._count(queued.parcel, -1)

    def postpone(self, queued: Queued, due: float) -> None:
        """Let an event be due again."""
        self._open().execute("UPDATE parcels SET due = ? WHERE id = ?", (due, queued.id))

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _attempt(self, work: Callable[["QueueFile"], Any]) -> Any:  # noqa: ANN401 - whatever the work gives
        try:
            return work(self)
        except QueueFull as full:
            return full

    def _count(self, parcel: RelayRequest, sign: int) -> None:
        self.waiting[parcel.platform] += sign
        self._bytes += sign * len(parcel.body)

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if self._path and not self._path.exists():
                files.create(self._path)
            self._db = _connect(self._path)
            self._recall(self._db)
        return self._db

    def _recall(self, db: sqlite3.Connection) -> None:
        """Learn what waits; whatever was claimed is due again."""
        db.execute("UPDATE parcels SET due = 0")
        totals = db.execute("SELECT platform, count(*), sum(size) FROM parcels GROUP BY platform").fetchall()
        self.waiting = Counter(dict.fromkeys(self.waiting, 0))
        self.waiting.update({platform: events for platform, events, _ in totals})
        self._bytes = sum(size for _, _, size in totals)


def _sealed(parcel: RelayRequest) -> bytes:
    """The parcel as bytes, with a checksum before them: SQLite has none of its own."""
    packed = _encode(parcel)
    return zlib.crc32(packed).to_bytes(4) + packed


def _opened(blob: bytes) -> RelayRequest:
    try:
        if zlib.crc32(blob[4:]).to_bytes(4) == blob[:4]:
            return _decode(blob[4:])
    except msgspec.MsgspecError:
        pass
    raise StoreLost("the relay's queue holds an event that can't be read")


def _connect(path: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path or ":memory:", timeout=1.5, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("secure_delete = ON", "journal_mode = TRUNCATE", "synchronous = FULL"):
            db.execute(f"PRAGMA {pragma}")
        _check(db)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise StoreLost("the relay's queue is damaged (quick_check)")
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version not in {0, _VERSION}:
        raise StorageError(f"the relay's queue has schema version {version}, this release knows {_VERSION}")
    if not version:
        db.executescript(_SCHEMA)
