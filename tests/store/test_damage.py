"""Damaged files: what is left is either exact, or quarantined in plain sight, and serving goes on."""

import logging
import random
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.errors import StorageError, StoreLost
from exporter.store.base import Snapshot
from exporter.store.database import Database
from tests.store.model import RAM, Model, batch, kept, numbered, same

BATCHES = [numbered(number) for number in range(1, 31)]
TRUTH = Model(*BATCHES).snapshot()
EMPTY = Model().snapshot()
NAME = "voice-exporter.db"


@pytest.fixture(scope="module")
def closed() -> Iterator[Path]:
    """Files as a process leaves them that ends in good order."""
    with tempfile.TemporaryDirectory(dir=RAM) as directory:
        yield filled(Path(directory) / "data", Database.close)


@pytest.fixture(scope="module")
def killed() -> Iterator[Path]:
    """Files as a process leaves them that is killed: the write-ahead log holds checkpoints and the latest batches."""
    with tempfile.TemporaryDirectory(dir=RAM) as directory:
        corpse = Path(directory)
        filled(corpse / "live", lambda database: copy(corpse, database))
        yield corpse / "data"


def filled(directory: Path, end: Callable[[Database], None]) -> Path:
    """A database with the batches in it."""
    store = Database(directory, checkpoint_rows=8)
    store.load()
    for each in BATCHES:
        store.commit(each)
        store.tidy()
    end(store)
    return directory


def copy(corpse: Path, live: Database) -> None:
    """Take the files away from under a database, then close it."""
    shutil.copytree(corpse / "live", corpse / "data")
    live.close()


@pytest.fixture
def sound(request: pytest.FixtureRequest, state: str) -> Path:
    """A sound directory, to be copied."""
    directory: Path = request.getfixturevalue(state)
    return directory


def copies(sound: Path, name: str, count: int) -> Iterator[Path]:
    """Fresh copies of the directory, each to be damaged in one file; the file's path."""
    for _ in range(count):
        with tempfile.TemporaryDirectory(dir=RAM) as directory:
            yield shutil.copytree(sound, Path(directory) / "data") / name


def loaded(directory: Path) -> tuple[Snapshot, str | None]:
    """What a process finds there, which must go on with it."""
    store = Database(directory)
    found = store.load()
    store.commit(batch(calls={77: b"goes on"}))
    store.close()
    after = kept(directory)
    assert after.calls == [*found.calls, (77, b"goes on")]
    assert after.series == found.series
    return found, store.directory.quarantined


def check(path: Path) -> bool:
    """Whether the damage was found; if not, it must have done no harm."""
    found, quarantined = loaded(path.parent)
    assert same(found, EMPTY if quarantined else TRUTH)
    assert quarantined is None or (path.parent / quarantined).exists()
    return quarantined is not None


@pytest.mark.parametrize(("state", "name"), [("closed", NAME), ("killed", NAME), ("killed", NAME + "-wal")])
def test_truncated(sound: Path, name: str) -> None:
    """A database cut at any offset is noticed, and a log cut where it loses something."""
    size = (sound / name).stat().st_size
    offsets = sorted({0, 1, 99, 100, 4095, 4096, size - 1, *random.Random(7).sample(range(size), 40)})
    noticed = 0
    for path, offset in zip(copies(sound, name, len(offsets)), offsets, strict=True):
        with path.open("r+b") as file:
            file.truncate(offset)
        noticed += check(path)
    # The end of a log may be left from before it began anew.
    assert noticed == len(offsets) if name == NAME else noticed > 0


@pytest.mark.parametrize(
    ("state", "name"),
    [("closed", NAME), ("closed", "lock"), ("killed", NAME), ("killed", NAME + "-wal"), ("killed", "lock")],
)
def test_flipped(sound: Path, name: str) -> None:
    """A changed byte anywhere is noticed or does no harm."""
    chance = random.Random(8)
    size = (sound / name).stat().st_size
    offsets = sorted({*range(min(100, size)), *chance.sample(range(size), min(size, 60))})
    noticed = 0
    for path, offset in zip(copies(sound, name, len(offsets)), offsets, strict=True):
        content = bytearray(path.read_bytes())
        content[offset] ^= chance.randrange(1, 256)
        path.write_bytes(content)
        noticed += check(path)
    assert (noticed > 0) == (name != "lock")


@pytest.mark.parametrize("content", [b"", b"not a database\n" * 500, bytes(8192), b"SQLite format 3\0"])
def test_something_else(closed: Path, content: bytes) -> None:
    """Another file in the place of the database is quarantined."""
    for path in copies(closed, NAME, 1):
        path.write_bytes(content)
        assert check(path)


def test_quarantined(killed: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The damaged files keep their content under a dated name, twice in a second too, and the log says so."""
    monkeypatch.setattr(time, "strftime", lambda *_: "20260102T030405Z")
    for path in copies(killed, NAME, 1):
        log = path.with_name(NAME + "-wal").read_bytes()
        for name in ("voice-exporter.db.corrupt-20260102T030405Z", "voice-exporter.db.corrupt-20260102T030405Z-2"):
            path.write_bytes(b"garbage")
            caplog.clear()
            assert loaded(path.parent) == (EMPTY, name)
            assert (path.parent / name).read_bytes() == b"garbage"
            [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
            assert record.message == "storage was damaged, an empty database takes its place"
            assert vars(record)["fields"]["quarantined"] == name
        assert (path.parent / "voice-exporter.db.corrupt-20260102T030405Z-wal").read_bytes() == log


def test_deleted(closed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A database that was deleted is not missed in silence."""
    for path in copies(closed, NAME, 1):
        path.unlink()
        assert loaded(path.parent) == (EMPTY, None)
        assert vars(caplog.records[-1])["fields"] == {"reason": "the database file is gone", "quarantined": None}


def test_an_older_copy_in_its_place(directory: Path, tmp_path: Path) -> None:
    """A copy that was made after a process ended in good order may be put back."""
    shutil.copytree(filled(directory, Database.close), tmp_path / "copy")
    filled_up = Database(directory)
    filled_up.load()
    filled_up.commit(numbered(31))
    filled_up.close()
    shutil.copy(tmp_path / "copy" / NAME, directory / NAME)
    assert same(kept(directory), TRUTH)


@pytest.fixture
def lost(directory: Path) -> Database:
    """A database that finds its file damaged while it runs."""
    store = Database(directory)
    store.load()
    store.commit(numbered(1))
    store.disconnect()
    (directory / NAME).write_bytes(b"garbage")
    with pytest.raises(StoreLost, match="damaged"):
        store.commit(numbered(2))
    return store


def test_a_lost_store_waits_for_a_snapshot_batch(lost: Database, directory: Path) -> None:
    """Every batch is refused until a snapshot comes; from then on all is well."""
    with pytest.raises(StoreLost, match="damaged"):
        lost.commit(numbered(3))
    rebuilt = batch(numbered(1).series, calls={5: b"five"}, snapshot=True)
    lost.commit(rebuilt)
    lost.tidy()
    lost.commit(numbered(2))
    lost.close()
    assert lost.directory.quarantined is not None
    assert re.fullmatch(r"voice-exporter\.db\.corrupt-\d{8}T\d{6}Z", lost.directory.quarantined)
    assert same(kept(directory), Model(rebuilt, numbered(2)).snapshot())


def test_a_lost_store_that_dies(lost: Database, directory: Path) -> None:
    """A process that dies before the snapshot batch starts with nothing, and says so again."""
    lost.release()
    found, quarantined = loaded(directory)
    assert same(found, EMPTY)
    assert quarantined is not None


@pytest.mark.parametrize("everything", [True, False])
def test_deleted_while_it_runs(directory: Path, everything: bool) -> None:
    """A file or directory that somebody deletes is missed after the next commit, and made anew by a snapshot batch."""
    store = Database(directory)
    store.load()
    store.commit(numbered(1))
    if everything:
        shutil.rmtree(directory)
    else:
        (directory / NAME).unlink()
    store.commit(numbered(2))
    store.tidy()
    with pytest.raises(StoreLost, match="the database file is gone"):
        store.commit(numbered(3))
    rebuilt = batch(numbered(1).series, snapshot=True)
    store.commit(rebuilt)
    store.tidy()
    with pytest.raises(StorageError, match="another process"):
        Database(directory).load()
    store.close()
    assert same(kept(directory), Model(rebuilt).snapshot())


def test_the_log_deleted_while_it_runs(directory: Path) -> None:
    """A log that somebody deletes is missed after the next commit, before commits into it are lost to a kill."""
    store = Database(directory)
    store.load()
    store.commit(numbered(1))
    store.tidy()
    (directory / (NAME + "-wal")).unlink()
    store.commit(numbered(2))
    store.tidy()
    with pytest.raises(StoreLost, match="the log of the database file is gone"):
        store.commit(numbered(3))
    rebuilt = batch(numbered(1).series, snapshot=True)
    store.commit(rebuilt)
    store.tidy()
    store.release()
    assert same(kept(directory), Model(rebuilt).snapshot())


def test_the_lock_deleted_while_it_runs(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without the file ``lock`` a second process is refused all the same, and the first one makes the file again."""
    store = Database(directory)
    store.load()
    store.commit(numbered(1))
    (directory / "lock").unlink()
    with pytest.raises(StorageError, match="another process is using it"):
        Database(directory).load()
    store.commit(numbered(2))
    store.tidy()
    assert "storage made its deleted lock again" in caplog.messages
    with pytest.raises(StorageError, match="another process is using it"):
        Database(directory).load()
    store.close()
    assert same(kept(directory), Model(numbered(1), numbered(2)).snapshot())


def test_another_database_in_its_place(directory: Path, tmp_path: Path) -> None:
    """A database that is exchanged for another one while the process runs is not written to."""
    other = filled(tmp_path / "other", Database.close)
    store = Database(directory)
    store.load()
    store.commit(numbered(1))
    store.disconnect()
    shutil.copy(other / NAME, directory / NAME)
    with pytest.raises(StoreLost, match="another database is in the place of the database"):
        store.commit(numbered(2))
    store.release()


def test_a_lock_of_an_earlier_database(killed: Path) -> None:
    """What the file ``lock`` says of a database that was quarantined means nothing to the one that took its place."""
    for path in copies(killed, NAME, 1):
        stale = path.with_name("lock").read_bytes()
        path.write_bytes(b"garbage")
        assert check(path)
        path.with_name("lock").write_bytes(stale)
        assert kept(path.parent).calls == [(77, b"goes on")]


def test_a_log_without_its_database(killed: Path) -> None:
    """A log whose database is gone is not taken for the log of the next one."""
    for path in copies(killed, NAME, 1):
        log = path.with_name(NAME + "-wal").read_bytes()
        path.unlink()
        path.with_name("lock").unlink()
        found, quarantined = loaded(path.parent)
        assert same(found, EMPTY)
        assert (path.parent / f"{quarantined}-wal").read_bytes() == log


def test_a_checkpoint_that_finds_damage(directory: Path) -> None:
    """Series that are damaged while the process runs are noticed when they are next written."""
    store = Database(directory, checkpoint_rows=1)
    store.load()
    store.commit(numbered(1))
    store.tidy()
    store.tidy()
    other = sqlite3.connect(directory / NAME, isolation_level=None)
    other.execute("UPDATE series SET checksum = checksum + 1")
    other.close()
    store.commit(numbered(2))
    store.tidy()
    with pytest.raises(StoreLost, match="checksum"):
        store.commit(numbered(3))
    store.close()
