"""Scrapes: which format is asked for, and all families in it, in chunks of bounded work.

One series is written within one chunk, so it never shows half an event. A family without series is left out, header
included, as Prometheus's own client libraries do.
"""

import re
from collections.abc import Iterable, Iterator
from copy import copy
from enum import Enum
from functools import cache
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import generate_latest as text_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest

from exporter.metrics.label_values import written
from exporter.metrics.metric import Labels, Metric
from exporter.metrics.series import VOLATILE, Family, Series
from exporter.metrics.series_table import SeriesTable
from exporter.metrics.text_format import openmetrics_sections, text_sections

CHUNK_LINES: Final = 500
"""Lines that are written at once: half a millisecond of work."""

CHUNK_LENGTH: Final = 32_768
"""Characters after which a chunk ends, so that small families share one."""

_EOF: Final = b"# EOF\n"

Rows: TypeAlias = Iterable[tuple[Labels, int]]
"""Label sets of a gauge with their amounts in the metric's scale."""

_QUALITY: Final = re.compile(r"0?\.\d+|[01](\.0*)?")
_VERSIONS: Final = {
    "application/openmetrics-text": frozenset({"", "0.0.1", "1.0.0"}),
    "text/plain": frozenset({"", "0.0.4"}),
    "text/*": frozenset({""}),
    "*/*": frozenset({""}),
}


class Format(Enum):
    """A format of a scrape; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Part(Enum):
    """Which series a scrape has.

    Attributes:
        ALL: all of them.
        SHARED: those in which all processes of a shared store agree.
        OWN: those of this process.
    """

    ALL = "all"
    SHARED = "shared"
    OWN = "own"


def negotiate(accept_header: str) -> Format:
    """The format that an Accept header prefers; OpenMetrics only where it is named and at least as welcome as text.

    Ranges of other types or versions, and what cannot be understood, do not count. Documented in RFC 9110, 12.5.1.
    """
    weights: dict[str, float] = {}
    for item in accept_header.lower().split(","):
        media, *rest = (part.strip() for part in item.split(";"))
        parameters = {name.strip(): value.strip(' "') for name, _, value in (part.partition("=") for part in rest)}
        quality = parameters.get("q", "1")
        if parameters.get("version", "") in _VERSIONS.get(media, ()) and _QUALITY.fullmatch(quality):
            weights[media] = max(weights.get(media, 0.0), float(quality))
    openmetrics = weights.get("application/openmetrics-text", 0.0)
    text = next((weights[media] for media in ("text/plain", "text/*", "*/*") if media in weights), 0.0)
    return Format.OPENMETRICS if openmetrics and openmetrics >= text else Format.TEXT


def render(
    table: SeriesTable,
    fmt: Format,
    names: frozenset[str] | None = None,
    derived: Iterable[tuple[Metric, Rows]] = (),
    part: Part = Part.ALL,
) -> Iterator[bytes]:
    """All families in the order of the catalogue, then those of the process, in chunks that are never empty.

    Series that come or go meanwhile do no harm: a family shows those it had when its turn came.

    Args:
        table: the series.
        fmt: the format.
        names: families or samples to show, each family as a whole; None for everything.
        derived: gauges computed for this scrape, in place of the table's own.
        part: which series of the table; those of the process itself are there unless it is the shared part.
    """
    computed = {metric: _gauge(metric, rows) for metric, rows in derived}
    families = (computed.get(family.metric) or _part(family, part) for family in table.families())
    wanted = (family for family in families if names is None or not names.isdisjoint(_names(family.metric)))
    yield from _chunks(piece for family in wanted for piece in _pieces(family, fmt))
    ending = b"" if part is Part.SHARED else process_families(fmt, names)
    ending += _EOF if fmt is Format.OPENMETRICS else b""
    if ending:
        yield ending


def process_families(fmt: Format, names: frozenset[str] | None = None) -> bytes:
    """The families of the process, the platform and the garbage collector, without the end mark of OpenMetrics."""
    registry = _process_registry()
    shown = registry if names is None else registry.restricted_registry(names | {f"{name}_total" for name in names})
    if fmt is Format.TEXT:
        return text_latest(shown)
    latest: bytes = openmetrics_latest(shown)  # type: ignore[no-untyped-call]  # prometheus-client left it untyped
    return latest.removesuffix(_EOF)


@cache
def _process_registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _part(family: Family, part: Part) -> Family:
    if part is Part.ALL:
        return family
    shown = copy(family)
    own = part is Part.OWN
    shown.series = [series for series in family.series if (series.id == VOLATILE) is own]
    return shown


def _gauge(metric: Metric, rows: Rows) -> Family:
    family = Family(metric)
    family.series = [
        Series(VOLATILE, family, labels, written(metric.labels, labels), 0.0, [amount]) for labels, amount in rows
    ]
    return family


def _names(metric: Metric) -> set[str]:
    names = {metric.name, metric.family}
    if metric.kind != "gauge":
        names.add(f"{metric.family}_created")
    if metric.kind == "histogram":
        names.update(f"{metric.name}_{part}" for part in ("bucket", "count", "sum"))
    return names


def _pieces(family: Family, fmt: Format) -> Iterator[str]:
    series = family.series
    end = len(series)
    if not end:
        return
    for header, write, lines in openmetrics_sections(family) if fmt is Format.OPENMETRICS else text_sections(family):
        yield header
        step = max(1, CHUNK_LINES // lines)
        for start in range(0, end, step):
            yield "".join(map(write, series[start : min(start + step, end)]))


def _chunks(pieces: Iterable[str]) -> Iterator[bytes]:
    gathered: list[str] = []
    length = 0
    for piece in pieces:
        gathered.append(piece)
        length += len(piece)
        if length >= CHUNK_LENGTH:
            yield "".join(gathered).encode("utf-8", "replace")
            gathered.clear()
            length = 0
    if gathered:
        yield "".join(gathered).encode("utf-8", "replace")
