"""How far counters rose: exactly, through lost scrapes, restarts, new pod names and backups that are put back."""

from typing import Final

from exporter.assets.levels import instance
from exporter.assets.model import Thresholds
from exporter.assets.promql import Level, indent, num, sum_by
from exporter.metrics.catalogue import ALERT_PUSHES
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration

MEMORY: Final = 3600.0
"""Seconds for which a value before a gap is remembered: what was counted in the gap still counts afterwards."""

BIRTH: Final = 60.0
"""Seconds that may pass between the creation of a series and its first scrape."""


def grown(metric: Metric, level: Level, window: float, selector: str = "", unless: str = "") -> str:
    """How far a counter rose in the window, by the labels of the level.

    The difference of two values, not increase(): it sees the first event of a series, is a whole number under every
    version of Prometheus, and does not take a backup that was put back for a reset. One after the other:

    - a series created in the window counts as a whole: its first value has no 0 before it;
    - else what is above the last value before the window, however many scrapes are missing in between;
    - else, under a new instance, what is above the last value of an instance that is gone;
    - else a series created just before the window that was not scraped before it counts as a whole;
    - else what is above its lowest value in the window: one that comes back from a long absence or from a backup.

    Args:
        metric: the counter.
        level: labels of the result.
        window: seconds.
        selector: which of its series.
        unless: what of it does not count, with its matching.
    """
    name, created = f"{metric.name}{selector}", f"{metric.family}_created{selector}"
    span, memory = format_duration(window), format_duration(MEMORY)
    same = Level(("job", *metric.labels), level.keep).by
    inner = (
        f"  {name}\n"
        f"    and ({created} > time() - {num(window)})\n"
        f"or\n"
        f"  {name}\n"
        f"    - (last_over_time({name}[{memory}] offset {span}) <= {name})\n"
        f"or\n"
        f"  {name}\n"
        f"    - on ({same}) group_left ()\n"
        f"  max by ({same}) (\n"
        f"    last_over_time({name}[{memory}]) unless {name}\n"
        f"  ) >= 0\n"
        f"or\n"
        f"  {name}\n"
        f"    and ({created} > time() - {num(window + BIRTH)})\n"
        f"or\n"
        f"  {name} - min_over_time({name}[{span}])"
    )
    return sum_by(level, f"(\n{indent(inner)}\n)\n{unless}" if unless else inner)


def pushed(t: Thresholds) -> str:
    """What the exporter tells of itself, call by call, to an Alertmanager does not count; where a push failed all does.

    Then nobody knows which calls were told of.
    """
    level, window = instance(t), t.exporter.pushes.window
    sent, failed = (grown(ALERT_PUSHES, level, window, f'{{outcome="{outcome}"}}') for outcome in ("sent", "failed"))
    return f"unless on ({level.by}) (\n{indent(sent)} > 0\n  unless on ({level.by})\n{indent(failed)} > 0\n)"


def latched(name: str, begins: str, ends: str, while_: str, marks: str = "1") -> str:
    """A state that outlasts its cause: the expression of a recorded series that is above 0 while it lasts.

    Args:
        name: of the recorded series; its last hour is its memory, so that Prometheus may restart.
        begins: where it has a result, the state begins or goes on.
        ends: `and` with its matching, and what has a result where the state is over.
        while_: a condition on the remembered value without which it is forgotten.
        marks: the value, such as time().
    """
    last = f"last_over_time({name}[{format_duration(MEMORY)}])"
    return f"0 * (\n{indent(begins)}\n) + {marks}\nor\n0 * ({last} > 0)\n{ends}\nor\n{last} {while_}"
