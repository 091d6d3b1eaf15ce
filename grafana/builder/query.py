"""PromQL for panels: selectors that follow the dashboard's variables, and what is made of them."""

from typing import Final

from exporter.assets.promql import Labels, indent, sum_by
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from grafana.builder.places import Window, window

ASSISTANT: Final[Labels] = ("platform", "assistant_id")
RATE: Final = "$__rate_interval"
TREND: Final = window("response_time.window")
"""What percentiles and means look back on: few calls a minute make noise of less."""
LATELY: Final = Window("1d", "86400")
"""How long an exporter that is gone, and what it said last, is remembered."""

_NAMES: Final = "10m"
_NAMES_NOW: Final = "1h"
"""How long the names of assistants outlive the exporter; tables look back as far as the longest of the signals."""

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
    of a series for its start. A series that comes back after a pause has an old created timestamp. Rounded, because
    increase() extrapolates to the window's edges.
    """
    counted, created = select(metric, sample, **labels), select(metric, "_created", **labels)
    match = "and ignoring (le)" if sample == "_bucket" else "and"
    risen = f"increase({counted}[{window.range}])"
    if metric.scale == 1 or sample in {"_count", "_bucket"}:
        risen = f"round({risen})"
    return f"  {counted}\n    {match} ({created} > time() - {window.seconds})\nor\n  {risen}"


def total(metric: Metric, by: Labels, window: Window, sample: str = "", **labels: str) -> str:
    """The rise within a window, first events included, by labels."""
    return sum_by(by, growth(metric, window, sample, **labels))


def mean(metric: Metric, by: Labels, window: Window = TREND, **labels: str) -> str:
    """The mean of a histogram by labels; absent where nothing was observed."""
    amount, count = (increase(metric, by, window, sample, **labels) for sample in ("_sum", "_count"))
    return f"{amount}\n/\n({count} > 0)"


def quantile(q: str, metric: Metric, by: Labels, window: Window = TREND, **labels: str) -> str:
    """A quantile of a histogram by labels."""
    return f"histogram_quantile({q}, {increase(metric, (*by, 'le'), window, '_bucket', **labels)})"


def plateau(metric: Metric) -> str:
    """What it means when a percentile does not rise above the last bound of a histogram."""
    return f"A line that stays at {metric.bounds[-1]:g} s means that or more: no bound lies above."


def told_apart(metric: Metric, window: Window = TREND, **labels: str) -> str:
    """Where values fall into more than one bucket of a histogram.

    Where all are in one, its quantiles are arithmetic: so many hundredths of the way from one bound to the next.
    """
    below = increase(metric, ("le",), window, "_bucket", **labels)
    count = increase(metric, (), window, "_count", **labels)
    return f"count(\n  ({below} > 0)\n  < on () group_left ()\n  0.999 * {count}\n)"


def buckets(metric: Metric) -> str:
    """How many values fell into each bucket of a histogram between two points."""
    return f"sum by (le) (increase({select(metric, '_bucket')}[{RATE}]))"


def named(expr: str, *, outlive: bool = False) -> str:
    """The same with the names of assistants: one name each, however many exporters know it.

    Args:
        expr: by assistant.
        outlive: keep names for as long as tables show what an exporter that is gone had counted.
    """
    keys = ", ".join(ASSISTANT)
    info = select(m.ASSISTANT_INFO)
    lately = f"last_over_time({info}[{_NAMES_NOW if outlive else _NAMES}])"
    latest = f"topk by ({keys}) (\n  1,\n    2 * {info}\n  or\n    {lately}\n) ^ 0"
    return f"(\n{indent(expr)}\n)\n* on ({keys}) group_left (assistant_name)\n{latest}"
