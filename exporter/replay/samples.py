"""Time-stamped samples for backfilling: ``promtool tsdb create-blocks-from openmetrics``.

Prometheus sees what it would have scraped at each step: every series with its value at that time, and a 0 one step
before a series first appears, so that its first increment is not lost. Families are announced once, at the top, and
their samples follow in the order of time, which promtool takes and a file of constant memory needs.
"""

from collections.abc import Callable
from typing import Final

from exporter.metrics import exposition
from exporter.metrics.catalogue import METRICS
from exporter.metrics.series_table import SeriesTable
from exporter.metrics.text_format import openmetrics_sections
from exporter.recording.computed_metrics import ComputedFamily

_CALL_METRICS: Final = frozenset(name for name in METRICS if not name.startswith("voice_exporter_"))
_LONG_GAP: Final = 60
"""Steps without an event after which only the last one before the next event is written."""


class Samples:
    """Writes a sample of every series at each step of the events' own time.

    Args:
        write: takes the text.
        step: seconds between samples.
    """

    def __init__(self, write: Callable[[str], object], step: int) -> None:
        self._write = write
        self._step = step
        self._next = 0
        self._known: set[str] = set()

    def begin(self, table: SeriesTable) -> None:
        """Announce the families."""
        for family in table.families():
            self._write(openmetrics_sections(family)[0].header)

    def advance(self, now: float, table: SeriesTable, derived: list[ComputedFamily]) -> None:
        """Write the samples of the steps that end before ``now``."""
        if not self._next:
            self._next = (int(now) // self._step + 1) * self._step
            return
        while self._next <= now:
            if now - self._next > _LONG_GAP * self._step:
                self._sample(table, derived)
                self._next = int(now) // self._step * self._step
            self._sample(table, derived)

    def end(self, table: SeriesTable, derived: list[ComputedFamily]) -> None:
        """Write the samples of the step that has begun, and the end mark."""
        if self._next:
            self._sample(table, derived)
        self._write("# EOF\n")

    def _sample(self, table: SeriesTable, derived: list[ComputedFamily]) -> None:
        for chunk in exposition.render(table, exposition.Format.TEXT, _CALL_METRICS, derived):
            for line in chunk.decode().splitlines():
                if not line.startswith("#") and not line.partition("{")[0].endswith("_created"):
                    self._line(line)
        self._next += self._step

    def _line(self, line: str) -> None:
        series, _, value = line.rpartition(" ")
        if series not in self._known:
            self._known.add(series)
            self._write(f"{series} 0 {self._next - self._step}\n")
        self._write(f"{series} {value} {self._next}\n")
