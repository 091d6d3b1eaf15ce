"""Tables of series, and what is in them."""

from collections.abc import Iterable
from typing import TypeAlias

from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import Increment, Labels, Metric
from exporter.metrics.series_table import Exemplar, Series, SeriesTable

DAY = 86_400.0
NOW = 1_700_000_000.0
PA = ("vapi", "a1")
State: TypeAlias = dict[tuple[str, Labels], tuple[float, list[int]]]


def limits_of(max_series: int = 1000, **max_values: int) -> LabelLimits:
    """Limits: of series, and of values by label."""
    return LabelLimits(max_values, max_series, 30 * DAY)


def empty_table(max_series: int = 1000, **max_values: int) -> SeriesTable:
    """A table with these limits."""
    return SeriesTable(limits_of(max_series, **max_values))


def count(table: SeriesTable, *increments: Increment, now: float = NOW, exemplar: Exemplar | None = None) -> None:
    """Count in a batch of its own."""
    table.apply(table.resolve(increments, now), exemplar)


def visible(table: SeriesTable, *metrics: Metric) -> list[Series]:
    """The series of these families that a scrape sees; of all, where none is named."""
    families = (family for family in table.families() if not metrics or family.metric in metrics)
    return [series for family in families for series in family.series]


def only(table: SeriesTable, metric: Metric) -> Series:
    """The only series of a family."""
    (series,) = visible(table, metric)
    return series


def state_of(series: Iterable[Series]) -> State:
    """Created timestamp and cells of series by name and labels."""
    return {(each.family.metric.name, each.labels): (each.created, list(each.cells)) for each in series}


def never(_label: str, _value: str) -> bool:
    """No value is in use."""
    return False
