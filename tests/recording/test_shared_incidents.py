"""Incidents of recorders on one database: all list the same, whoever counted what at which moment."""

import asyncio
import time
from collections.abc import AsyncIterator
from random import Random

import pytest

from exporter.calls.incident import Incident
from exporter.config import Calls, Config, Incidents
from exporter.recording.incidents import KEPT, newer
from exporter.recording.recorder import Recorder
from exporter.store.postgres import PostgresStore
from tests.recording.test_incidents import DENIED, HANG_MS, record, reply, summary
from tests.recording.test_recorder import DAY, recording
from tests.recording.test_replicas import several
from tests.store.replicas import fold
from tests.support.postgres import Postgres


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A database of its own."""
    return postgres.database()


@pytest.fixture
async def three(url: str) -> AsyncIterator[list[Recorder]]:
    """Three recorders on one database."""
    async with several(url, 3, clock=lambda: 1.8e9) as replicas:
        yield replicas


async def listed(replicas: list[Recorder], url: str) -> list[Incident]:
    """What every replica lists; one that starts before a checkpoint, or after it, must list the same."""
    found = []
    for replica in replicas:
        await replica.refresh()
        found.append(replica.incidents.latest())
    for _ in range(2):
        async with recording(PostgresStore(url), clock=lambda: 1.8e9) as started:
            found.append(started.incidents.latest())
        await fold(url, newer)
    for each in found[1:]:
        assert each == found[0]
    return found[0]


def turns(postgres: Postgres, url: str) -> int:
    """How many exclusive batches there were."""
    return int(postgres.execute("SELECT turn FROM voice_exporter.registry", url.rpartition("/")[2]))


async def test_a_hang_is_no_exclusive_batch(three: list[Recorder], url: str, postgres: Postgres) -> None:
    """Once its series exist and its assistant is known, replicas do not wait for each other."""
    for replica in three:
        await record(replica, "hang", call="WC-1")
        await record(replica, "conversation-update", call="WC-1", **reply(HANG_MS + 1000))
        await replica.refresh()
    before = turns(postgres, url)
    for number, replica in enumerate(three * 3):
        await record(replica, "hang", call=f"WC-{number + 2}")
        await record(three[number % 2], "conversation-update", call=f"WC-{number + 2}", **reply(HANG_MS + 1000))
    assert len(await listed(three, url)) == 10
    assert turns(postgres, url) == before


async def test_those_of_the_same_moment(three: list[Recorder], url: str) -> None:
    """Incidents that replicas count at the same moment are all listed."""
    await asyncio.gather(*(record(three[n % 3], "hang", call=f"WC-{n}") for n in range(30)))
    assert {each.call_id for each in await listed(three, url)} == {f"WC-{n}" for n in range(30)}


@pytest.mark.parametrize("last", ["ASC", "DESC"])
async def test_an_outcome_that_another_one_knows(
    three: list[Recorder], url: str, postgres: Postgres, last: str
) -> None:
    """An incident keeps its outcome, whichever of the two records is read first: by a replica or by a checkpoint."""
    for call in ("WC-1", "WC-2"):
        await record(three[0], "hang", call=call)
        # The other one has not read yet that there is a hang.
        await record(three[1], "conversation-update", call=call, **reply(HANG_MS + 1000))
    # Rows that are written again come last.
    postgres.execute(
        "UPDATE voice_exporter.journal SET at = at"  # noqa: S608 - of this test
        f" WHERE replica = (SELECT replica FROM voice_exporter.journal ORDER BY replica {last} LIMIT 1)",
        url.rpartition("/")[2],
    )
    found = await listed(three, url)
    assert [summary(each) for each in found] == [
        ("hang", "WC-2", "", "recovered"),
        ("hang", "WC-1", "", "recovered"),
    ]
    assert {each.recovery_ms for each in found} == {1000}


async def test_an_outcome_of_what_is_in_the_tables(three: list[Recorder], url: str) -> None:
    """The outcome of a hang that a checkpoint has written is added to it."""
    await record(three[0], "hang")
    await fold(url, newer)
    await record(three[1], "conversation-update", **reply(HANG_MS + 1000))
    assert [each.outcome for each in await listed(three, url)] == ["recovered"]


async def test_more_than_there_are_slots(three: list[Recorder], url: str) -> None:
    """Every replica lists the last 500, whoever counted them."""
    count = KEPT + 60

    async def storm(which: int) -> None:
        for number in range(which, count, 30):
            await record(three[which % 3], "hang", call=f"WC-{number}")

    await asyncio.gather(*map(storm, range(30)))
    found = await listed(three, url)
    assert [each.number for each in found] == [*range(count, count - KEPT, -1)]
    # What came of one that is not listed any more is counted all the same.
    gone = next(f"WC-{n}" for n in range(count) if f"WC-{n}" not in {each.call_id for each in found})
    await record(three[0], "conversation-update", call=gone, **reply(HANG_MS + 1000))
    assert await listed(three, url) == found


async def test_each_is_told_once(three: list[Recorder]) -> None:
    """A watcher is told once of an incident and once of its outcome, even if both are read together."""
    told: list[tuple[str, str, bool]] = []
    third = three[2]
    third.incidents.watchers.append(
        lambda incidents, _, *, own: told.extend((each.call_id, each.outcome, own) for each in incidents)
    )
    await record(three[0], "hang", call="WC-1")
    await record(three[1], "conversation-update", call="WC-1", **reply(HANG_MS + 1000))
    await record(three[1], "hang", call="WC-2")
    await third.refresh()
    await record(three[0], "conversation-update", call="WC-2", **reply(HANG_MS + 1000))
    for _ in range(2):
        await third.refresh()
    await record(third, "error-llm-rate-limit", call="WC-3")
    await third.refresh()
    assert sorted(told) == sorted(
        [
            ("WC-1", "recovered", False),
            ("WC-2", "", False),
            ("WC-2", "recovered", False),
            ("WC-3", "", True),
        ]
    )


async def test_each_is_logged_by_whoever_counted_it(three: list[Recorder], caplog: pytest.LogCaptureFixture) -> None:
    """The replica that counted a hang logs it, even after a later one; the replica that settles it logs nothing."""
    caplog.set_level("INFO", "exporter.recording")
    rng = Random(3)
    for number in range(9):
        await record(three[number % 3], "hang", call=f"WC-{number}")
        await rng.choice(three).refresh()
        await record(rng.choice(three), "conversation-update", call=f"WC-{number}", **reply(HANG_MS + 1000))
    logged = [each.__dict__["fields"]["call_id"] for each in caplog.records if each.message == "voice hang"]
    assert logged == [f"WC-{number}" for number in range(9)]


@pytest.mark.parametrize("first", [0, 1])
async def test_an_outcome_of_what_is_forgotten(url: str, first: int) -> None:
    """An incident that one replica forgets stays forgotten, even if another settles it at the same moment."""
    # What is kept ages by the database's clock, too.
    now = [time.time()]
    config = Config(incidents=Incidents(retention=DAY), calls=Calls(idle_timeout=9 * DAY))
    async with several(url, 2, config, clock=lambda: now[0]) as replicas:
        forgets, settles = replicas[first], replicas[1 - first]
        await record(forgets, "hang", call="WC-old")
        await settles.refresh()
        now[0] += DAY + 1
        await forgets.tidy()
        await record(settles, "conversation-update", call="WC-old", **reply(HANG_MS + 1000))
        await record(settles, "error-llm-rate-limit", call="WC-new", **DENIED)
        assert {each.call_id for each in await listed(replicas, url)} == {"WC-new"}


async def test_a_database_that_was_set_back(url: str, postgres: Postgres) -> None:
    """After a restore, incidents that the database lost are listed no more, and new ones are."""
    async with several(url, 2, clock=lambda: 1.8e9) as replicas:
        await record(replicas[0], "hang", call="WC-kept")
        await fold(url, newer)
        for number in range(3):
            await record(replicas[0], "hang", call=f"WC-lost-{number}")
        await replicas[1].refresh()
        postgres.execute(
            "DELETE FROM voice_exporter.journal j USING voice_exporter.replica r"
            " WHERE j.replica = r.id AND j.number > r.folded;"
            "UPDATE voice_exporter.replica SET number = folded; SELECT setval('voice_exporter.incident', 1)",
            url.rpartition("/")[2],
        )
        for number, replica in enumerate(replicas):
            # Whoever notices reads everything with its next batch.
            await replica.refresh()
            await record(replica, "hang", call=f"WC-new-{number}")
        assert {each.call_id for each in await listed(replicas, url)} == {"WC-kept", "WC-new-0", "WC-new-1"}
