from typing import Final

from tests.grafana.boards import filled, targets
from tests.grafana.conftest import has_data
from tests.servers import Prometheus, eventually

MAY_BE_EMPTY: Final = {
    "voice-exporter: Relay p95, by status code A": "where no relay is configured",
    "voice-exporter: Relay errors per minute A": "where no relay is configured, or its target answers everything",
    "voice-exporter: Events waiting for the relay A": "where no relay is configured",
}
"""Queries that give nothing here, and when they do."""

MEASURED: Final = {"s", "percentunit", "currencyUSD"}
OF_THE_EXPORTER: Final = {"Webhook requests beside scrapes", "Since the last event", "Commits"}


def test_nothing_is_measured_before_the_first_event(before: set[str]) -> None:
    """Without calls, no time, no rate, no cost is shown: nothing is not 0."""
    measured = [item for item in targets() if item.panel["fieldConfig"]["defaults"].get("unit") in MEASURED]
    assert {item.panel["title"] for item in measured if item.name in before} <= OF_THE_EXPORTER


def test_every_query_returns_data(busy: Prometheus) -> None:
    """Every query of every panel parses and returns data, except those that say when they do not."""
    eventually("alerts fire", lambda: busy.query('ALERTS{alertname="VoiceHangRateHigh", alertstate="firing"}'))
    empty = {target.name for target in targets() if not has_data(busy, target)}
    assert empty == set(MAY_BE_EMPTY)


def test_exemplars_carry_the_call_id(busy: Prometheus) -> None:
    """Percentiles and heatmaps come with exemplars that name the call."""
    asked = [target for target in targets() if target.json.get("exemplar")]
    assert {target.panel["type"] for target in asked} == {"heatmap", "timeseries"}
    for target in asked:
        labels = busy.exemplars(filled(target.json["expr"], ".+"), 300.0)
        assert labels, target.name
        assert all(set(exemplar) == {"call_id"} for exemplar in labels), target.name
