"""Ages follow elapsed time: a wall clock that is set, ahead or back or long after the start, ages nothing."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from exporter.config import Calls, Config, Labels
from exporter.events import Event, Hang, identity
from exporter.recording.clock import Clock, Noted
from exporter.recording.recorder import Recorder
from exporter.store.sqlite import SqliteStore

HOUR, DAY = 3600.0, 86_400.0
NOW = 1_750_000_000.0
CONFIG = Config(calls=Calls(idle_timeout=2 * HOUR, retention=24 * HOUR), labels=Labels(ttl=30 * DAY))


class Times:
    """Both clocks of an invented machine.

    Attributes:
        unix: what the wall clock shows.
        up: seconds since the machine started.
    """

    def __init__(self) -> None:
        self.unix = NOW
        self.up = 100.0

    def go(self, seconds: float) -> None:
        """Time passes."""
        self.unix += seconds
        self.up += seconds


Running: TypeAlias = Callable[[], AbstractAsyncContextManager[Recorder]]


@pytest.fixture
def times() -> Times:
    """The clocks."""
    return Times()


@pytest.fixture
def running(tmp_path: Path, times: Times) -> Running:
    """Runs the recorder with these clocks, each time on the same store."""

    @asynccontextmanager
    async def run() -> AsyncIterator[Recorder]:
        recorder = Recorder(CONFIG, SqliteStore(tmp_path), clock=lambda: times.unix, monotonic=lambda: times.up)
        recorder.load()
        await recorder.start()
        try:
            yield recorder
        finally:
            await recorder.stop()

    return run


def hang(call: str, time_ms: int = 0) -> Event:
    """A hang of that call."""
    key = identity(call)
    return Event(platform="vapi", kind="hang", call=key, call_id=call, time_ms=time_ms, facts=(Hang(messages=1),))


def active(recorder: Recorder) -> int:
    """Open calls."""
    return len(recorder.memory.open)


def steps(recorder: Recorder) -> int:
    """What voice_exporter_clock_steps_total shows."""
    families = {family.metric.name: family for family in recorder.table.families()}
    return families["voice_exporter_clock_steps_total"].series[0].cells[0]


@pytest.mark.parametrize("step", [3 * HOUR, 37 * HOUR, 60 * DAY, -DAY, -50 * 365 * DAY])
async def test_a_step_ages_nothing(
    running: Running, times: Times, step: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Open calls stay open, what was seen stays known, series stay; the step is logged and counted once."""
    caplog.set_level(logging.WARNING)
    async with running() as recorder:
        await recorder.record(hang("one"))
        times.go(60)
        times.unix += step
        await recorder.tidy()
        await recorder.tidy()
        assert (active(recorder), steps(recorder)) == (1, 1)
        assert [record.message for record in caplog.records].count("the clock was set") == 1
        assert await recorder.record(hang("one")) == "duplicate"
        assert await recorder.record(hang("one", 5)) == "counted"
        times.go(HOUR)
        await recorder.tidy()
        assert active(recorder) == 1
        times.go(1.1 * HOUR)
        await recorder.tidy()
        assert (active(recorder), steps(recorder)) == (0, 1)
    async with running() as recorder:
        assert await recorder.record(hang("one")) == "duplicate"


async def test_an_event_received_while_the_clock_is_ahead(running: Running, times: Times) -> None:
    """It holds up no expiry once the clock is right again, nor after a restart."""
    async with running() as recorder:
        times.unix += DAY
        await recorder.record(hang("ahead"))
        times.unix -= DAY
        await recorder.record(hang("after"))
        times.go(HOUR)
        await recorder.record(hang("later"))
        times.go(1.5 * HOUR)
        await recorder.tidy()
        assert active(recorder) == 1
    times.go(HOUR)
    async with running() as recorder:
        await recorder.tidy()
        assert active(recorder) == 0


async def test_time_away_counts(running: Running, times: Times) -> None:
    """A call that was silent while no process ran has been silent; so it is after a step before, and a reboot."""
    async with running() as recorder:
        await recorder.record(hang("one"))
        times.unix += 37 * HOUR
        await recorder.tidy()
    times.unix, times.up = times.unix + HOUR, 5.0
    async with running() as recorder:
        await recorder.tidy()
        assert active(recorder) == 1
    times.unix += 1.5 * HOUR
    async with running() as recorder:
        await recorder.tidy()
        assert active(recorder) == 0


async def test_a_boot_in_1970(running: Running, times: Times) -> None:
    """A machine whose clock is not set yet forgets nothing, neither then nor when the clock is set."""
    async with running() as recorder:
        await recorder.record(hang("one"))
    right, times.unix, times.up = times.unix + HOUR, 600.0, 10.0
    async with running() as recorder:
        await recorder.tidy()
        assert await recorder.record(hang("one")) == "duplicate"
        await recorder.record(hang("two"))
        times.unix = right
        await recorder.tidy()
        assert active(recorder) == 2
    times.unix += HOUR
    async with running() as recorder:
        await recorder.tidy()
        assert active(recorder) == 2
        times.go(1.5 * HOUR)
        await recorder.tidy()
        assert active(recorder) == 0


async def test_a_clock_set_back_between_two_processes(running: Running, times: Times) -> None:
    """Time stands still while nobody can know better, and goes on from there."""
    async with running() as recorder:
        await recorder.record(hang("one"))
    times.unix -= DAY
    for expected in (1, 0):
        async with running() as recorder:
            await recorder.tidy()
            assert active(recorder) == expected
            times.go(2.5 * HOUR)


def test_what_an_older_release_kept_of_the_future(times: Times) -> None:
    """Without a note of the clocks, steady time begins with the wall clock's."""
    clock = Clock(lambda: times.unix, lambda: times.up)
    clock.resume(None, latest=NOW + DAY)
    assert clock.steady() == pytest.approx(NOW)


def test_small_corrections_are_no_steps(times: Times) -> None:
    """A clock that is corrected by less than a second was not set, until that comes to a second."""
    clock = Clock(lambda: times.unix, lambda: times.up)
    found = []
    for _ in range(4):
        times.unix += 0.4
        found.append(clock.step())
    assert found == [0.0, 0.0, pytest.approx(1.2), 0.0]
    assert clock.agrees(clock.noted())
    assert not clock.agrees(Noted(NOW, NOW))
