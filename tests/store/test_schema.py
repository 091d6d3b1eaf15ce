"""Databases of other releases: older ones are brought up to date, newer ones are left alone."""

import sqlite3
from pathlib import Path

import pytest

from exporter.errors import StorageError
from exporter.store import sqlite_file
from exporter.store.database import Database
from exporter.store.schema import LAYOUT
from tests.store.model import Model, batch, kept, numbered, same

VERSION_1 = Path(__file__).parent / "fixtures" / "version-1.sql"


@pytest.fixture
def old(directory: Path) -> Path:
    """A database as version 1 left it, with a journal that waits for a checkpoint."""
    directory.mkdir()
    db = sqlite3.connect(directory / "voice-exporter.db")
    db.executescript(VERSION_1.read_text())
    db.close()
    return directory / "voice-exporter.db"


def pragma(path: Path, name: str) -> object:
    """The value of a pragma."""
    db = sqlite3.connect(path)
    [value] = db.execute(f"PRAGMA {name}").fetchone()
    db.close()
    return value


def test_version_1(old: Path) -> None:
    """What version 1 wrote is read."""
    assert same(kept(old.parent), Model(*map(numbered, range(1, 13))).snapshot())


def later(*steps: str) -> sqlite_file.Layout:
    """What a release has that added these steps."""
    return LAYOUT._replace(migrations=(*LAYOUT.migrations, *steps))


def test_migration(old: Path) -> None:
    """Each step from the old version is taken once, and nothing is lost."""
    layout = later("CREATE TABLE second (n); INSERT INTO second VALUES (1);", "INSERT INTO second VALUES (2);")
    for _ in range(2):
        assert same(kept(old.parent, layout), Model(*map(numbered, range(1, 13))).snapshot())
    db = sqlite3.connect(old)
    assert db.execute("SELECT n FROM second").fetchall() == [(1,), (2,)]
    db.close()
    assert pragma(old, "user_version") == len(layout.migrations)


def test_a_migration_that_fails(old: Path) -> None:
    """A step that fails leaves the old version as it was."""
    layout = later("CREATE TABLE second (n);")._replace(busy_seconds=0.05)
    reader = sqlite3.connect(old, isolation_level=None)
    reader.execute("PRAGMA journal_mode = WAL")
    reader.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked by another process"):
        Database(old.parent, layout=layout).load()
    reader.close()
    assert pragma(old, "user_version") == 1
    assert same(kept(old.parent), Model(*map(numbered, range(1, 13))).snapshot())


def test_a_newer_version(old: Path) -> None:
    """A database of a newer release is refused in clear words and stays as it is."""
    kept(old.parent, later("CREATE TABLE second (n);"))
    before = old.read_bytes()
    known = len(LAYOUT.migrations)
    with pytest.raises(
        StorageError, match=rf"schema version {known + 1}, this release knows {known}: start the release"
    ):
        Database(old.parent).load()
    assert old.read_bytes() == before
    assert sorted(path.name for path in old.parent.iterdir()) == ["lock", "voice-exporter.db"]


def test_no_text_but_names_and_labels(directory: Path) -> None:
    """The file shows metric names and label values, and no other text than its own schema."""
    database = Database(directory)
    database.load()
    database.commit(numbered(1))
    database.commit(batch(calls={1: b"\0"}))
    database.close()
    db = sqlite3.connect(directory / "voice-exporter.db")
    tables = [name for [name] in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = [row for name in tables for row in db.execute(f"SELECT * FROM {name}")]  # noqa: S608 - our own tables
    db.close()
    assert rows
    assert not [value for row in rows for value in row if isinstance(value, str)]
