"""Label limits: how many values and label sets there may be, and what becomes of one too many."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from exporter.events import OTHER
from exporter.metrics.catalogue import LABEL_OVERFLOWS, LABEL_VALUES
from exporter.metrics.label_values import FREE, RESERVED, clean
from exporter.metrics.metric import Increment, Labels, Metric

SERIES: Final = "series"
"""The ``label`` of voice_exporter_label_overflows_total for the limit on label sets."""


class LabelLimits:
    """Which values of the free labels are in use, and what becomes of one too many.

    Args:
        max_values: distinct values by label; a label that is not named has no limit.
        max_series: label sets in all; `exporter.metrics.series_table` counts them.
        ttl: seconds after which an unused value goes.
    """

    def __init__(self, max_values: Mapping[str, int], max_series: int, ttl: float) -> None:
        self.max_series = max_series
        self.ttl = ttl
        self._max_values = max_values
        self._admitted: dict[str, dict[str, float]] = {label: {} for label in FREE}
        self._staged: list[tuple[str, str]] = []
        self._overflows: Counter[str] = Counter()

    def fold(self, label: str, value: str) -> str:
        """What the value would be counted as now. Values of labels that are not free stay as they are."""
        if label not in self._admitted:
            return value
        value = clean(value)
        if value in RESERVED or value in self._admitted[label]:
            return value
        return value if self._has_room(label) else OTHER

    def admit(self, label: str, value: str, now: float) -> str:
        """What the value is counted as from now on; takes a place for it or counts an overflow."""
        folded = self.fold(label, value)
        if label not in self._admitted or folded in RESERVED:
            if folded == OTHER and clean(value) != OTHER:
                self.overflow(label)
            return folded
        known = self._admitted[label]
        if folded not in known:
            self._staged.append((label, folded))
        known[folded] = now
        return folded

    def restore(self, label: str, value: str, used: float) -> None:
        """Give a value of a restored series its place, whatever the limit is now; ``used`` is when it last was."""
        if label in self._admitted and value not in RESERVED:
            self._admitted[label][value] = used

    def forget(self, values: Iterable[tuple[str, str]]) -> None:
        """Forget values by label, whatever their last use."""
        for label, value in values:
            self._admitted.get(label, {}).pop(value, None)

    def overflow(self, label: str) -> None:
        """Count a value, or a whole label set, that became ``other``."""
        self._overflows[label] += 1

    def overflows(self) -> Iterator[Increment]:
        """The overflows that no batch holds yet, as increments. Each is given out once."""
        while self._overflows:
            label, count = self._overflows.popitem()
            yield LABEL_OVERFLOWS, (label,), count

    @property
    def grows(self) -> bool:
        """Whether values were admitted since the last commit or rollback."""
        return bool(self._staged)

    def commit(self) -> None:
        """Keep the values admitted since the last commit or rollback."""
        self._staged.clear()

    def rollback(self) -> None:
        """Forget the values admitted since the last commit or rollback: nothing that holds them was kept."""
        for label, value in self._staged:
            self._admitted[label].pop(value, None)
        self._staged.clear()

    def touch(self, label: str, value: str, used: float) -> None:
        """Note when a value was last used, if that is news."""
        if used > self._admitted[label].get(value, used):
            self._admitted[label][value] = used

    def retire(self, now: float, in_use: Callable[[str, str], bool]) -> Mapping[str, Collection[str]]:
        """Forget the values unused for the ttl.

        Args:
            now: Unix time in seconds.
            in_use: whether something else, an open call, still holds a value of a label.

        Returns:
            The values that went, by label; without labels of which none did.
        """
        gone = {}
        for label, values in self._admitted.items():
            unused = {value for value, used in values.items() if used < now - self.ttl and not in_use(label, value)}
            if unused:
                gone[label] = unused
            for value in unused:
                del values[value]
        return gone

    def has_unused(self, now: float) -> bool:
        """Whether a value was unused for the ttl."""
        return any(used < now - self.ttl for values in self._admitted.values() for used in values.values())

    def usage(self) -> dict[str, dict[str, float]]:
        """When each value was last used, by label, as far as `touch` and `admit` were told."""
        return self._admitted

    def sizes(self) -> tuple[Metric, list[tuple[Labels, int]]]:
        """Distinct values in use by unbounded label, for voice_exporter_label_values."""
        return LABEL_VALUES, [((label,), len(values)) for label, values in self._admitted.items()]

    def _has_room(self, label: str) -> bool:
        limit = self._max_values.get(label)
        return limit is None or len(self._admitted[label]) < limit
