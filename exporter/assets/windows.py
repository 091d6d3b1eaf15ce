"""Counts over several windows, of which the longer ones are sums of shorter ones that are recorded already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.assets.promql import Level, over, record
from exporter.assets.rule import Recording
from exporter.yamlfile.durations import format_duration

HOUR: Final = 3600.0
LONG: Final = 6 * HOUR
_MOMENT: Final = 0.001
"""Prometheus 2 counts both ends of a range: an hour that ends where a window does would have one window too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Something that is counted by labels, over windows.

    Attributes:
        level: its labels.
        metric: what is counted, as it stands in the names of the recorded series.
        operation: how, as it stands there in front of the window.
        expr: the count over a window, in seconds.
        base: seconds of the window whose counts add up to those of an hour and more; None where nothing adds up.
    """

    level: Level
    metric: str
    operation: str
    expr: Callable[[float], str]
    base: float | None = None

    def name(self, window: float) -> str:
        """Name of the recorded series."""
        return record(self.level, self.metric, over(self.operation, window))

    def recordings(self, windows: Sequence[float], comment: str = "") -> tuple[Recording, ...]:
        """The recorded series of the windows, and those that they are sums of."""
        needed = set(windows)
        if self.base and any(window >= HOUR for window in windows):
            needed |= {self.base} | ({HOUR} if max(windows) > LONG else set())
        first = min(needed)
        return tuple(
            Recording(record=self.name(window), expr=self._over(window), comment=comment if window == first else "")
            for window in sorted(needed)
        )

    def _over(self, window: float) -> str:
        if self.base is None or window < HOUR:
            return self.expr(window)
        step = HOUR if window > LONG else self.base
        return f"sum_over_time({self.name(step)}[{format_duration(window - _MOMENT)}:{format_duration(step)}])"
