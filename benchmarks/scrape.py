"""What a scrape costs, beside prometheus-client, and how long it holds the event loop: processor time of one thread."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest

from benchmarks.figures import Figure
from exporter.metrics import exposition
from exporter.metrics.catalogue import METRICS
from exporter.metrics.exposition import Format
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import NANO, Metric
from exporter.metrics.series_table import Exemplar, SeriesTable

_METRIC = METRICS["voice_tts_generation_seconds"]
BOUNDS = tuple(float(bound) for bound in range(1, 16))


def measure(histograms: int = 2000, samples: int = 100_000, rounds: int = 5) -> Iterator[Figure]:
    """Histograms of 15 bounds against prometheus-client's, and the longest hold of the loop."""
    for exemplars, fmt, theirs in (
        (False, Format.TEXT, generate_latest),
        (True, Format.OPENMETRICS, openmetrics_latest),
    ):
        ours, registry = filled(histograms, exemplars=exemplars), _registry(histograms, exemplars=exemplars)
        _render(ours, fmt)
        pairs = [(_seconds(_render, ours, fmt), _seconds(theirs, registry)) for _ in range(rounds)]
        ratio = median(other / one for one, other in pairs)
        beside = (
            f"{median(one for one, _ in pairs) * 1e3:.0f} ms against {median(other for _, other in pairs) * 1e3:.0f} ms"
        )
        name = f"scrape of {histograms} histograms{', with exemplars' if exemplars else ''} / prometheus-client"
        yield Figure(name, ratio, "x faster", 20, "at least", beside)
    table = filled(samples // (len(BOUNDS) + 3), exemplars=True)
    if samples:
        holds = [_longest(table) * 1e3 for _ in range(rounds)]
        name = f"longest hold of the loop in a scrape of {samples} samples"
        yield Figure(name, median(holds), "ms", 2, "at most", f"worst of {rounds} scrapes {max(holds):.2g} ms")


def filled(histograms: int, *, exemplars: bool) -> SeriesTable:
    """A table of so many histograms of 15 bounds."""
    table = SeriesTable(LabelLimits({}, 10**9, 1e9), {_METRIC.name: BOUNDS})
    for number in range(histograms):
        labels = ("interactly", f"assistant-{number}", "eleven-labs", "false")
        for value in range(1, 17):
            observed = table.resolve([(_METRIC, labels, value * NANO - NANO // 3)], 1.0)
            table.apply(observed, Exemplar(f"CA{number:032x}", 1.7e9) if exemplars else None)
    return table


def _registry(histograms: int, *, exemplars: bool) -> CollectorRegistry:
    registry = CollectorRegistry()
    metric: Metric = _METRIC
    theirs = Histogram(metric.name, metric.help, metric.labels, buckets=BOUNDS, registry=registry)
    for number in range(histograms):
        child = theirs.labels("interactly", f"assistant-{number}", "eleven-labs", "false")
        for value in range(1, 17):
            child.observe(value - 1 / 3, {"call_id": f"CA{number:032x}"} if exemplars else None)
    return registry


def _longest(table: SeriesTable) -> float:
    longest, before = 0.0, time.thread_time()
    for _ in exposition.render(table, Format.OPENMETRICS):
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


def _render(table: SeriesTable, fmt: Format) -> None:
    for _ in exposition.render(table, fmt):
        pass


def _seconds(run: Callable[..., Any], *arguments: object) -> float:
    started = time.thread_time()
    run(*arguments)
    return time.thread_time() - started
