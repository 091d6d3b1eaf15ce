"""Several recorders on one database are one: nothing is counted twice or missed, and all show the same."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import Calls, Config, Labels
from exporter.metrics import exposition
from exporter.metrics.catalogue import REPLICA_LAG
from exporter.metrics.exposition import Format, Part
from exporter.recording.recorder import Recorder
from exporter.simulate import SCENARIOS
from exporter.store.postgres import PostgresStore
from tests.calls.tally import Tally
from tests.calls.test_exactly_once import ORDER_FREE, SEEDS, call, mangled
from tests.recording.test_every_store import parsed, simulated, total
from tests.recording.test_hanging_storage import becomes
from tests.recording.test_recorder import DAY, event, recording
from tests.support.cutting import Cutter
from tests.support.postgres import Postgres
from tests.support.waiting import reached


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A database of its own."""
    return postgres.database()


@asynccontextmanager
async def several(
    url: str, count: int, config: Config | None = None, clock: Callable[[], float] | None = None
) -> AsyncIterator[list[Recorder]]:
    """Recorders on one database."""
    async with AsyncExitStack() as stack:
        contexts = [recording(PostgresStore(url), config, **({"clock": clock} if clock else {})) for _ in range(count)]
        yield [await stack.enter_async_context(context) for context in contexts]


def shown(recorder: Recorder, fmt: Format = Format.OPENMETRICS) -> str:
    """What all replicas show alike."""
    chunks = exposition.render(recorder.table, fmt, None, recorder.derived(), Part.SHARED)
    return b"".join(chunks).decode()


async def agreed(replicas: list[Recorder]) -> str:
    """What each of them shows, which must be the same."""
    texts = []
    for replica in replicas:
        await replica.refresh()
        # The order of series is that in which a replica came to know them.
        texts.append(sorted(shown(replica).splitlines()))
    for text in texts[1:]:
        assert text == texts[0]
    return "\n".join(texts[0])


@pytest.fixture
async def three(url: str) -> AsyncIterator[list[Recorder]]:
    """Three recorders on one database."""
    async with several(url, 3, clock=lambda: 1.8e9) as replicas:
        yield replicas


@pytest.mark.parametrize("seed", range(3))
async def test_events_count_once(three: list[Recorder], seed: int) -> None:
    """Duplicated and shuffled over all replicas at the same moment, they give the totals of the fold alone."""
    bodies, tally, rng = simulated(seed, 8), Tally(), Random(seed)
    tally.deliver(*bodies)
    outcomes = await asyncio.gather(*(rng.choice(three).record(parsed(body)) for body in bodies))
    text = await agreed(three)
    assert outcomes.count("counted") <= len(bodies) / 2
    for name in ORDER_FREE:
        assert total(text, name) == pytest.approx(tally.total(name)), name


@settings(max_examples=8)
@given(SEEDS, st.sampled_from(sorted(SCENARIOS)), SEEDS)
async def test_any_order_over_all_replicas(postgres: Postgres, seed: int, scenario: str, order: int) -> None:
    """Whatever is duplicated, reordered or lost and repeated, and whoever gets it, totals are of one clean delivery."""
    bodies, rng, clean = call(seed, scenario), Random(order), Tally()
    clean.deliver(*bodies)
    async with several(postgres.database(), 3, clock=lambda: 1.8e9) as replicas:
        deliveries = iter(mangled(bodies, rng))
        while some := [*islice(deliveries, rng.choice((1, 2, 5, 20)))]:
            to = (rng.sample(replicas, rng.choice((1, 1, 2))) for _ in some)
            await asyncio.gather(
                *(replica.record(parsed(body)) for body, each in zip(some, to, strict=True) for replica in each)
            )
        expected = pytest.approx({name: clean.total(name) for name in ORDER_FREE})
        for replica in replicas:
            await replica.refresh()
            text = shown(replica, Format.TEXT)
            assert {name: total(text, name) for name in ORDER_FREE} == expected


async def test_the_same_event_at_the_same_moment(three: list[Recorder]) -> None:
    """Counts once, whoever gets it."""
    for name in ("status-update-queued", "hang", "conversation-update", "error-llm-rate-limit", "end-of-call-report"):
        outcomes = await asyncio.gather(*(replica.record(event(name)) for replica in three * 2))
        assert sorted(outcomes) == ["counted"] + ["duplicate"] * 5
    await agreed(three)


async def test_whoever_is_asked_knows_what_was_answered(three: list[Recorder]) -> None:
    """A scrape that begins after an answer shows its event, and none that begins later shows less."""
    last = 0.0
    for number, body in enumerate(simulated(7, 3)):
        await three[number % 3].record(parsed(body))
        asked = three[(number + 1) % 3]
        await asked.refresh()
        seen = total(shown(asked, Format.TEXT), "voice_exporter_webhooks_total")
        assert seen == number + 1 > last
        last = seen


async def test_what_one_knows_of_a_call_the_next_one_counts_with(three: list[Recorder]) -> None:
    """The assistant, and the hang that an end settles, come from another replica."""
    one, other, third = three
    await one.record(event("status-update-queued"))
    await other.record(event("hang"))
    await third.record(event("end-of-call-report"))
    text = await agreed(three)
    assert re.search(r"voice_hang_outcomes_total\{[^}]*outcome=\"(abandoned|ended)\"\} 1", text)
    assert "voice_calls_active{" in text
    assert 'voice_calls_active{platform="interactly",assistant_id="64ab00000000000000000001"} 0' in text
    listed = [[(each.number, each.kind, each.outcome) for each in replica.incidents.latest()] for replica in three]
    assert listed[0] == listed[1] == listed[2] != []
    assert all(outcome for _, kind, outcome in listed[0] if kind == "hang")


async def test_each_incident_is_logged_by_one(three: list[Recorder], caplog: pytest.LogCaptureFixture) -> None:
    """By the replica that counted it."""
    for replica in three:
        await replica.record(event("hang"))
    await agreed(three)
    await three[2].record(event("end-of-call-report"))
    await agreed(three)
    assert [record.message for record in caplog.records].count("voice hang") == 1


async def pushes_are(count: int, recorder: Recorder) -> None:
    """Wait until a recorder shows so many pushed alerts."""
    await reached(
        f"{count} pushed alerts", lambda: total(shown(recorder), "voice_exporter_alert_pushes_total") == count
    )


async def test_alerts_are_counted_together(three: list[Recorder]) -> None:
    """Whoever pushed them, all show the same number beside the errors that it explains."""
    for replica in three:
        replica.metrics.begin_alerting()
        replica.metrics.alerts_pushed("sent", 2)

    await pushes_are(6, three[0])
    assert 'voice_exporter_alert_pushes_total{outcome="failed"} 0' in await agreed(three)


async def test_news_while_a_commit_is_under_way(url: str) -> None:
    """What others made of a commit whose answer is not here yet waits for it: the series that it made are not lost."""
    async with recording(PostgresStore(url), clock=lambda: 1.8e9) as other, Cutter(url) as cutter:
        one = Recorder(Config(), PostgresStore(cutter.url), clock=lambda: 1.8e9)
        await asyncio.to_thread(one.load)
        await one.start()
        cutter.arm("hold the answer")
        counting = asyncio.create_task(one.record(event("hang")))
        await cutter.held.wait()
        await other.record(event("error-llm-rate-limit"))
        refreshing = asyncio.create_task(one.refresh())
        done, _ = await asyncio.wait({refreshing}, timeout=0.5)
        assert not done
        cutter.resume.set()
        assert await counting == "counted"
        await refreshing
        assert total(await agreed([one, other]), "voice_hangs_total") == 1
        await one.stop()


async def test_limits_hold_for_all_together(url: str) -> None:
    """However many values come at the same moment, there are as many as one exporter would take, and the same."""
    config = Config(labels=Labels(max_values={"assistant_id": 3}))
    async with several(url, 3, config) as replicas:
        bodies = simulated(5, 4)
        for number, body in enumerate(bodies):
            body["message"].setdefault("assistant", {})["_id"] = f"{number % 12:024x}"
            body["message"].setdefault("call", {})["assistantId"] = f"{number % 12:024x}"
            body["message"]["call"]["id"] = f"call-{number}"
        await asyncio.gather(*(replicas[n % 3].record(parsed(body)) for n, body in enumerate(bodies)))
        text = await agreed(replicas)
        assistants = set(re.findall(r'voice_calls_started_total\{[^}]*assistant_id="(\w+)"', text))
        assert len(assistants - {"other"}) == 3
        assert "other" in assistants
        assert 'voice_exporter_label_values{label="assistant_id"} 3' in text


async def test_expiry_and_retirement_happen_once(url: str) -> None:
    """A call expires once, and an unused value goes everywhere, also from a replica that does nothing."""
    now = [1.8e9]
    config = Config(labels=Labels(ttl=30 * DAY), calls=Calls(idle_timeout=60.0, retention=60.0))
    async with several(url, 3, config, clock=lambda: now[0]) as replicas:
        await replicas[0].record(event("hang"))
        await replicas[1].refresh()
        for days in (0.01, 0.01):
            now[0] += days * DAY
            await asyncio.gather(*(replica.tidy() for replica in replicas))
        text = await agreed(replicas)
        assert "voice_exporter_calls_expired_total 1\n" in text
        assert "64ab00000000000000000001" in text
        now[0] += 31 * DAY
        await asyncio.gather(*(replica.tidy() for replica in replicas))
        assert "64ab00000000000000000001" not in await agreed(replicas)
        await asyncio.gather(*(replica.record(event("hang")) for replica in replicas))
        assert total(await agreed(replicas), "voice_hangs_total") == 1


async def test_retirement_that_fails(url: str) -> None:
    """What was not dropped after all is shown again, by all; the next round drops it."""
    now = [1.8e9]
    config = Config(labels=Labels(ttl=30 * DAY), calls=Calls(idle_timeout=60.0, retention=60.0))

    async def hangs() -> list[list[str]]:
        """What each shows; exemplars are those that it saw, and it may have read all anew."""
        for replica in (one, other):
            await replica.refresh()
        return [re.findall("^voice_hangs_total.*", shown(each, Format.TEXT), re.MULTILINE) for each in (one, other)]

    async with Cutter(url) as cutter, recording(PostgresStore(url), config, lambda: now[0]) as other:
        one = Recorder(config, PostgresStore(cutter.url), clock=lambda: now[0])
        await asyncio.to_thread(one.load)
        await one.start()
        try:
            await one.record(event("hang"))
            for days in (0.01, 0.01):
                now[0] += days * DAY
                await one.tidy()
            before = await hangs()
            now[0] += 31 * DAY
            cutter.arm("before COMMIT")
            for _ in range(2):
                await one.tidy()
            assert cutter.cuts == 1
            assert await hangs() == before
            await other.tidy()
            assert await hangs() == [[], []]
        finally:
            await one.stop()


async def test_a_database_that_goes_and_comes_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness goes, the last known state stays on show and says so, and all goes on by itself."""
    monkeypatch.setattr("exporter.recording.recorder._FOLLOW", 0.1)
    async with Cutter(url) as cutter:
        recorder = Recorder(Config(), PostgresStore(cutter.url))
        await asyncio.to_thread(recorder.load)
        await recorder.start()
        await recorder.record(event("hang"))
        assert "voice_exporter_state_outdated 0\n" in shown(recorder)
        cutter.unreachable = True
        cutter.cut()
        await becomes(recorder, ready=False)
        assert "can't be reached" in str(recorder.ready)
        text = shown(recorder)
        assert "voice_exporter_state_outdated 1\n" in text
        assert total(text, "voice_hangs_total") == 1
        recorder.metrics.alerts_pushed("failed")
        lag = dict(recorder.derived_of_replica())[REPLICA_LAG][0][1]
        assert lag > 0
        cutter.unreachable = False
        await becomes(recorder, ready=True)
        assert await recorder.record(event("hang")) == "duplicate"
        await recorder.refresh()
        assert "voice_exporter_state_outdated 0\n" in shown(recorder)
        # What was counted meanwhile is not lost; it comes with the next round, which need not be the one that was kept
        # first.
        await pushes_are(1, recorder)
        await recorder.stop()
