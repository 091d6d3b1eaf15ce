"""One series, and the family it belongs to: what an amount does to the cells."""

from array import array
from bisect import bisect_left
from sys import intern
from typing import Final

from msgspec import Struct

from exporter.events import Distribution, Nanounits, identity
from exporter.metrics.label_values import written
from exporter.metrics.metric import NANO, Labels, Metric
from exporter.metrics.rebucket import spread
from exporter.store.base import CellDeltas, StoredSeries

VOLATILE: Final = 0
"""The number of every series that is not stored."""


class Exemplar(Struct, frozen=True, gc=False):
    """The call that a measurement was taken of, and the Unix time of the measurement in seconds."""

    call_id: str
    time: float

    def mark(self) -> tuple[str, str]:
        """What OpenMetrics writes after a sample, before and behind the measured value."""
        return f' # {{call_id="{self.call_id}"}} ', f" {self.time:.3f}"


class Family:
    """All series of one metric that a scrape shows.

    Attributes:
        metric: the entry of the catalogue.
        bounds: upper bounds of the buckets in force, without ``+Inf``.
        width: how many cells change where one thing is measured: a counter's one, a histogram's sum and bucket; no
            gauge is measured.
        shape: identifies what the cells of a stored series mean.
        series: the series, oldest first. Replaced, never shrunk, so that it can be read in slices.
    """

    __slots__ = ("_nanos", "bounds", "metric", "series", "shape", "width")

    def __init__(self, metric: Metric, bounds: tuple[float, ...] | None = None) -> None:
        self.metric = metric
        self.bounds = metric.bounds if bounds is None else bounds
        self.shape = identity(metric.kind, metric.scale, *metric.labels, *self.bounds)
        self.series: list[Series] = []
        self.width = {"gauge": 0, "counter": 1, "histogram": 2}[metric.kind]
        self._nanos: tuple[Nanounits, ...] = tuple(round(bound * NANO) for bound in self.bounds)

    def create(self, number: int, labels: Labels, now: float) -> "Series":
        """A new series at 0. It does not belong to ``series`` yet."""
        size = len(self.bounds) + 2 if self.metric.kind == "histogram" else 1
        return self.restored(StoredSeries(number, self.metric.name, labels, round(now, 3), self.shape, [0] * size))

    def restored(self, stored: StoredSeries) -> "Series":
        """A series as it was kept. It does not belong to ``series`` yet."""
        labels = tuple(map(intern, stored.labels))
        return Series(stored.id, self, labels, written(self.metric.labels, labels), stored.created, stored.cells)

    def cells(self, amount: int | Distribution) -> CellDeltas:
        """What the amount adds to the cells of a series; nothing for a counter's 0."""
        if isinstance(amount, Distribution):
            counts = spread(amount, self._nanos)
            return ((0, amount.total), *((cell, count) for cell, count in enumerate(counts, 1) if count))
        if self.metric.kind == "histogram":
            return (0, amount), (bisect_left(self._nanos, amount) + 1, 1)
        return ((0, amount),) if amount else ()


class Series(Struct, eq=False, gc=False):
    """One label set of a family with its values.

    Attributes:
        id: the number under which it is stored, or `VOLATILE`.
        family: what it belongs to.
        labels: label values, in the order of the metric's label names.
        text: the labels as both formats write them.
        created: Unix time in seconds at which it began.
        cells: as in `StoredSeries`.
        used: Unix time of its last use in seconds; 0 where that was before a restart.
        marks: by cell, the latest `Exemplar.mark`, which series share; None before the first.
        measured: by cell, the exemplar's value.
    """

    id: int
    family: Family
    labels: Labels
    text: str
    created: float
    cells: list[int]
    used: float = 0.0
    marks: list[tuple[str, str] | None] | None = None
    measured: "array[float] | None" = None

    def stored(self) -> StoredSeries:
        """The series as the batch holds it in which it is created."""
        metric = self.family.metric
        return StoredSeries(self.id, metric.name, self.labels, self.created, self.family.shape, self.cells.copy())

    def move(self, cells: CellDeltas) -> None:
        """Add to the cells."""
        values = self.cells
        for cell, amount in cells:
            values[cell] += amount

    def remember(self, cells: CellDeltas, mark: tuple[str, str]) -> None:
        """Keep the exemplar for a count or for the bucket of a single observation; gauges have none."""
        cell, count = cells[-1]
        if len(cells) != self.family.width or (cell and count != 1):
            return
        if self.marks is None or self.measured is None:
            self.marks = [None] * len(self.cells)
            self.measured = array("d", bytes(8 * len(self.cells)))
        self.marks[cell] = mark
        self.measured[cell] = cells[0][1] / self.family.metric.scale
