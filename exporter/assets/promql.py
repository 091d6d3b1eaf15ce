"""Pieces of PromQL that more than one rule is made of."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from exporter.metrics.catalogue import EVENT_SUBSCRIBED
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration

Labels: TypeAlias = tuple[str, ...]

PLATFORM: Final[Labels] = ("job", "platform")
ASSISTANT: Final[Labels] = (*PLATFORM, "assistant_id")
"""Rules keep job and platform: several exporters may be scraped, and inhibition compares labels."""


@dataclass(frozen=True, slots=True)
class Level:
    """The labels that a query's result has.

    Attributes:
        own: what the result is about; a recorded series is named by them.
        keep: labels of the scrape that set environments apart (`labels.keep` of the thresholds); they are in every
            `by` and `on`, and a label that no series has changes nothing there.
    """

    own: Labels
    keep: Labels = ()

    @property
    def by(self) -> str:
        """The labels as they stand in a `by` or an `on`."""
        return ", ".join((*self.keep, *self.own))

    @property
    def name(self) -> str:
        """First part of a recorded series' name."""
        return "_".join(self.own)

    def plus(self, *labels: str) -> "Level":
        """The level with further labels."""
        return Level((*self.own, *labels), self.keep)


def num(value: float) -> str:
    """A number as a person would write it."""
    return f"{value:.10g}"


def percent(share: float) -> str:
    """A share, 0 to 1, in per cent."""
    return f"{num(share * 100)}%"


def record(level: Level, metric: str, operation: str) -> str:
    """Name of a recorded series: level:metric:operations."""
    return f"{level.name}:{metric}:{operation}"


def over(operation: str, window: float) -> str:
    """An operation with its window, such as increase5m."""
    return f"{operation}{format_duration(window)}"


def indent(text: str, spaces: int = 2) -> str:
    """The text moved to the right."""
    return "\n".join(" " * spaces + line if line else "" for line in text.splitlines())


def sum_by(level: Level | Labels, inner: str) -> str:
    """The sum by labels of an expression of several lines."""
    by = level.by if isinstance(level, Level) else ", ".join(level)
    return f"sum by ({by}) (\n{indent(inner)}\n)"


def ratio(part: str, whole: str) -> str:
    """Part of whole; 0 where the part is missing, absent where the whole is missing or 0."""
    return f"(\n    {part}\n  or\n    0 * {whole}\n)\n/\n({whole} > 0)"


def quantile(q: float, histogram: Metric, level: Level, window: float) -> str:
    """A quantile of a histogram by labels."""
    return (
        f"histogram_quantile(\n"
        f"  {num(q)},\n"
        f"  sum by ({level.plus('le').by}) (rate({histogram.name}_bucket[{format_duration(window)}]))\n"
        f")"
    )


def percentile(q: float) -> str:
    """Name of a quantile, such as p95."""
    return f"p{num(q * 100).replace('.', '_')}"


def total(histogram: Metric, level: Level, window: float) -> str:
    """Sum of the values that a histogram took in the window, by labels."""
    return f"sum by ({level.by}) (increase({histogram.name}_sum[{format_duration(window)}]))"


def observations(histogram: Metric, level: Level, window: float, selector: str = "") -> str:
    """How many values a histogram took in the window, by labels."""
    return f"sum by ({level.by}) (increase({histogram.name}_count{selector}[{format_duration(window)}]))"


def above(histogram: Metric, bound: float, level: Level, window: float) -> str:
    """How many of the values were above a bound of the histogram, by labels."""
    below = f'{histogram.name}_bucket{{le="{float(bound)}"}}'
    return (
        f"{observations(histogram, level, window)}\n"
        f"-\n"
        f"sum by ({level.by}) (increase({below}[{format_duration(window)}]))"
    )


def all_of(*conditions: str) -> str:
    """Conditions on the same labels that must hold together; the alert's value is that of the first."""
    return "\nand\n".join(conditions)


def lines(*parts: str) -> str:
    """Parts of an expression, one below the other."""
    return "\n".join(parts)


def unsubscribed(event: str, level: Level) -> str:
    """Assistants whose own configuration sends no such event: what never comes is not the same as none."""
    selector = f'{EVENT_SUBSCRIBED.name}{{event="{event}"}}'
    return f"max by ({level.by}) ({selector}) == 0"
