"""The values of all metrics in memory.

Series that are stored move in two steps. `SeriesTable.resolve` finds or creates them and says what an event adds;
`SeriesTable.apply` adds it, after the commit that holds it, so that a scrape never shows what a crash can take back.
Series of the process itself move at once and are never stored.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from exporter.events import OTHER
from exporter.metrics.catalogue import ASSISTANT_INFO, CALLS_ACTIVE, EVENT_SUBSCRIBED, METRICS, SERIES
from exporter.metrics.label_limits import SERIES as ALL_SERIES
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.label_values import FREE, is_free_value
from exporter.metrics.metric import Increment, Labels, Metric
from exporter.metrics.series import VOLATILE, Exemplar, Family, Series
from exporter.store.base import CellDeltas, StoredSeries

__all__ = ["VOLATILE", "Exemplar", "Family", "Restored", "Series", "SeriesTable"]

UNLIMITED: Final = frozenset({CALLS_ACTIVE, ASSISTANT_INFO, EVENT_SUBSCRIBED})
"""Exempt from ``max_series``: as many as there are assistants, and a gauge must go down where it went up."""

Usage: TypeAlias = Mapping[str, Mapping[str, float]]
"""Unix time of the last use, by unbounded label and value."""


class Restored(NamedTuple):
    """What `load` could not restore: families that restart at 0, and the numbers of the series to drop."""

    families: list[str]
    ids: list[int]


class SeriesTable:
    """Every series, by metric and labels.

    Batches follow each other: any number of `resolve`, then `apply` for each event or `rollback`.

    Args:
        labels: the limits on label values and label sets.
        bounds: bucket bounds by metric name, where they are not those of the catalogue.
    """

    def __init__(self, labels: LabelLimits, bounds: Mapping[str, tuple[float, ...]] | None = None) -> None:
        own = bounds or {}
        self._labels = labels
        self._families = {metric: Family(metric, own.get(metric.name)) for metric in METRICS.values()}
        self._index: dict[tuple[Metric, Labels], Series] = {}
        self._staged: list[Series] = []
        self._limited = 0
        self._next_id = VOLATILE + 1
        self._numbered: dict[int, Series] | None = None

    def load(self, stored: Iterable[StoredSeries], usage: Usage | None = None, now: float = 0.0) -> Restored:
        """Restore stored series; a label value missing from ``usage`` counts as used ``now``.

        A series does not come back if its metric is unknown or the meaning of its cells or labels changed; nor does
        the older one of two with the same labels, which was removed before a crash kept its removal from the store.
        """
        reset: dict[str, None] = {}
        dropped: list[int] = []
        restored: list[Series] = []
        for record in sorted(stored, key=attrgetter("id"), reverse=True):
            self._next_id = max(self._next_id, record.id + 1)
            metric = METRICS.get(record.metric)
            if metric is None or self._families[metric].shape != record.shape:
                reset[record.metric] = None
                dropped.append(record.id)
            elif (metric, record.labels) in self._index:
                dropped.append(record.id)
            else:
                restored.append(self._families[metric].restored(record))
                self._enter(restored[-1])
        known = usage or {}
        # The index also holds what the process counted of itself before; its families have that already.
        for series in reversed(restored):
            series.family.series.append(series)
            for label, value in zip(series.family.metric.labels, series.labels, strict=True):
                self._labels.restore(label, value, known.get(label, {}).get(value, now))
        return Restored(list(reset), dropped)

    def number_from(self, number: int) -> None:
        """The next series gets this number, or a higher one that it would get anyway."""
        self._next_id = max(self._next_id, number)

    def numbered(self) -> dict[int, Series]:
        """The stored series by number; from the first call on kept as they come and go."""
        if self._numbered is None:
            self._numbered = {series.id: series for series in self._index.values() if series.id != VOLATILE}
        return self._numbered

    def bring(self, record: StoredSeries, used: float) -> None:
        """Add a series that another process stored, unless its bounds or label names differ from ours."""
        metric = METRICS.get(record.metric)
        self._next_id = max(self._next_id, record.id + 1)
        if metric is None or self._families[metric].shape != record.shape or (metric, record.labels) in self._index:
            return
        series = self._families[metric].restored(record)
        series.used = used
        self._enter(series)
        series.family.series.append(series)
        for label, value in zip(metric.labels, series.labels, strict=True):
            self._labels.restore(label, value, used)

    def remove(self, gone: Collection[Series]) -> None:
        """Remove series that another process dropped, and the label values that no other series has."""
        numbers = {series.id for series in gone}
        values = {pair for series in gone for pair in zip(series.family.metric.labels, series.labels, strict=True)}
        for series in gone:
            self._leave(series)
        for family in self._families.values():
            family.series = [series for series in family.series if series.id not in numbers]
            for series in family.series:
                values.difference_update(zip(family.metric.labels, series.labels, strict=True))
        self._labels.forget(values)

    def has_unused(self, now: float) -> bool:
        """Whether any label value was unused for the ttl, so that `expire` may remove it."""
        self._note_use()
        return self._labels.has_unused(now)

    def resolve(
        self, increments: Iterable[Increment], now: float, used: float | None = None
    ) -> list[tuple[Series, CellDeltas]]:
        """Find the series of the increments; new ones are staged, invisible to scrapes until `apply`.

        Label limits are applied here, and what they overflowed is added to the result.

        Args:
            increments: what to add.
            now: Unix time at which new series begin.
            used: time of their use, by which label values age; ``now`` where it is not given.
        """
        used = now if used is None else used
        index = self._index
        moved = []
        # The overflows are read last: the increments before them may cause some.
        for metric, labels, amount in chain(increments, self._labels.overflows()):
            series = index.get((metric, labels)) or self._place(metric, labels, now, used)
            series.used = used
            cells = series.family.cells(amount)
            if cells:
                moved.append((series, cells))
        return moved

    def series(self, metric: Metric, labels: Labels, now: float) -> Series:
        """The series of a metric for labels without limits; as `resolve`, created where there is none."""
        series = self._index.get((metric, labels)) or self._place(metric, labels, now, now)
        series.used = now
        return series

    @property
    def grows(self) -> bool:
        """Whether series were created or label values admitted since the last `apply` or `rollback`."""
        return bool(self._staged) or self._labels.grows

    def staged(self) -> list[StoredSeries]:
        """The series created since the last `apply` or `rollback`, for the batch."""
        return [series.stored() for series in self._staged]

    def apply(
        self,
        resolved: Iterable[tuple[Series, CellDeltas]],
        exemplar: Exemplar | None = None,
        latest: Iterable[tuple[Series, int]] = (),
    ) -> None:
        """Show what is committed now: the staged series, and what `resolve` said of one event.

        The exemplar is left out where its call id has a form that no label may have.

        Args:
            resolved: what is added.
            exemplar: of what is added.
            latest: series whose first cell takes a value.
        """
        self._publish()
        self.move(resolved, exemplar, latest)

    @staticmethod
    def move(
        resolved: Iterable[tuple[Series, CellDeltas]],
        exemplar: Exemplar | None = None,
        latest: Iterable[tuple[Series, int]] = (),
    ) -> None:
        """As `apply`, without the staged series."""
        mark = exemplar.mark() if exemplar and is_free_value(exemplar.call_id) else None
        for series, cells in resolved:
            series.move(cells)
            if mark:
                series.remember(cells, mark)
        for series, value in latest:
            series.cells[0] = value

    def rollback(self) -> None:
        """Forget the staged series: the commit failed."""
        for series in self._staged:
            self._leave(series)
        self._staged.clear()
        self._labels.rollback()

    def expire(self, now: float, in_use: Callable[[str, str], bool]) -> list[int]:
        """Remove the series of unbounded label values that were unused for the ttl.

        Args:
            now: Unix time in seconds.
            in_use: whether something else, an open call, still holds a value of a label.

        Returns:
            The numbers of removed series, for the next batch to drop.
        """
        self._note_use()
        gone = self._labels.retire(now, in_use)
        removed: list[int] = []
        for family in self._families.values() if gone else ():
            # Column by column: all series are looked at while webhooks wait.
            leaving = {
                at
                for column, label in enumerate(family.metric.labels)
                if (values := gone.get(label))
                for at, series in enumerate(family.series)
                if series.labels[column] in values
            }
            if leaving:
                for series in (family.series[at] for at in leaving):
                    self._leave(series)
                    removed.append(series.id)
                family.series = [series for at, series in enumerate(family.series) if at not in leaving]
        return [number for number in removed if number != VOLATILE]

    def add(self, metric: Metric, labels: Labels, amount: int, now: float) -> None:
        """Add to a series of the process itself, at once. Such label sets have closed values and are never resolved."""
        series = self._volatile(metric, labels, now)
        series.move(series.family.cells(amount))

    def set(self, metric: Metric, labels: Labels, amount: int, now: float) -> None:
        """Set a gauge of the process itself, at once."""
        self._volatile(metric, labels, now).cells[0] = amount

    def value(self, metric: Metric, labels: Labels) -> int:
        """What a counter or gauge has now, 0 where it does not exist."""
        series = self._index.get((metric, labels))
        return series.cells[0] if series else 0

    def families(self) -> Iterator[Family]:
        """Every family, those without series too, in the order of the catalogue."""
        return iter(self._families.values())

    def sizes(self, *, stored: bool = False) -> tuple[Metric, list[tuple[Labels, int]]]:
        """Series by family, for voice_exporter_series; ``stored`` leaves out what the process counts of itself."""
        shown = (
            (family.metric.name, [one for one in family.series if one.id != VOLATILE] if stored else family.series)
            for family in self._families.values()
        )
        return SERIES, [((name,), len(series)) for name, series in shown if series]

    def _place(self, metric: Metric, labels: Labels, now: float, used: float) -> Series:
        admitted = self._admit(metric, labels, used)
        series = self._index.get((metric, admitted))
        if series is None:
            series = self._families[metric].create(self._next_id, admitted, now)
            self._next_id += 1
            self._enter(series)
            self._staged.append(series)
        return series

    def _admit(self, metric: Metric, labels: Labels, now: float) -> Labels:
        limits = self._labels
        full = metric not in UNLIMITED and self._limited >= limits.max_series
        # A full table still knows the label sets it has, so only one that would be new folds as a whole.
        if not full or (metric, tuple(map(limits.fold, metric.labels, labels))) in self._index:
            return tuple(limits.admit(name, value, now) for name, value in zip(metric.labels, labels, strict=True))
        folded = tuple(OTHER if name in FREE else value for name, value in zip(metric.labels, labels, strict=True))
        if folded != labels:
            limits.overflow(ALL_SERIES)
        return folded

    def _volatile(self, metric: Metric, labels: Labels, now: float) -> Series:
        series = self._index.get((metric, labels))
        if series is None:
            family = self._families[metric]
            series = family.create(VOLATILE, labels, now)
            self._enter(series)
            family.series.append(series)
        series.used = now
        return series

    def _publish(self) -> None:
        for series in self._staged:
            series.family.series.append(series)
        self._staged.clear()
        self._labels.commit()

    def _enter(self, series: Series) -> None:
        self._index[series.family.metric, series.labels] = series
        if self._numbered is not None and series.id != VOLATILE:
            self._numbered[series.id] = series
        self._limited += self._is_limited(series)

    def _leave(self, series: Series) -> None:
        del self._index[series.family.metric, series.labels]
        if self._numbered is not None:
            self._numbered.pop(series.id, None)
        self._limited -= self._is_limited(series)

    @staticmethod
    def _is_limited(series: Series) -> bool:
        return series.id != VOLATILE and series.family.metric not in UNLIMITED

    def _note_use(self) -> None:
        """Tell the label limits when the values that series hold were last used."""
        for family in self._families.values():
            places = [(label, place) for place, label in enumerate(family.metric.labels) if label in FREE]
            for series in family.series if places else ():
                for label, place in places:
                    self._labels.touch(label, series.labels[place], series.used)
