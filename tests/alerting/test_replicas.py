"""Of several exporters on one database, the one that counted pushes, one of them repeats, and none is missed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from exporter.alerting import Alerting, pusher
from exporter.config import Alertmanager, Config
from exporter.recording.recorder import Recorder
from exporter.store.postgres import PostgresStore, checkpoint
from tests.recording.test_recorder import event, recording
from tests.support.alerting import Receivers
from tests.support.cutting import Cutter
from tests.support.postgres import Postgres
from tests.support.waiting import reached


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes tenths of them, but for the time that who counted has to tell: a machine may be busy."""
    monkeypatch.setattr(pusher, "TAKE_OVER_SECONDS", 4.0)
    monkeypatch.setattr(pusher, "RESEND_SECONDS", 0.3)
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(checkpoint, "_ROUND", checkpoint._ROUND.replace("15 seconds", "1 second"))
    monkeypatch.setattr("exporter.recording.recorder._FOLLOW", 0.1)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """What an Alertmanager would be told."""
    with Receivers() as started:
        yield started


@pytest.fixture
async def replicas(postgres: Postgres) -> AsyncIterator[list[Recorder]]:
    """Three recorders on one database; the first is the eldest."""
    url = postgres.database()
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(recording(PostgresStore(url), clock=time.time)) for _ in range(3)]


def pushing(recorder: Recorder, name: str, receivers: Receivers) -> Alerting:
    """Has a recorder's alerts pushed, with links that name it."""
    alerting = Alerting(recorder, f"http://{name}")
    alerting.prepare(Alertmanager(urls=(receivers.url,), resolve_after=300.0))()
    alerting.start()
    return alerting


def senders(receivers: Receivers) -> list[str]:
    """Who pushed, in order."""
    return [alert["generatorURL"].removeprefix("http://") for _, alerts in receivers.messages for alert in alerts]


async def test_who_pushes(replicas: list[Recorder], receivers: Receivers) -> None:
    """The replica that counted tells once, the eldest repeats it, and when that is gone the next one does."""
    alerting = [pushing(recorder, name, receivers) for recorder, name in zip(replicas, "abc", strict=True)]
    await reached("one leads", lambda: [recorder.leads for recorder in replicas] == [True, False, False])
    await replicas[2].record(event("hang"))
    await reached("it is repeated", lambda: senders(receivers).count("a") >= 4)
    assert senders(receivers)[0] == "c"
    assert set(senders(receivers)[1:]) == {"a"}
    await alerting[0].stop()
    await replicas[0].stop()
    await reached("the next one leads", lambda: replicas[1].leads)
    await reached("it is repeated", lambda: senders(receivers).count("b") >= 2)
    assert senders(receivers).count("c") == 1
    await asyncio.gather(*(each.stop() for each in alerting[1:]))


async def test_a_replica_that_dies_before_it_pushes(replicas: list[Recorder], receivers: Receivers) -> None:
    """What it counted is told by the eldest."""
    alerting = pushing(replicas[0], "a", receivers)
    await replicas[2].record(event("hang"))
    await reached("it is told", lambda: senders(receivers) != [])
    await alerting.stop()


async def test_without_a_database_anybody_repeats(postgres: Postgres, receivers: Receivers) -> None:
    """Nobody can know who is left."""
    url = postgres.database()
    async with recording(PostgresStore(url), clock=time.time) as eldest, Cutter(url) as cutter:
        await eldest.record(event("hang"))
        one = Recorder(Config(), PostgresStore(cutter.url))
        await asyncio.to_thread(one.load)
        await one.start()
        alerting = pushing(one, "b", receivers)
        await reached("the eldest leads", lambda: eldest.leads and not one.leads)
        assert senders(receivers) == []
        cutter.unreachable = True
        cutter.cut()
        await reached("it is told and repeated", lambda: senders(receivers).count("b") >= 2)
        await alerting.stop()
        await one.stop()
