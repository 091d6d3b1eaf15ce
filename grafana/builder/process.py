"""The parts of the exporter's board on its process and on the relay, and metrics that are not the catalogue's."""

from typing import Final

from grafana_foundation_sdk.builders import timeseries

from exporter.assets.relay import NO_ANSWER
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from grafana.builder import colours as c
from grafana.builder.board import Section
from grafana.builder.panels import marked, query, series
from grafana.builder.places import Number
from grafana.builder.query import RATE, TREND, quantile, rate, select, total

UP: Final = Metric("up", "gauge", (), "Written by Prometheus for each target.")
SCRAPE: Final = Metric("scrape_duration_seconds", "gauge", (), "Written by Prometheus for each target.")
START: Final = Metric("process_start_time_seconds", "gauge", (), "Of prometheus-client.")
_CPU: Final = Metric("process_cpu_seconds_total", "counter", (), "Of prometheus-client.")
_MEMORY: Final = Metric("process_resident_memory_bytes", "gauge", (), "Of prometheus-client.")
_FILES: Final = Metric("process_open_fds", "gauge", (), "Of prometheus-client.")


def of_exporters(vector: str) -> str:
    """Those series of a metric that others expose as well which are an exporter's."""
    return f"{vector}\nand on (job, instance)\n{select(m.BUILD_INFO)}"


def relay() -> Section:
    """The relay to the webhook of an application."""
    panel = series(
        f"Relay p95, {TREND.range}, by status code",
        "From the request to the relay target until its answer is complete.",
        query(quantile("0.95", m.RELAY_SECONDS, ("platform", "code")), "{{platform}} {{code}}"),
    )
    failed = series(
        "Relay errors per minute",
        "Requests that the relay target failed to answer: the platform gets 502 or 504.",
        query(f"60 * {rate(m.RELAY_ERRORS, ('platform', 'reason'))}", "{{platform}} {{reason}}"),
    )
    requests = rate(m.RELAY_SECONDS, ("platform",), "_count")
    unanswered = rate(m.RELAY_ERRORS, ("platform",), reason="|".join(NO_ANSWER))
    share = series(
        "Relay requests without an answer",
        "Share of requests that the application left without an answer, or answered with 500 or above.",
        query(f"{unanswered}\n/\n({requests} > 0)", "{{platform}}"),
    )
    marked(panel, c.above(Number("relay.slow.warning"))).unit("s")
    marked(share, c.above(critical=Number("relay.failing.critical"))).unit("percentunit")
    waiting = series(
        "Events waiting for the relay",
        "Events that were acknowledged and wait to be forwarded.",
        query(f"sum by (platform) ({select(m.RELAY_WAITING)})", "{{platform}}"),
    )
    marked(waiting, c.above(Number("relay.waiting.count")))
    panels = [item.span(6).no_value("no relay") for item in (panel, share, failed, waiting)]
    return Section("Relay", panels, collapsed=True)


def alerting() -> Section:
    """Alerts of single calls."""
    pushes = series(
        "Alert pushes per minute, by outcome",
        "Alerts of single calls pushed to each Alertmanager, repetitions included; dropped are counted into one.",
        query(f"60 * {rate(m.ALERT_PUSHES, ('instance', 'outcome'))}", "{{instance}} {{outcome}}"),
    )
    active = series(
        "Alerts of single calls",
        "Alerts that are true now: calls that hang, and calls with a critical error a short while ago.",
        query(select(m.ALERTS_ACTIVE), "{{instance}}"),
    )
    judged = series(
        "Sentiment analyses per minute, by outcome",
        "Messages of callers whose sentiment was to be judged; the others count without one.",
        query(f"60 * {rate(m.SENTIMENT_ANALYSES, ('instance', 'outcome'))}", "{{instance}} {{outcome}}"),
    )
    panels = [item.span(8).no_value("nothing is pushed") for item in (pushes, active)]
    return Section("Pushed alerts and sentiment", [*panels, judged.span(8).no_value("not judged")], collapsed=True)


def process() -> Section:
    """The process."""
    cpu = of_exporters(f"rate({select(_CPU)}[{RATE}])")
    return Section(
        "Process",
        [
            _gauge("Processors", "Processor seconds a second; 1 is a whole processor.", cpu),
            _gauge("Memory", "Resident memory.", of_exporters(select(_MEMORY))).unit("bytes"),
            _gauge("Open files", "Connections included.", of_exporters(select(_FILES))),
            _gauge(
                f"Clock steps within {TREND.range}",
                "Times that the machine's clock was set by a second or more while the exporter ran.",
                total(m.CLOCK_STEPS, ("instance",), TREND),
            ),
        ],
        collapsed=True,
    )


def _gauge(title: str, text: str, expr: str) -> timeseries.Panel:
    return series(title, text, query(expr, "{{instance}}")).span(6)
