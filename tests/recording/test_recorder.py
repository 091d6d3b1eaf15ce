"""Recording: batches are kept as a whole before anything of them shows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.config import Calls, Config, Labels
from exporter.errors import StorageError, StoreLost
from exporter.events import Event
from exporter.metrics import exposition
from exporter.platforms.interactly import INTERACTLY
from exporter.recording.recorder import Recorder
from exporter.store.base import JOINED, Batch, Merge, Snapshot, Store, UnsharedStore
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore
from tests.calls.tally import FIXTURES

DAY = 86_400.0


def event(name: str) -> Event:
    """The event of a fixture."""
    return INTERACTLY.parse((FIXTURES / "interactly" / f"{name}.json").read_bytes())


class ScriptedStore(UnsharedStore):
    """Keeps nothing; a commit ends as the script says, or waits for the gate."""

    quarantined = None

    def __init__(self, *script: Exception | None) -> None:
        self.script = [None, *script]
        self.batches: list[Batch] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def load(self, merge: Merge = JOINED) -> Snapshot:  # noqa: ARG002, D102 - as in the protocol
        return Snapshot([], [], [])

    async def commit(self, batch: Batch) -> None:  # noqa: D102 - as in the protocol
        await self.gate.wait()
        self.batches.append(batch)
        if self.script and (fault := self.script.pop(0)):
            raise fault

    async def close(self) -> None:  # noqa: D102 - as in the protocol
        pass


@asynccontextmanager
async def recording(
    store: Store, config: Config | None = None, clock: Callable[[], float] = lambda: 1000.0
) -> AsyncIterator[Recorder]:
    """A running recorder."""
    recorder = Recorder(config or Config(), store, clock=clock)
    recorder.load()
    await recorder.start()
    try:
        yield recorder
    finally:
        await recorder.stop()


def files(folder: Path) -> list[str]:
    """Names of the files in a folder."""
    return [path.name for path in folder.iterdir()]


def scrape(recorder: Recorder, *names: str) -> str:
    """The text of a scrape without comments."""
    chunks = exposition.render(recorder.table, exposition.Format.TEXT, frozenset(names) or None, recorder.derived())
    return "".join(line + "\n" for line in b"".join(chunks).decode().splitlines() if not line.startswith("#"))


async def test_outcomes() -> None:
    """Events are counted, duplicate or ignored, and counted as such."""
    async with recording(MemoryStore()) as recorder:
        assert await recorder.record(event("hang")) == "counted"
        assert await recorder.record(event("hang")) == "duplicate"
        assert await recorder.record(Event(platform="interactly", kind="other")) == "ignored"
        text = scrape(recorder, "voice_exporter_webhooks_total", "voice_hangs_total")
    assert 'event="hang",outcome="counted"} 1' in text
    assert 'event="hang",outcome="duplicate"} 1' in text
    assert 'event="other",outcome="ignored"} 1' in text


async def test_nothing_shows_before_the_commit() -> None:
    """A scrape during the commit shows nothing of its batch, one after it all of it."""
    store = ScriptedStore()
    async with recording(store) as recorder:
        store.gate.clear()
        answer = asyncio.create_task(recorder.record(event("hang")))
        for _ in range(5):
            await asyncio.sleep(0)
        assert "voice_hangs_total" not in scrape(recorder, "voice_hangs_total")
        assert not answer.done()
        store.gate.set()
        assert await answer == "counted"
        assert scrape(recorder, "voice_hangs_total").count("} 1\n") == 1


async def test_requests_in_flight_share_a_commit() -> None:
    """All events that wait while a commit runs are the next batch."""
    store = ScriptedStore()
    async with recording(store) as recorder:
        store.gate.clear()
        answers = [asyncio.create_task(recorder.record(event("hang"))) for _ in range(20)]
        for _ in range(5):
            await asyncio.sleep(0)
        store.gate.set()
        assert sorted(await asyncio.gather(*answers)) == ["counted"] + ["duplicate"] * 19
        assert len(store.batches) == 2


async def test_refused_batch_leaves_no_trace() -> None:
    """Events of a batch that is not kept are refused, show nowhere, and count when they come again."""
    async with recording(ScriptedStore(StorageError("disk full"))) as recorder:
        with pytest.raises(StorageError, match="disk full"):
            await recorder.record(event("hang"))
        assert recorder.ready == "storage: disk full"
        assert scrape(recorder, "voice_hangs_total") == ""
        assert "voice_exporter_storage_errors_total 1" in scrape(recorder, "voice_exporter_storage_errors_total")
        assert await recorder.record(event("hang")) == "counted"
        assert recorder.ready is None


async def test_usage_is_written_again_after_a_failed_commit() -> None:
    """When label values were last used is due until a commit has kept it, not for an hour after one that failed."""
    store, now = ScriptedStore(None, StorageError("disk full"), None), [DAY]
    async with recording(store, clock=lambda: now[0]) as recorder:
        await recorder.record(event("hang"))
        written = []
        for _ in range(3):
            await recorder.tidy()
            now[0] += 60
            written.append(any(b"assistant_id" in (blob or b"") for blob in store.batches[-1].assistants.values()))
            store.batches.append(Batch([], [], [], {}, {}))
    assert written == [True, True, False]


async def test_unexpected_fault_of_a_store_refuses_too() -> None:
    """Whatever a store raises, requests get their answer and the next ones are kept."""
    async with recording(ScriptedStore(RuntimeError("private words"))) as recorder:
        with pytest.raises(StorageError, match="internal error"):
            await recorder.record(event("hang"))
        assert await recorder.record(event("hang")) == "counted"


async def test_store_that_lost_everything_gets_it_again() -> None:
    """After a loss the store gets every series, call and assistant in one batch."""
    store = ScriptedStore(None, StoreLost("malformed"))
    async with recording(store) as recorder:
        await recorder.record(event("hang"))
        with pytest.raises(StorageError):
            await recorder.record(event("status-update-queued"))
        whole = store.batches[-1]
        assert whole.snapshot
        assert {series.metric for series in whole.series} >= {"voice_hangs_total", "voice_calls_started_total"}
        assert any(series.metric == "voice_hangs_total" and series.cells == [1] for series in whole.series)
        assert len(whole.calls) == 1
        # The assistant, the incident, the clocks, and when label values were last used.
        assert len(whole.assistants) == 4
        assert recorder.ready is None


async def test_stop_keeps_what_is_queued() -> None:
    """Stopping answers what was accepted and refuses what comes later."""
    store = ScriptedStore()
    recorder = Recorder(Config(), store)
    recorder.load()
    await recorder.start()
    answers = [asyncio.create_task(recorder.record(event(name))) for name in ("hang", "status-update-queued")]
    await asyncio.sleep(0)
    await recorder.stop()
    assert await asyncio.gather(*answers) == ["counted", "counted"]
    with pytest.raises(StorageError, match="stopping"):
        await recorder.record(event("hang"))


async def test_restart_brings_everything_back(tmp_path: Path) -> None:
    """Series, created timestamps, calls, assistants and what was seen survive a restart as they were."""
    names = ["status-update-queued", "hang", "conversation-update", "error-llm-rate-limit"]
    async with recording(SqliteStore(tmp_path)) as recorder:
        for name in names:
            assert await recorder.record(event(name)) == "counted"
        before = calls_only(scrape(recorder))
    async with recording(SqliteStore(tmp_path), clock=lambda: 2000.0) as recorder:
        assert calls_only(scrape(recorder)) == before
        for name in names:
            assert await recorder.record(event(name)) == "duplicate"
        assert calls_only(scrape(recorder)) == before
        assert await recorder.record(event("end-of-call-report")) == "counted"
        assert 'voice_calls_active{platform="interactly",assistant_id="64ab00000000000000000001"} 0' in scrape(recorder)


async def test_the_time_of_the_last_event_survives_a_restart(tmp_path: Path) -> None:
    """An exporter that starts again knows since when nothing came; a duplicate is an event, too."""
    times = iter(range(1_800_000_000, 1_900_000_000))
    line = 'voice_exporter_last_event_timestamp_seconds{platform="interactly",event="hang"} '
    async with recording(SqliteStore(tmp_path), clock=lambda: float(next(times))) as recorder:
        for _ in range(2):
            await recorder.record(event("hang"))
        [shown] = [each for each in scrape(recorder).splitlines() if each.startswith(line)]
        assert float(shown.removeprefix(line)) > 1_800_000_000
    async with recording(SqliteStore(tmp_path), clock=lambda: 1_950_000_000.0) as recorder:
        assert shown in scrape(recorder).splitlines()
        await recorder.record(event("hang"))
        assert f"{line}1950000000.0\n" in scrape(recorder)


def calls_only(text: str) -> list[str]:
    """The lines of a scrape that tell of calls, bounds and created timestamps included."""
    return [line for line in text.splitlines() if line.startswith("voice_") and "voice_exporter" not in line]


async def test_damaged_database_is_quarantined(tmp_path: Path) -> None:
    """A database that is none is quarantined and counted, and events count again from 0."""
    (tmp_path / "voice-exporter.db").write_bytes(b"no database at all" * 100)
    async with recording(SqliteStore(tmp_path)) as recorder:
        assert await recorder.record(event("hang")) == "counted"
        assert "voice_exporter_storage_set_aside_total 1" in scrape(recorder)
    assert any(name.startswith("voice-exporter.db.corrupt-") for name in files(tmp_path))


async def test_changed_bounds_start_at_zero(tmp_path: Path) -> None:
    """A family whose bounds changed starts at 0 with a new created timestamp; the others go on."""
    async with recording(SqliteStore(tmp_path)) as recorder:
        await recorder.record(event("conversation-update"))
    config = Config(buckets={"llm_response_seconds": (1.0, 3.0, 5.0)})
    async with recording(SqliteStore(tmp_path), config, clock=lambda: 2000.0) as recorder:
        assert "voice_llm_response_seconds_count" not in scrape(recorder)
        assert "voice_response_seconds_count" in scrape(recorder)
        assert await recorder.record(event("conversation-update")) == "duplicate"


async def test_unused_values_go_though_the_process_restarts(tmp_path: Path) -> None:
    """The time to live of label values runs on across restarts; what it ends is gone from the store, too."""
    config = Config(labels=Labels(ttl=30 * DAY), calls=Calls(idle_timeout=60.0))
    for day, present in ((0, True), (10, True), (39, True), (41, False), (42, False)):
        async with recording(SqliteStore(tmp_path), config, clock=lambda day=day: 1.75e9 + day * DAY) as recorder:  # type: ignore[misc]  # mypy takes the default for an argument
            if day == 0:
                await recorder.record(event("hang"))
            await recorder.tidy()
            await recorder.tidy()
            assert ("64ab00000000000000000001" in scrape(recorder)) is present


async def test_assistant_beyond_the_limit_keeps_its_label() -> None:
    """A call whose assistant found no place counts under other from start to end, so no gauge goes below 0."""
    config = Config(labels=Labels(max_values={"assistant_id": 0}), calls=Calls())
    async with recording(MemoryStore(), config) as recorder:
        for name in ("status-update-queued", "hang", "status-update-finished"):
            await recorder.record(event(name))
        text = scrape(recorder)
    assert 'voice_calls_active{platform="interactly",assistant_id="other"} 0' in text
    assert 'voice_hangs_total{platform="interactly",assistant_id="other"' in text
    assert "64ab00000000000000000001" not in text
    assert 'voice_exporter_label_overflows_total{label="assistant_id"}' in text
