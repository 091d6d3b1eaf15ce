"""Pieces of PromQL that more than one rule is made of."""

from typing import Final, TypeAlias

from exporter.metrics.catalogue import ALERT_PUSHES, EVENT_SUBSCRIBED
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration

Labels: TypeAlias = tuple[str, ...]

PLATFORM: Final[Labels] = ("job", "platform")
ASSISTANT: Final[Labels] = (*PLATFORM, "assistant_id")
"""Rules keep job and platform: several exporters may be scraped, and inhibition compares labels."""


def num(value: float) -> str:
    """A number as a person would write it."""
    return f"{value:.10g}"


def percent(share: float) -> str:
    """A share, 0 to 1, in per cent."""
    return f"{num(share * 100)}%"


def record(level: Labels, metric: str, operation: str) -> str:
    """Name of a recorded series: level:metric:operations."""
    return f"{'_'.join(level)}:{metric}:{operation}"


def over(operation: str, window: float) -> str:
    """An operation with its window, such as increase5m."""
    return f"{operation}{format_duration(window)}"


def indent(text: str, spaces: int = 2) -> str:
    """The text moved to the right."""
    return "\n".join(" " * spaces + line if line else "" for line in text.splitlines())


def sum_by(labels: Labels, inner: str) -> str:
    """The sum by labels of an expression of several lines."""
    return f"sum by ({', '.join(labels)}) (\n{indent(inner)}\n)"


def growth(metric: Metric, window: float, selector: str = "") -> str:
    """How far each series of a counter rose in the window.

    A series born inside the window counts as a whole: increase() would take its first value for its start, and never
    see the first hang of a fresh exporter. One that merely comes back after a pause has an old created timestamp.
    """
    name, created = f"{metric.name}{selector}", f"{metric.family}_created{selector}"
    return f"  {name}\n    and ({created} > time() - {num(window)})\nor\n  increase({name}[{format_duration(window)}])"


def ratio(part: str, whole: str) -> str:
    """Part of whole; 0 where the part is missing, absent where the whole is missing or 0."""
    return f"(\n    {part}\n  or\n    0 * {whole}\n)\n/\n({whole} > 0)"


def quantile(q: float, histogram: Metric, labels: Labels, window: float) -> str:
    """A quantile of a histogram by labels."""
    by = ", ".join((*labels, "le"))
    return (
        f"histogram_quantile(\n"
        f"  {num(q)},\n"
        f"  sum by ({by}) (rate({histogram.name}_bucket[{format_duration(window)}]))\n"
        f")"
    )


def percentile(q: float) -> str:
    """Name of a quantile, such as p95."""
    return f"p{num(q * 100).replace('.', '_')}"


def mean(histogram: Metric, labels: Labels, window: float) -> str:
    """Mean of a histogram by labels."""
    by, span = ", ".join(labels), format_duration(window)
    return (
        f"sum by ({by}) (rate({histogram.name}_sum[{span}]))\n"
        f"/\n"
        f"(sum by ({by}) (rate({histogram.name}_count[{span}])) > 0)"
    )


def observations(histogram: Metric, labels: Labels, window: float, selector: str = "") -> str:
    """How many values a histogram took in the window, by labels."""
    return f"sum by ({', '.join(labels)}) (increase({histogram.name}_count{selector}[{format_duration(window)}]))"


def all_of(*conditions: str) -> str:
    """Conditions on the same labels that must hold together; the alert's value is that of the first."""
    return "\nand\n".join(conditions)


def lines(*parts: str) -> str:
    """Parts of an expression, one below the other."""
    return "\n".join(parts)


def unsubscribed(event: str) -> str:
    """Assistants whose own configuration sends no such event: what never comes is not the same as none."""
    selector = f'{EVENT_SUBSCRIBED.name}{{event="{event}"}}'
    return f"max by ({', '.join(ASSISTANT)}) ({selector}) == 0"


def not_pushed(of: str, window: float) -> str:
    """What of a counter's growth the exporter has not told of itself, call by call, to an Alertmanager.

    Where a push failed it tells of all of it: then nobody knows which calls were told of.
    """
    sent = growth(ALERT_PUSHES, window, '{outcome="sent"}')
    failed = growth(ALERT_PUSHES, window, '{outcome="failed"}')
    pushed = lines(_bracketed(sent) + " > 0", "unless on (job, instance)", _bracketed(failed) + " > 0")
    return lines(_bracketed(of), f"unless on (job, instance) {_bracketed(pushed)}")


def _bracketed(expression: str) -> str:
    return f"(\n{indent(expression)}\n)"
