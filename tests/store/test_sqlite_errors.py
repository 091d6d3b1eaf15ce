"""Storage that fails and works again: nothing of a failed batch is kept, and the store recovers by itself."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from exporter.errors import StorageError, StoreLost
from exporter.store.database import Database
from exporter.store.schema import LAYOUT
from tests.store.model import Model, batch, kept, numbered, same


class Connection(sqlite3.Connection):
    """SQLite as it is, but that it reports what it has done as failed where a test says so.

    Attributes:
        opened: all that were opened in this test.
        failing: how statements begin of which the next one is kept and reported as failed, as by a disk that fails in
            the middle of a COMMIT.
    """

    opened: ClassVar[list[sqlite3.Connection]] = []
    failing: ClassVar[list[str]] = []

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as in the base class
        """Execute a statement, and deny it where it is one of those that fail."""
        done = super().execute(sql, parameters)
        if self.failing and sql.startswith(self.failing[0]):
            del self.failing[0]
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
            raise error
        return done


@pytest.fixture
def sqlite(monkeypatch: pytest.MonkeyPatch) -> type[Connection]:
    """What connections to databases are."""

    def connect(*arguments: Any, **further: Any) -> sqlite3.Connection:  # noqa: ANN401 - as of `sqlite3.connect`
        Connection.opened.append(real(*arguments, **further, factory=Connection))
        return Connection.opened[-1]

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(Connection, "opened", [])
    monkeypatch.setattr(Connection, "failing", [])
    return Connection


def begun(directory: Path, **how: Any) -> Database:  # noqa: ANN401 - arguments of a database
    """A database with one batch."""
    store = Database(directory, **how)
    store.load()
    store.commit(numbered(1))
    return store


@pytest.fixture
def store(directory: Path) -> Iterator[Database]:
    """A database with one batch."""
    store = begun(directory)
    yield store
    store.release()


def fill(disk: Path) -> Path:
    """Leave no space."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            continue
    return filler


def commit_until_full(store: Database) -> list[int]:
    """The numbers of the batches that are kept before five are not."""
    done = [1]
    errors: list[str] = []
    while len(errors) < 5:
        try:
            store.commit(numbered(done[-1] + 1))
        except StorageError as error:
            errors.append(str(error))
        else:
            done.append(done[-1] + 1)
        store.tidy()
        assert len(done) < 1000
    assert set(errors) == {"no space left on the storage device (SQLITE_FULL)"}
    return done


@pytest.mark.parametrize("checkpoint_rows", [7, 10**6])
def test_full_disk(small_disk: Path, checkpoint_rows: int) -> None:
    """On a full disk commits fail and nothing of them is kept; with space again they succeed."""
    store = Database(small_disk / "data", checkpoint_rows=checkpoint_rows, pause_seconds=0.0)
    store.load()
    store.commit(numbered(1))
    filler = fill(small_disk)
    numbers = commit_until_full(store)
    corpse = shutil.copytree(small_disk / "data", small_disk.parent / "corpse")
    filler.unlink()
    expected = Model(*map(numbered, numbers))
    assert same(kept(corpse), expected.snapshot())
    for number in range(len(numbers) + 1, len(numbers) + 20):
        store.commit(numbered(number))
        store.tidy()
        expected.commit(numbered(number))
    store.close()
    assert same(kept(small_disk / "data"), expected.snapshot())


def test_start_on_a_full_disk(small_disk: Path) -> None:
    """A process that was killed on a full disk starts again on it, refuses commits, and recovers."""
    store = Database(small_disk / "data")
    store.load()
    store.commit(numbered(1))
    filler = fill(small_disk)
    numbers = commit_until_full(store)
    store.release()
    fill(small_disk)
    again = Database(small_disk / "data")
    assert same(again.load(), Model(*map(numbered, numbers)).snapshot())
    with pytest.raises(StorageError, match="no space left"):
        again.commit(batch(calls={1: bytes(500_000)}))
    filler.unlink()
    again.commit(batch(calls={1: b"works"}))
    again.close()


def test_limited_files(directory: Path) -> None:
    """A file that may not grow is an I/O error, and lifting the limit ends it."""
    command = [sys.executable, "-m", "tests.store.child", "limited", str(directory)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["I/O error on the storage device (SQLITE_IOERR_WRITE)"] * 2
    assert kept(directory).calls == [(1, b"before"), (3, b"after")]


def test_locked_by_another_process(directory: Path) -> None:
    """A database that somebody else is writing fails a commit after a bounded wait, and only as long as that."""
    store = begun(directory, layout=LAYOUT._replace(busy_seconds=0.05))
    store.disconnect()
    other = sqlite3.connect(directory / "voice-exporter.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(StorageError, match="the database is locked by another process"):
            store.commit(numbered(2))
    other.close()
    store.commit(numbered(2))
    store.close()
    assert same(kept(directory), Model(numbered(1), numbered(2)).snapshot())


def test_read_by_another_process(directory: Path) -> None:
    """Somebody who reads the database for long delays nothing and loses nothing."""
    store = begun(directory, checkpoint_rows=3)
    other = sqlite3.connect(directory / "voice-exporter.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM journal").fetchone()
    for number in range(2, 20):
        store.commit(numbered(number))
        store.tidy()
    other.close()
    store.close()
    assert same(kept(directory), Model(*map(numbered, range(1, 20))).snapshot())


def test_read_only(sqlite: type[Connection], store: Database, directory: Path) -> None:
    """A database that may not be written fails a commit, and the next one when it may."""
    sqlite.opened[-1].execute("PRAGMA query_only = ON")
    with pytest.raises(StorageError, match="the storage is read-only"):
        store.commit(numbered(2))
    store.commit(numbered(2))
    store.close()
    assert same(kept(directory), Model(numbered(1), numbered(2)).snapshot())


@pytest.mark.parametrize("prepared", [True, False])
def test_read_only_disk(small_disk: Path, prepared: bool) -> None:
    """A disk that is read-only from the start is said to be so, and nothing is quarantined."""
    if prepared:
        store = Database(small_disk / "data")
        store.load()
        store.commit(numbered(1))
        store.release()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StorageError, match=r"(?i)read-only"):
        Database(small_disk / "data").load()
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert bool(kept(small_disk / "data").series) == prepared


def test_not_a_directory(tmp_path: Path) -> None:
    """A file in the place of the directory is named as what is wrong."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StorageError, match="File exists"):
        Database(tmp_path / "data").load()


@pytest.fixture
def ghost(sqlite: type[Connection], store: Database) -> Database:
    """A database that kept batch 2 and reported that it did not."""
    sqlite.failing.append("INSERT INTO journal")
    with pytest.raises(StorageError, match="I/O error"):
        store.commit(numbered(2))
    return store


def test_a_commit_that_was_kept_and_failed_is_undone(ghost: Database, directory: Path) -> None:
    """The next commit leaves nothing of it, call states included, so that a second delivery counts once."""
    other = batch(increments=[(1, ((0, 100),))], calls={9: b"nine"})
    ghost.commit(other)
    ghost.close()
    assert same(kept(directory), Model(numbered(1), other).snapshot())


def test_a_commit_that_was_kept_and_failed_before_a_crash(ghost: Database, directory: Path) -> None:
    """A process that dies right after it finds all of the batch."""
    ghost.release()
    assert same(kept(directory), Model(numbered(1), numbered(2)).snapshot())


def test_a_snapshot_batch_that_was_kept_and_failed(sqlite: type[Connection], store: Database, directory: Path) -> None:
    """A lost store that kept a snapshot batch and reported that it did not takes the next one."""
    store.disconnect()
    (directory / "voice-exporter.db").write_bytes(b"garbage")
    rebuilt = batch(numbered(1).series, calls={1: b"one"}, snapshot=True)
    with pytest.raises(StoreLost):
        store.commit(rebuilt)
    sqlite.failing.append("COMMIT")
    with pytest.raises(StorageError, match="I/O error"):
        store.commit(rebuilt)
    later = batch(numbered(1).series, calls={2: b"two"}, snapshot=True)
    store.commit(later)
    store.close()
    assert same(kept(directory), Model(later).snapshot())


def test_a_checkpoint_that_was_kept_and_failed(
    sqlite: type[Connection], directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint that succeeds and reports that it did not counts nothing twice."""
    store = begun(directory, checkpoint_rows=2)
    store.commit(numbered(2))
    sqlite.failing.append("COMMIT")
    store.tidy()
    assert "storage could not tidy up after a commit" in caplog.messages
    store.commit(numbered(3))
    store.close()
    assert same(kept(directory), Model(*map(numbered, range(1, 4))).snapshot())
