"""How the series of a family are written: text format 0.0.4 and OpenMetrics 1.0.0.

Most of a series' lines is the same at every scrape, so a family has a template; a series fills in its numbers, then
its labels. Values are exact whole numbers until they are written.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

from prometheus_client.utils import floatToGoString

from exporter.metrics.metric import NANO, Metric
from exporter.metrics.series import Family, Series

Writer: TypeAlias = Callable[[Series], str]

UNITS: Final = ("seconds", "bytes", "ratio", "dollars")
"""The last part of a family's name that is its unit, as OpenMetrics wants it."""

_LABELS: Final = "\0"
"""Stands for the labels in a template, many times in a histogram's: one replacement costs less than as many fields."""


class Section(NamedTuple):
    """A header and how each series is written below it, in so many lines."""

    header: str
    write: Writer
    lines: int


def text_sections(family: Family) -> list[Section]:
    """A family in text format; created timestamps are a gauge of their own, as prometheus-client writes them."""
    metric = family.metric
    header = _header(metric.name, metric.kind, _escape_help(metric.help))
    if metric.kind == "gauge":
        return [Section(header, _value(metric), 1)]
    name = f"{metric.family}_created"
    created = Section(_header(name, "gauge", _escape_help(metric.help)), _created(name, metric), 1)
    if metric.kind == "counter":
        return [Section(header, _value(metric), 1), created]
    return [Section(header, _histogram(family), len(family.bounds) + 3), created]


def openmetrics_sections(family: Family) -> list[Section]:
    """A family in OpenMetrics, with created timestamps and exemplars."""
    metric = family.metric
    header = _header(metric.family, metric.kind, _escape_help(metric.help).replace('"', r"\""))
    if unit := next((unit for unit in UNITS if metric.family.endswith(f"_{unit}")), None):
        header += f"# UNIT {metric.family} {unit}\n"
    if metric.kind == "gauge":
        return [Section(header, _value(metric), 1)]
    if metric.kind == "counter":
        return [Section(header, _counter_with_exemplar(metric), 2)]
    return [Section(header, _histogram_with_exemplars(family), len(family.bounds) + 4)]


def _header(name: str, kind: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _value(metric: Metric) -> Writer:
    template, number = f"{metric.name}{_label_set(metric)} %s\n", _number_of(metric)
    return lambda series: (template % number(series.cells[0])).replace(_LABELS, series.text)


def _created(name: str, metric: Metric) -> Writer:
    template = f"{name}{_label_set(metric)} %.3f\n"
    return lambda series: (template % series.created).replace(_LABELS, series.text)


def _counter_with_exemplar(metric: Metric) -> Writer:
    labels, number = _label_set(metric), _number_of(metric)
    template = f"{metric.name}{labels} %s%s\n{metric.family}_created{labels} %.3f\n"

    def write(series: Series) -> str:
        values = (number(series.cells[0]), _exemplar(series), series.created)
        return (template % values).replace(_LABELS, series.text)

    return write


def _histogram(family: Family) -> Writer:
    template = _histogram_template(family, "%d\n")

    def write(series: Series) -> str:
        total, *counts = series.cells
        cumulative = (*accumulate(counts),)
        return (template % (*cumulative, cumulative[-1], _decimal(total))).replace(_LABELS, series.text)

    return write


def _histogram_with_exemplars(family: Family) -> Writer:
    created = f"{family.metric.name}_created{_label_set(family.metric)} %.3f\n"
    plain = _histogram_template(family, "%d\n") + created
    marked = _histogram_template(family, "%s\n") + created

    def write(series: Series) -> str:
        total, *counts = series.cells
        cumulative = (*accumulate(counts),)
        rest = (cumulative[-1], _decimal(total), series.created)
        if series.marks is None or series.measured is None:
            return (plain % (*cumulative, *rest)).replace(_LABELS, series.text)
        cells = zip(cumulative, series.marks[1:], series.measured[1:], strict=True)
        buckets = [f"{count}{mark[0]}{_plain(value)}{mark[1]}" if mark else count for count, mark, value in cells]
        return (marked % (*buckets, *rest)).replace(_LABELS, series.text)

    return write


def _histogram_template(family: Family, bucket: str) -> str:
    metric = family.metric
    labels = _label_set(metric)
    upper = (*map(floatToGoString, family.bounds), "+Inf")
    buckets = (f"{metric.name}_bucket" + _label_set(metric, f'le="{bound}"') + f" {bucket}" for bound in upper)
    return "".join(buckets) + f"{metric.name}_count{labels} %d\n{metric.name}_sum{labels} %s\n"


def _label_set(metric: Metric, *more: str) -> str:
    inner = ",".join((_LABELS, *more) if metric.labels else more)
    return f"{{{inner}}}" if inner else ""


def _exemplar(series: Series) -> str:
    mark = series.marks[0] if series.marks else None
    return f"{mark[0]}{_plain(series.measured[0])}{mark[1]}" if mark and series.measured else ""


def _number_of(metric: Metric) -> Callable[[int], str]:
    return str if metric.scale == 1 else _decimal


def _decimal(amount: int) -> str:
    return _plain(amount / NANO)


def _plain(value: float) -> str:
    text = repr(value)
    return text if "e" not in text else f"{value:.9f}"
