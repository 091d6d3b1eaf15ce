"""The file behind the queue, synchronous, for one thread: what waits in one table, bodies in another.

On a full disk the queue must still empty itself, for that is what makes room. So opening it writes nothing, an attempt
touches one small row, and a body lies in parts that are deleted one by one, each with less journal than is held in
reserve. Freed pages are overwritten and given back to the file system by the transaction that frees them.
"""

import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec.structs import astuple

from exporter.errors import StorageError, StoreLost
from exporter.logs import log
from exporter.relay import journal_reserve
from exporter.relay.request import RelayRequest
from exporter.relay.schedule import Scheduled
from exporter.store import files, sqlite_file
from exporter.store.sqlite_errors import is_full, translated

PART_BYTES: Final = 65_536
"""Of a body in one row."""
_PARTS_AT_ONCE: Final = (16, 1)
"""How many parts a transaction deletes; and where it has no room for that."""

LAYOUT: Final = sqlite_file.Layout(
    name="the relay's queue",
    stamp=0x56525100,
    unstamped=1,
    at_creation=("auto_vacuum = FULL",),
    journal_mode="persist",
    pragmas=(
        "secure_delete = ON",
        f"journal_size_limit = {journal_reserve.RESERVE_BYTES}",
        "synchronous = FULL",
        "temp_store = MEMORY",
    ),
    migrations=(
        """
        CREATE TABLE parcels (
            id INTEGER PRIMARY KEY,
            platform TEXT NOT NULL,
            target TEXT NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            due REAL DEFAULT 0,
            size INTEGER NOT NULL,
            parcel BLOB NOT NULL
        );
        """,
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            platform TEXT NOT NULL,
            target TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            size INTEGER NOT NULL
        );
        CREATE TABLE requests (event INTEGER NOT NULL, part BLOB NOT NULL);
        CREATE INDEX parts ON requests (event);
        INSERT INTO events SELECT id, platform, target, attempts, size FROM parcels;
        INSERT INTO requests SELECT id, parcel FROM parcels ORDER BY id;
        DROP TABLE parcels;
        """,
    ),
)

_DELETE_PARTS: Final = """
    DELETE FROM requests WHERE rowid IN (
        SELECT rowid FROM requests
        WHERE event = :event AND NOT EXISTS (SELECT 1 FROM events WHERE id = :event)
        ORDER BY rowid DESC LIMIT :parts
    )
"""

Work: TypeAlias = Callable[["QueueFile"], Any]
_T = TypeVar("_T")

_log = logging.getLogger(__name__)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(RelayRequest).decode


class QueueFile:
    """The file.

    Args:
        path: of the file, made when it is first needed; None keeps all in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._journal = files.journal_of(path) if path else None
        self._db: sqlite3.Connection | None = None
        self._next = 1
        self._doubtful: set[int] = set()
        self._forgotten: set[int] = set()

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self._path is not None and self._path.exists()

    def load(self) -> list[Scheduled]:
        """Check the file, and give what an earlier process left in it.

        Raises:
            StorageError: it can't be read.
            StoreLost: what waited is gone: the damaged file was quarantined.
        """
        waiting = self._guarded(self._load)
        self._tidy()
        return waiting

    def run(self, works: Sequence[Work]) -> list[Any]:
        """Do it all in one transaction; where that is more than the disk has room for, each in one of its own.

        Returns:
            What each gives, or the `StorageError` why it was not done.

        Raises:
            StorageError: nothing was done.
            StoreLost: nothing was done, and what waited is gone: the damaged file was quarantined.
        """
        try:
            given = self._guarded(lambda: self._transact(works))
        except StorageError as error:
            if len(works) == 1 or not is_full(error.__cause__):
                raise
            given = [self._alone(work) for work in works]
        self._tidy()
        return given

    def put(self, requests: Mapping[str, RelayRequest]) -> list[Scheduled]:
        """Add requests, by target; not without the room that it takes to delete them."""
        db = self._open()
        if self._journal:
            journal_reserve.hold(self._journal)
        events = []
        for target, request in requests.items():
            waiting = Scheduled(self._next, request.platform, target, 0, len(request.body))
            self._next += 1
            # Where a commit fails, nobody can tell whether it is kept; reported is that it is not.
            self._doubtful.add(waiting.id)
            db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", astuple(waiting))
            rows = ((waiting.id, part) for part in _parts(request))
            db.executemany("INSERT INTO requests VALUES (?, ?)", rows)
            events.append(waiting)
        return events

    def begin(self, events: Sequence[Scheduled]) -> list[RelayRequest]:
        """Count an attempt to deliver each of these events, and give their requests."""
        db, numbers = self._open(), [(waiting.id,) for waiting in events]
        db.executemany("UPDATE events SET attempts = attempts + 1 WHERE id = ?", numbers)
        return [_read(db, waiting.id) for waiting in events]

    def remove(self, event: int) -> None:
        """Forget an event, and the last part of its body; the rest goes once it is forgotten."""
        db = self._open()
        db.execute("DELETE FROM events WHERE id = ?", (event,))
        db.execute(_DELETE_PARTS, {"event": event, "parts": 1})
        self._forgotten.add(event)

    def close(self) -> None:
        """Close the file, which rolls back; it is opened again when it is needed."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _load(self) -> list[Scheduled]:
        db = self._open()
        sqlite_file.check(db)
        waiting = [Scheduled(*row) for row in db.execute("SELECT * FROM events ORDER BY id")]
        bodies = {event for (event,) in db.execute("SELECT DISTINCT event FROM requests")}
        self._forgotten = bodies - {each.id for each in waiting}
        self._next = max(self._next, *(number + 1 for number in bodies), *(each.id + 1 for each in waiting), 1)
        if self._journal:
            with suppress(OSError):
                journal_reserve.hold(self._journal)
        return waiting

    def _transact(self, works: Sequence[Work]) -> list[Any]:
        db = self._open()
        db.execute("BEGIN IMMEDIATE")
        for event in self._doubtful:
            self.remove(event)
        given = [work(self) for work in works]
        db.execute("COMMIT")
        self._doubtful.clear()
        return given

    def _alone(self, work: Work) -> Any:  # noqa: ANN401 - whatever the work gives
        try:
            return self._guarded(lambda: self._transact([work]))[0]
        except StoreLost:
            raise
        except StorageError as error:
            return error

    def _tidy(self) -> None:
        """Delete the bodies of forgotten events; what fails is left for the next time."""
        try:
            self._guarded(self._delete_bodies)
        except StoreLost:
            raise
        except StorageError as error:
            log(_log, logging.WARNING, "the relay's queue can't delete a body", reason=str(error))

    def _delete_bodies(self) -> None:
        for event in [*self._forgotten]:
            while self._delete_parts(event):
                pass
            self._forgotten.discard(event)
        if self._journal:
            journal_reserve.wipe(self._journal)

    def _delete_parts(self, event: int) -> bool:
        """Delete parts of a body; whether there were any."""
        for parts in _PARTS_AT_ONCE:
            try:
                return self._open().execute(_DELETE_PARTS, {"event": event, "parts": parts}).rowcount > 0
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
                full = error
        raise full

    def _guarded(self, work: Callable[[], _T]) -> _T:
        try:
            with translated():
                return work()
        except StoreLost:
            self.close()
            if self._path:
                with translated():
                    files.quarantine(self._path)
            raise
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """Nothing of a transaction stays; memory is all there is, so it must not be closed for that."""
        if self._path:
            self.close()
        elif self._db is not None and self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if self._path and not self._path.exists():
                files.create(self._path)
            self._db = sqlite_file.connect(self._path, LAYOUT)
        elif self._path and not self._path.exists():
            raise StoreLost("the relay's queue is gone")
        return self._db


def _parts(request: RelayRequest) -> Iterator[bytes]:
    """The request as bytes in parts, with a checksum before them: SQLite has none of its own."""
    packed = _encode(request)
    sealed = zlib.crc32(packed).to_bytes(4) + packed
    return (sealed[begin : begin + PART_BYTES] for begin in range(0, len(sealed), PART_BYTES))


def _read(db: sqlite3.Connection, event: int) -> RelayRequest:
    rows = db.execute("SELECT part FROM requests WHERE event = ? ORDER BY rowid", (event,))
    sealed = b"".join(part for (part,) in rows)
    try:
        if zlib.crc32(sealed[4:]).to_bytes(4) == sealed[:4]:
            return _decode(sealed[4:])
    except msgspec.MsgspecError:
        pass
    raise StoreLost("the relay's queue holds an event that can't be read")
