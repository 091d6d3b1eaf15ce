"""Whatever keeps it, what is recorded is the same."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest

from exporter.config import Calls, Config, Labels
from exporter.events import Event
from exporter.platforms import PLATFORMS
from exporter.simulate import SCENARIOS, Traffic, generate_call
from exporter.simulate.traffic import MONDAY
from exporter.store.base import Store
from exporter.store.memory import MemoryStore
from exporter.store.postgres import PostgresStore
from exporter.store.sqlite import SqliteStore
from tests.calls.tally import Tally
from tests.calls.test_exactly_once import ORDER_FREE
from tests.recording.test_recorder import DAY, calls_only, event, recording, scrape
from tests.support.postgres import Postgres

Open: TypeAlias = Callable[[], Store]


def keeping(kind: str, folder: Path, postgres: Postgres) -> Open:
    """Opens a store that keeps what it gets."""
    if kind == "sqlite":
        return lambda: SqliteStore(folder)
    url = postgres.database()
    return lambda: PostgresStore(url)


@pytest.fixture(params=["sqlite", "postgres"])
def lasting(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Open:
    """Opens each kind of store that keeps what it gets."""
    return keeping(request.param, tmp_path, postgres)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Open:
    """Opens each kind of store."""
    if request.param == "memory":
        return MemoryStore
    return keeping(request.param, tmp_path, postgres)


def simulated(seed: int, count: int) -> list[dict[str, Any]]:
    """Bodies of calls, each twice and shuffled."""
    rng = Random(seed)
    traffic = Traffic(platforms=("interactly",))
    calls = [
        generate_call(rng, MONDAY, SCENARIOS[name], traffic=traffic) for name in rng.choices([*SCENARIOS], k=count)
    ]
    bodies = [delivery.body for call in calls for delivery in call] * 2
    rng.shuffle(bodies)
    return bodies


def parsed(body: dict[str, Any]) -> Event:
    """The event of a body."""
    return PLATFORMS["interactly"].parse(json.dumps(body).encode())


def total(text: str, name: str) -> float:
    """Sum of the series of a metric in a scrape."""
    return sum(map(float, re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)", text, re.MULTILINE)))


async def test_events_count_once(opened: Open) -> None:
    """Duplicated and shuffled, they give the totals of the fold alone."""
    bodies, tally = simulated(1, 6), Tally()
    tally.deliver(*bodies)
    async with recording(opened()) as recorder:
        outcomes = await asyncio.gather(*map(recorder.record, map(parsed, bodies)))
        text = scrape(recorder)
    assert outcomes.count("counted") <= len(bodies) / 2
    for name in ORDER_FREE:
        assert total(text, name) == pytest.approx(tally.total(name)), name


async def test_a_restart(lasting: Open) -> None:
    """Brings back series, created timestamps, calls and assistants."""
    names = ["status-update-queued", "hang", "conversation-update", "error-llm-rate-limit"]
    async with recording(lasting()) as recorder:
        for name in names:
            assert await recorder.record(event(name)) == "counted"
        before, incidents = calls_only(scrape(recorder)), recorder.incidents.latest()
    async with recording(lasting(), clock=lambda: 2000.0) as recorder:
        assert recorder.incidents.latest() == incidents
        for name in names:
            assert await recorder.record(event(name)) == "duplicate"
        assert calls_only(scrape(recorder)) == before
        assert await recorder.record(event("end-of-call-report")) == "counted"
        assert 'voice_calls_active{platform="interactly",assistant_id="64ab00000000000000000001"} 0' in scrape(recorder)


async def test_silent_calls_expire_and_are_forgotten(opened: Open) -> None:
    """A call expires once; when it is forgotten, its events count again."""
    now = [1.8e9]
    config = Config(calls=Calls(idle_timeout=600.0, retention=3600.0))
    async with recording(opened(), config, clock=lambda: now[0]) as recorder:
        await recorder.record(event("status-update-queued"))
        await recorder.tidy()
        assert "voice_exporter_calls_expired_total 0\n" in scrape(recorder)
        assert "voice_exporter_calls_tracked 1\n" in scrape(recorder)
        now[0] += 700
        await recorder.tidy()
        await recorder.tidy()
        assert "voice_exporter_calls_expired_total 1\n" in scrape(recorder)
        assert await recorder.record(event("status-update-queued")) == "duplicate"
        now[0] += 3700
        await recorder.tidy()
        assert "voice_exporter_calls_tracked 0\n" in scrape(recorder)
        assert await recorder.record(event("status-update-queued")) == "counted"


async def test_one_call_too_many(opened: Open) -> None:
    """The oldest go where more calls are remembered than may be."""
    config = Config(calls=Calls(max_tracked=3))
    async with recording(opened(), config) as recorder:
        for each in {each.call: each for each in map(parsed, simulated(2, 9))}.values():
            await recorder.record(each)
        # Open ones expire before they are forgotten.
        for _ in range(2):
            await recorder.tidy()
        assert total(scrape(recorder), "voice_exporter_calls_tracked") <= 3


async def test_calls_that_go_on_outlive_those_that_ended(opened: Open) -> None:
    """However many are too many: a place is taken from what is remembered for late duplicates alone."""
    ended, going_on = 150, 60
    # At no moment more go on than may be remembered: a slow machine tidies up in between.
    statuses = [(number, status) for number in range(ended) for status in ("ongoing", "finished")]
    statuses += [(number, "ongoing") for number in range(ended, ended + going_on)]
    async with recording(opened(), Config(calls=Calls(max_tracked=100))) as recorder:
        for number, status in statuses:
            call = {"id": f"call-{number}", "assistantId": "a"}
            message = {"type": "status-update", "status": status, "timestamp": MONDAY, "call": call}
            await recorder.record(parsed({"message": message}))
        await recorder.tidy()
        text = scrape(recorder)
        assert total(text, "voice_exporter_calls_tracked") == 100
        assert total(text, "voice_calls_active") == going_on
        assert total(text, "voice_exporter_calls_expired_total") == 0
        assert total(text, "voice_exporter_calls_evicted_total") == ended + going_on - 100


async def test_unused_values_go(opened: Open) -> None:
    """A label value that was unused for its time to live goes with its series, and comes back at 0."""
    now = [1.8e9]
    config = Config(labels=Labels(ttl=30 * DAY), calls=Calls(idle_timeout=60.0, retention=60.0))
    async with recording(opened(), config, clock=lambda: now[0]) as recorder:
        await recorder.record(event("hang"))
        for days, present in ((0, True), (0.01, True), (0.01, True), (29, True), (2, False)):
            now[0] += days * DAY
            await recorder.tidy()
            assert ("64ab00000000000000000001" in scrape(recorder)) is present
        await recorder.record(event("hang"))
        assert "voice_hangs_total" in scrape(recorder)
