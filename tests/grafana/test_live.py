import time
import urllib.request
from pathlib import Path
from typing import Final

from tests.conftest import StartExporter
from tests.grafana.boards import filled, targets
from tests.grafana.conftest import has_data
from tests.support.servers import Prometheus
from tests.support.waiting import until

MAY_BE_EMPTY: Final = {
    "voice-exporter: Replicas that are up A": "where no database is shared",
    "voice-exporter: Replicas that are up B": "where no database is shared",
    "voice-exporter: Commits per second, by replica A": "where no database is shared",
    "voice-exporter: Lag of the slowest replica A": "where no database is shared",
    "voice-exporter: Latency of the database, p99, 10m A": "where no database is shared",
    "voice-exporter: Conflicts per minute A": "where no database is shared",
    "voice-exporter: Replicas out of date A": "where no database is shared",
    "voice-exporter: Relay p95, 10m, by status code A": "where no relay is configured",
    "voice-exporter: Relay requests without an answer A": "where no relay is configured",
    "voice-exporter: Relay errors per minute A": "where no relay is configured, or its target answers everything",
    "voice-exporter: Events waiting for the relay A": "where no relay is configured",
}
"""Queries that give nothing here, and when they do."""

MEASURED: Final = {"s", "percentunit", "currencyUSD"}
OF_THE_EXPORTER: Final = {"Webhook requests beside scrapes, 10m", "Commits, 10m"}


def test_nothing_is_measured_before_the_first_event(before: set[str]) -> None:
    """Without calls, no time, no rate, no cost is shown: nothing is not 0."""
    measured = [item for item in targets() if item.panel["fieldConfig"]["defaults"].get("unit") in MEASURED]
    assert {item.panel["title"] for item in measured if item.name in before} <= OF_THE_EXPORTER


def test_every_query_returns_data(busy: Prometheus) -> None:
    """Every query of every panel parses and returns data, except those that say when they do not."""
    until("alerts fire", lambda: busy.query('ALERTS{alertname="VoiceAssistantHang", alertstate="firing"}'))
    empty = {target.name for target in targets() if not has_data(busy, target)}
    assert empty == set(MAY_BE_EMPTY)


def test_exemplars_carry_the_call_id(busy: Prometheus) -> None:
    """Percentiles come with exemplars that name the call."""
    asked = [target for target in targets() if target.json.get("exemplar")]
    assert {target.panel["type"] for target in asked} == {"timeseries"}
    for target in asked:
        labels = busy.exemplars(filled(target.json["expr"], ".+"), 300.0)
        assert labels, target.name
        assert all(set(exemplar) == {"call_id"} for exemplar in labels), target.name


def test_first_hang_is_seen(start_exporter: StartExporter, tmp_path: Path) -> None:
    """A series that is born with its first hang counts it: increase() alone would show 0."""
    exporter = start_exporter()
    body = b'{"message": {"type": "hang", "call": {"id": "c-1", "assistantId": "a-1"}}}'
    urllib.request.urlopen(f"{exporter.url}/webhook/interactly", body, timeout=5).close()  # noqa: S310 - our own URL
    shown = {
        target.name: filled(target.json["expr"], ".+") for target in targets() if target.board == "voice-hangs-errors"
    }
    with Prometheus(tmp_path / "prometheus", {"voice-exporter": exporter.addresses[0]}) as prometheus:
        since = time.time()
        until("two scrapes", lambda: (prometheus.value("min(timestamp(up))") or 0) > since + 1)
        for name in ("Hangs A", "Hung calls A", "Hangs within 10m, by assistant A"):
            counts = [value for _, value in prometheus.query(shown[f"voice-hangs-errors: {name}"])]
            assert counts == [1.0], name


def test_exporter_down_is_said_and_names_stay(start_exporter: StartExporter, tmp_path: Path) -> None:
    """With the exporter gone the first tile says so, and how old the last event is; assistants keep their names."""
    exporter = start_exporter()
    assistant = b'"assistant": {"_id": "a-1", "name": "Front desk"}'
    body = b'{"message": {"type": "hang", "call": {"id": "c-1", "assistantId": "a-1"}, %s}}' % assistant
    urllib.request.urlopen(f"{exporter.url}/webhook/interactly", body, timeout=5).close()  # noqa: S310 - our own URL
    shown = {target.name: filled(target.json["expr"], ".+") for target in targets() if target.board == "voice-overview"}
    with Prometheus(tmp_path / "prometheus", {"voice-exporter": exporter.addresses[0]}) as prometheus:
        until("scrapes", lambda: (prometheus.value("max(count_over_time(voice_calls_started_total[1m]))") or 0) > 1)
        assert prometheus.value(shown["voice-overview: Exporter A"]) == 1
        exporter.process.kill()
        until("it is down", lambda: prometheus.value("min(up)") == 0)
        assert prometheus.value(shown["voice-overview: Exporter A"]) == 0
        assert 0 < (prometheus.value(shown["voice-overview: Exporter B"]) or 0) < 60
        [(row, _)] = prometheus.query(shown["voice-overview: Assistants, worst first B"])
        assert row["assistant_name"] == "Front desk"
