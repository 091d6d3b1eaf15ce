"""PromQL for panels: selectors that follow the dashboard's variables, and what is made of them."""

from typing import Final

from exporter.assets.promql import Labels, indent, sum_by
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from grafana.builder.places import Window

ASSISTANT: Final[Labels] = ("platform", "assistant_id")
RATE: Final = "$__rate_interval"

_VARIABLES: Final = {
    "job": "$job",
    "instance": "$instance",
    "platform": "$platform",
    "assistant_id": "$assistant",
    "provider": "$provider",
}


def select(metric: Metric, sample: str = "", **labels: str) -> str:
    """A selector of those series that the dashboard's variables choose.

    Args:
        metric: decides which variables apply: those whose label it has.
        sample: what follows the family's name: _bucket, _sum, _count or _created.
        labels: regular expressions for further labels.
    """
    own = {"job", "instance", *metric.labels}
    chosen = [(label, variable) for label, variable in _VARIABLES.items() if label in own]
    name = f"{metric.family}{sample}" if sample else metric.name
    inner = ", ".join(f'{label}=~"{value}"' for label, value in [*chosen, *labels.items()])
    return f"{name}{{{inner}}}"


def rate(metric: Metric, by: Labels, sample: str = "", **labels: str) -> str:
    """Rise per second of a counter or of a histogram's sum, count or buckets, by labels."""
    return f"sum by ({', '.join(by)}) (rate({select(metric, sample, **labels)}[{RATE}]))"


def increase(metric: Metric, by: Labels, window: Window, sample: str = "", **labels: str) -> str:
    """The rise within a window, by labels."""
    return f"sum by ({', '.join(by)}) (increase({select(metric, sample, **labels)}[{window.range}]))"


def growth(metric: Metric, window: Window, sample: str = "", **labels: str) -> str:
    """The rise of each series within a window, as the alert rules count it: one born inside it counts as a whole.

    Without that, the first hang and the first error of a kind would never be seen: increase() takes the first value
    of a series for its start. A series that comes back after a pause has an old created timestamp.
    """
    counted, created = select(metric, sample, **labels), select(metric, "_created", **labels)
    match = "and ignoring (le)" if sample == "_bucket" else "and"
    return (
        f"  {counted}\n    {match} ({created} > time() - {window.seconds})\nor\n  increase({counted}[{window.range}])"
    )


def total(metric: Metric, by: Labels, window: Window, sample: str = "", **labels: str) -> str:
    """The rise within a window, first events included, by labels."""
    return sum_by(by, growth(metric, window, sample, **labels))


def mean(metric: Metric, by: Labels, window: Window | None = None, **labels: str) -> str:
    """The mean of a histogram by labels; absent where nothing was observed. Without a window, between two points."""
    amount, count = (
        increase(metric, by, window, sample, **labels) if window else rate(metric, by, sample, **labels)
        for sample in ("_sum", "_count")
    )
    return f"{amount}\n/\n({count} > 0)"


def quantile(q: str, metric: Metric, by: Labels, window: Window | None = None, **labels: str) -> str:
    """A quantile of a histogram by labels. Without a window, between two points."""
    keys = (*by, "le")
    buckets = increase(metric, keys, window, "_bucket", **labels) if window else rate(metric, keys, "_bucket", **labels)
    return f"histogram_quantile({q}, {buckets})"


def buckets(metric: Metric) -> str:
    """How many values fell into each bucket of a histogram between two points."""
    return f"sum by (le) (increase({select(metric, '_bucket')}[{RATE}]))"


def named(expr: str) -> str:
    """The same with the names of assistants: one name each, however many exporters know it."""
    keys = ", ".join(ASSISTANT)
    info = select(m.ASSISTANT_INFO)
    return f"(\n{indent(expr)}\n)\n* on ({keys}) group_left (assistant_name)\ntopk by ({keys}) (1, {info})"
