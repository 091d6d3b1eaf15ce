"""Two releases on one database: neighbours work side by side, one that can't is told so before it takes an event."""

import asyncio
import re

from exporter.recording import incidents
from tests.conftest import StartExporter
from tests.e2e.test_replicas import get, post
from tests.store.replicas import fold
from tests.support.postgres import Postgres
from tests.support.waiting import until

EVENTS = ("status-update-queued", "hang", "conversation-update", "error-llm-rate-limit", "end-of-call-report")
NEXT = "voice_next_release_total"
UPGRADE = (
    "UPDATE voice_exporter.registry SET version = version + 1; UPDATE voice_exporter.replica SET epoch = epoch + 1"
)
"""What a release does that changes the schema, in one transaction."""


def shared(text: str) -> list[str]:
    """What both releases know: lines of a scrape."""
    return sorted(line for line in text.splitlines() if NEXT.removesuffix("_total") not in line)


def test_neighbouring_releases(start_exporter: StartExporter, postgres: Postgres) -> None:
    """Events of one call to either count once; what only the newer one counts the older one keeps for it."""
    url = postgres.database()
    older = start_exporter(f"--storage.url={url}")
    newer = start_exporter(f"--storage.url={url}", modules=("tests.support.neighbour",))
    for number, name in enumerate(EVENTS):
        first, second = (older, newer) if number % 2 else (newer, older)
        assert post(first, name) == post(second, name) == 200
    texts = [get(exporter, "/metrics")[1] for exporter in (older, newer)]
    assert shared(texts[0]) == shared(texts[1])
    assert texts[0].count('outcome="counted"} 1\n') == len(EVENTS)
    assert NEXT not in texts[0]
    assert f'{NEXT}{{platform="interactly"}} 3\n' in texts[1]
    # This process is of the older release, too.
    asyncio.run(fold(url, incidents.newer))
    assert older.stop() == 0
    last = start_exporter(f"--storage.url={url}", modules=("tests.support.neighbour",))
    assert sorted(get(last, "/metrics")[1].splitlines()) == sorted(texts[1].splitlines())
    assert post(last, "hang") == 200
    assert f'{NEXT}{{platform="interactly"}} 3\n' in get(newer, "/metrics")[1]


def test_a_newer_schema(start_exporter: StartExporter, postgres: Postgres) -> None:
    """A process of the older release that runs takes no event any more and says why; one that starts ends at once."""
    url = postgres.database()
    database = url.rpartition("/")[2]
    older = start_exporter(f"--storage.url={url}")
    assert post(older, "hang") == 200
    postgres.execute(UPGRADE, database)
    kept = postgres.execute("SELECT sum(number) FROM voice_exporter.replica", database)
    assert post(older, "status-update-queued") == 503
    line = "the schema voice_exporter has version 2, this release needs 1"
    until("readiness to say why", lambda: line in get(older, "/-/ready")[1])
    assert re.search(rf'level=error .*msg="storage fails, events are refused" reason="{line}"', older.log)
    assert postgres.execute("SELECT sum(number) FROM voice_exporter.replica", database) == kept
    assert "voice_hangs_total" in get(older, "/metrics")[1]
    late = start_exporter(f"--storage.url={url}", ready=False)
    assert late.wait() == 1
    assert late.log.splitlines()[-1] == f"voice-exporter: --storage.url: {line}"
