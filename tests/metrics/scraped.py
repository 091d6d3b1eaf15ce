"""Tables as a scraper sees them."""

from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TypeAlias

import pytest
from prometheus_client.metrics_core import Metric as Parsed
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics.exposition import (
    Format,
    Rows,
    render,
)
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import NANO, Increment, Metric
from exporter.metrics.series import Series
from exporter.metrics.series_table import Exemplar, SeriesTable

NOW = 1_700_000_000.5
PA = ("vapi", "a1")
TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS
PARSE: dict[Format, Callable[[str], Iterable[Parsed]]] = {TEXT: parse_text, OPENMETRICS: parse_openmetrics}
BOTH = pytest.mark.parametrize("fmt", list(Format), ids=lambda fmt: fmt.name.lower())
Samples: TypeAlias = dict[tuple[str, frozenset[tuple[str, str]]], float]


def filled(*increments: Increment, exemplar: Exemplar | None = None) -> SeriesTable:
    """A table with these increments in it."""
    table = SeriesTable(LabelLimits({}, 1_000_000, 86_400.0))
    table.apply(table.resolve(increments, NOW), exemplar)
    return table


def scraped(
    table: SeriesTable,
    fmt: Format,
    names: frozenset[str] | None = None,
    derived: Iterable[tuple[Metric, Rows]] = (),
) -> str:
    """A scrape of a table."""
    return b"".join(render(table, fmt, names, derived)).decode()


def lines_of(table: SeriesTable, fmt: Format, *metrics: Metric) -> list[str]:
    """The lines of some families."""
    return scraped(table, fmt, frozenset(metric.name for metric in metrics)).splitlines()


def parsed(scrape: str, fmt: Format) -> Samples:
    """What a reader makes of a scrape; no sample may come twice."""
    samples: Samples = {}
    for family in PARSE[fmt](scrape):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples
            samples[key] = float(sample.value)
    return samples


def expected_of(series: Series) -> Samples:
    """The samples of a series, from its cells."""
    metric, cells = series.family.metric, series.cells
    labels = dict(zip(metric.labels, series.labels, strict=True))
    if metric.kind == "gauge":
        return {(metric.name, frozenset(labels.items())): cells[0] / metric.scale}
    samples: Samples = {(f"{metric.family}_created", frozenset(labels.items())): series.created}
    if metric.kind == "counter":
        return {(metric.name, frozenset(labels.items())): cells[0] / metric.scale, **samples}
    for bound, count in zip([*map(str, series.family.bounds), "+Inf"], accumulate(cells[1:]), strict=True):
        samples[f"{metric.name}_bucket", frozenset({**labels, "le": bound}.items())] = count
    samples[f"{metric.name}_count", frozenset(labels.items())] = sum(cells[1:])
    samples[f"{metric.name}_sum", frozenset(labels.items())] = cells[0] / NANO
    return samples
