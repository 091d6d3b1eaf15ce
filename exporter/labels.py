"""Label values: what they may hold, how many there may be, and how both formats write them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from exporter.catalogue import LABEL_OVERFLOWS, LABEL_VALUES
from exporter.events import OTHER, UNKNOWN
from exporter.metric import Increment, Labels, Metric

FREE: Final = ("assistant_id", "provider", "model", "error_code", "tool")
"""Labels whose values come from payloads. The values of all others are closed lists."""

RESERVED: Final = frozenset({UNKNOWN, OTHER, "all", "transient"})
"""Values that stand for no one in particular: never counted against a limit, never removed."""

SERIES: Final = "series"
"""The ``label`` of voice_exporter_label_overflows_total for the limit on label sets."""

NAME_LENGTH: Final = 64

_FREE_VALUE = re.compile(r"[A-Za-z0-9._:/-]{1,64}")


def is_free_value(value: str) -> bool:
    """Whether the value may be that of a free label."""
    return _FREE_VALUE.fullmatch(value) is not None


def clean(value: str) -> str:
    """The value of a free label, ``other`` where it may not be one, ``unknown`` where there is none."""
    if not value:
        return UNKNOWN
    return value if is_free_value(value) else OTHER


def clean_name(name: str) -> str:
    """The name of an assistant without control characters, cut at 64 characters; ``unknown`` where nothing is left."""
    kept = (character for character in name if unicodedata.category(character) not in {"Cc", "Cs"})
    return "".join(kept)[:NAME_LENGTH] or UNKNOWN


def written(names: Iterable[str], values: Iterable[str]) -> str:
    """The label set as both formats write it, without the braces."""
    return ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class LabelLimits:
    """Which values of the free labels are in use, and what becomes of one too many.

    Args:
        max_values: distinct values by label; a label that is not named has no limit.
        max_series: label sets in all; `exporter.series` counts them.
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

    def overflow(self, label: str) -> None:
        """Count a value, or a whole label set, that became ``other``."""
        self._overflows[label] += 1

    def overflows(self) -> Iterator[Increment]:
        """The overflows that no batch holds yet, as increments. Each is given out once."""
        while self._overflows:
            label, count = self._overflows.popitem()
            yield LABEL_OVERFLOWS, (label,), count

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

    def retire(self, now: float, in_use: Callable[[str, str], bool]) -> frozenset[tuple[str, str]]:
        """Forget the values unused for the ttl.

        Args:
            now: Unix time in seconds.
            in_use: whether something else, an open call, still holds a value of a label.

        Returns:
            Label and value of each that went.
        """
        gone = frozenset(
            (label, value)
            for label, values in self._admitted.items()
            for value, used in values.items()
            if used < now - self.ttl and not in_use(label, value)
        )
        for label, value in gone:
            del self._admitted[label][value]
        return gone

    def usage(self) -> dict[str, dict[str, float]]:
        """When each value was last used, by label, as far as `touch` and `admit` were told."""
        return self._admitted

    def sizes(self) -> tuple[Metric, list[tuple[Labels, int]]]:
        """Distinct values in use by free label, for voice_exporter_label_values."""
        return LABEL_VALUES, [((label,), len(values)) for label, values in self._admitted.items()]

    def _has_room(self, label: str) -> bool:
        limit = self._max_values.get(label)
        return limit is None or len(self._admitted[label]) < limit
