"""Exporters that share a database, as a load balancer and Prometheus see them."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.calls.tally import payload
from tests.conftest import Running, StartExporter
from tests.support.postgres import FAST, Postgres
from tests.support.waiting import until

SECONDS = 5.0
"""So long may the exporter take to notice that the database is gone or back."""
MARGIN = 15.0
"""More of it for a busy machine."""


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server that the test may end."""
    with Postgres(FAST) as server:
        yield server


def get(exporter: Running, path: str) -> tuple[int, str]:
    """Status and body of a page."""
    try:
        with urllib.request.urlopen(f"{exporter.url}{path}", timeout=30) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def post(exporter: Running, name: str) -> int:
    """Status of the answer to an event."""
    with closing(http.client.HTTPConnection(urlsplit(exporter.url).netloc, timeout=30)) as connection:
        connection.request("POST", "/webhook/interactly", json.dumps(payload(name)))
        return connection.getresponse().status


def events_shown(exporter: Running) -> str:
    """The landing page's table of events of the last minutes."""
    return get(exporter, "/")[1].partition("<caption>Events by minutes</caption>")[2].partition("</table>")[0]


def families(text: str) -> set[str]:
    """Names of the families of a scrape."""
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def test_what_is_shared_and_what_is_a_replicas_own(start_exporter: StartExporter, postgres: Postgres) -> None:
    """All answer the same under /metrics; what each counts of itself is under /metrics/replica."""
    url = postgres.database()
    replicas = [start_exporter(f"--storage.url={url}") for _ in range(2)]
    for replica in replicas:
        for name in ("status-update-queued", "hang", "end-of-call-report"):
            assert post(replica, name) == 200
    shared = [get(replica, "/metrics")[1] for replica in replicas]
    assert sorted(shared[0].splitlines()) == sorted(shared[1].splitlines())
    assert 'event="hang",outcome="counted"} 1\n' in shared[0]
    assert 'event="hang",outcome="duplicate"} 1\n' in shared[0]
    assert "process_cpu_seconds_total" not in shared[0]
    # By these VoiceExporterScrapedTwice knows who shows the same.
    assert {"voice_exporter_calls_expired_created", "voice_exporter_state_outdated"} <= families(shared[0])
    status, own = get(replicas[0], "/metrics/replica")
    assert status == 200
    assert {"process_cpu_seconds_total", "voice_exporter_storage_commit_seconds"} <= families(own)
    assert "voice_exporter_replica_lag_seconds" in families(own) - families(shared[0])
    assert families(own) & families(shared[0]) <= {
        "voice_exporter_webhooks_total",
        "voice_exporter_webhooks_created",
        "voice_exporter_build_info",
        "voice_exporter_state_outdated",
    }
    until("the landing pages to show the same", lambda: events_shown(replicas[0]) == events_shown(replicas[1]))
    assert "<td>hang</td><td>duplicate</td>" in events_shown(replicas[0])
    assert "Storage: PostgreSQL." in get(replicas[0], "/")[1]
    incidents = [get(replica, "/incidents?format=json")[1] for replica in replicas]
    assert incidents[0] == incidents[1]
    assert [replica.stop() for replica in replicas] == [0, 0]


def test_one_process_has_no_page_of_its_own(start_exporter: StartExporter) -> None:
    """With SQLite, /metrics goes on to show all."""
    exporter = start_exporter()
    assert get(exporter, "/metrics/replica")[0] == 404
    assert {"process_cpu_seconds_total", "voice_exporter_storage_commit_seconds"} <= families(
        get(exporter, "/metrics")[1]
    )


def test_a_database_that_goes_and_comes_back(start_exporter: StartExporter, own: Postgres) -> None:
    """Readiness and webhooks say so within seconds, the metrics go on, and all is well again by itself."""
    exporter = start_exporter(f"--storage.url={own.database()}")
    assert post(exporter, "hang") == 200
    own.kill()
    went = time.monotonic()
    until("readiness to go", lambda: get(exporter, "/-/ready")[0] == 503, SECONDS + MARGIN)
    assert post(exporter, "status-update-queued") == 503
    status, text = get(exporter, "/metrics")
    assert (status, "voice_exporter_state_outdated 1\n" in text) == (200, True)
    assert "voice_hangs_total" in text
    assert "storage" in get(exporter, "/-/ready")[1]
    assert get(exporter, "/-/healthy")[0] == 200
    own.start()
    until("webhooks to be taken", lambda: post(exporter, "status-update-queued") == 200, SECONDS + MARGIN)
    until("readiness to come back", lambda: get(exporter, "/-/ready")[0] == 200, SECONDS + MARGIN)
    until("a fresh scrape", lambda: "voice_exporter_state_outdated 0\n" in get(exporter, "/metrics")[1])
    assert time.monotonic() > went
    assert post(exporter, "hang") == 200
    assert 'event="hang",outcome="duplicate"} 1\n' in get(exporter, "/metrics")[1]


def test_a_database_that_is_not_there(start_exporter: StartExporter) -> None:
    """The start fails with one line, which shows no password."""
    exporter = start_exporter("--storage.url=postgresql://voice:hidden@127.0.0.1:1/voice", ready=False)
    assert exporter.wait() == 1
    assert exporter.log.endswith("voice-exporter: --storage.url: the database can't be reached\n")
    assert "hidden" not in exporter.log
