"""A store of one process moves into a database: counters go on, and nothing counts again."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.config import Config
from exporter.store.postgres import PostgresStore
from exporter.store.sqlite import SqliteStore
from tests.conftest import StartExporter
from tests.recording.test_every_store import parsed, simulated
from tests.recording.test_recorder import calls_only, event, recording, scrape
from tests.support.postgres import Postgres


@pytest.fixture
def move(tmp_path: Path, postgres: Postgres) -> tuple[Callable[[], int], str]:
    """Moves the store of the test, and the database that it moves to."""
    url = postgres.database()
    return lambda: main(["migrate", f"--storage.path={tmp_path / 'data'}", f"--storage.url={url}"]), url


async def test_everything_moves(
    tmp_path: Path, move: tuple[Callable[[], int], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Series with their created timestamps, calls, assistants and incidents; a second time is refused."""
    migrate, url = move
    events = [*map(parsed, simulated(3, 6)), event("hang"), event("status-update-queued")]
    async with recording(SqliteStore(tmp_path / "data"), Config()) as recorder:
        for each in events:
            await recorder.record(each)
        before, incidents, assistants = (
            sorted(calls_only(scrape(recorder))),
            recorder.incidents.latest(),
            recorder.memory,
        )
        tracked = len(recorder.memory)
    assert await asyncio.to_thread(migrate) == 0
    assert f"and {tracked} calls moved\n" in capsys.readouterr().out
    async with recording(PostgresStore(url)) as recorder:
        assert sorted(calls_only(scrape(recorder))) == before
        assert recorder.incidents.latest() == incidents
        assert recorder.memory.assistants == assistants.assistants
        assert f"voice_exporter_calls_tracked {tracked}\n" in scrape(recorder)
        assert {await recorder.record(each) for each in events} == {"duplicate"}
        assert sorted(calls_only(scrape(recorder))) == before
        assert await recorder.record(event("end-of-call-report")) == "counted"
    assert await asyncio.to_thread(migrate) == 1
    assert "holds calls already" in capsys.readouterr().err


def test_a_running_exporter_is_not_moved(
    start_exporter: StartExporter, move: tuple[Callable[[], int], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It has to stop first."""
    exporter = start_exporter()
    assert move[0]() == 1
    assert "--storage.path=" in capsys.readouterr().err
    assert exporter.stop() == 0
    assert move[0]() == 0


def test_there_must_be_something_to_move(
    move: tuple[Callable[[], int], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory without a database is bad usage, and none is made there."""
    assert move[0]() == 2
    assert "there is no voice-exporter.db" in capsys.readouterr().err
