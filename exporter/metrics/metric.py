"""What a metric is: the type that the catalogue's entries have."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from exporter.events import Distribution

Kind = Literal["counter", "gauge", "histogram"]

NANO = 1_000_000_000
"""Measured amounts are kept as whole billionths of their unit: sums are exact, so neither the order of
events nor a restart moves the last digit. A counter that lost its last digit would look reset to Prometheus."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric family.

    Attributes:
        name: as it appears in text format 0.0.4, so counters end in ``_total``.
        kind: counter, gauge or histogram.
        labels: label names, in the order of the values of a series.
        help: one sentence; ends up in HELP lines and in docs/metrics.md.
        bounds: upper bounds of a histogram's buckets, ascending, without ``+Inf``.
        scale: what one unit is stored as; 1 for counts, NANO for seconds, dollars and ratios.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    bounds: tuple[float, ...] = ()
    scale: int = 1

    @property
    def family(self) -> str:
        """The name of the family in OpenMetrics, where only the samples of a counter end in ``_total``."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name


Labels: TypeAlias = tuple[str, ...]

Increment: TypeAlias = tuple[Metric, Labels, int | Distribution]
"""What an event adds to a series: a count or an amount in Nanounits for a counter or gauge (0 only makes the series
exist), one observation in Nanounits for a histogram, or a whole distribution."""
