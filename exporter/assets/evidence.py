"""When a share of bad events is above its threshold, at any volume of traffic.

The documented share is judged over its documented window where that holds enough traffic to tell, else over the
shortest longer window that does, and for assistants that have too little traffic alone over all of them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from exporter.assets.model import Thresholds
from exporter.assets.promql import Level, indent, lines, num, sum_by
from exporter.assets.rule import Recording
from exporter.assets.windows import Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Bad events, and all of them, over the same windows.

    Attributes:
        bad: what should not be; recorded as 0 where there was none.
        all: what bad is a part of.
        windows: in seconds, the documented one first, then longer ones.
    """

    bad: Counted
    all: Counted
    windows: tuple[float, ...]

    def recordings(self, comment: str = "") -> tuple[Recording, ...]:
        """The recorded series that the alert rests on."""
        return (*self.all.recordings(self.windows, comment), *self.bad_recordings())

    def bad_recordings(self) -> tuple[Recording, ...]:
        """Those of the bad events alone, where all events are recorded already."""

        def bad(window: float) -> str:
            return lines(self.bad.expr(window), "or", f"0 * {self.all.name(window)}")

        return replace(self.bad, expr=bad).recordings(self.windows)

    def ratio(self, window: float, selector: str = "") -> str:
        """The share; never above 1, also where a call that hung began before the window."""
        return f"clamp_max({self.bad.name(window)}{selector} / ({self.all.name(window)} > 0), 1)"

    def without(self, level: Level, alerts: Sequence[str], severity: str, *others: tuple[Level, str]) -> "Share":
        """The share of everything by a coarser level, without what has such an alert of its own already.

        The alert on it waits for longer than they do, so that they come first.

        Args:
            level: the coarser one.
            alerts: names of the alerts at the finer level.
            severity: their severity.
            others: what else does not count, and the labels that tell it.
        """
        names = f'=~"{"|".join(alerts)}"' if len(alerts) > 1 else f'="{alerts[0]}"'
        firing = f'ALERTS{{alertname{names}, alertstate="firing", severity="{severity}", assistant_id!=""}}'

        def rest(counted: Counted) -> Counted:
            left_out = ((counted.level, firing), *others)

            def expr(window: float) -> str:
                unless = "".join(f"\nunless on ({own.by})\n  {what}" for own, what in left_out)
                return sum_by(level, f"{counted.name(window)}{unless}")

            operation = f"rest_{severity}_{counted.operation}"
            return replace(counted, level=level, operation=operation, expr=expr, base=None)

        return Share(bad=rest(self.bad), all=rest(self.all), windows=self.windows)


def windows(documented: float, t: Thresholds) -> tuple[float, ...]:
    """The documented window and the longer ones."""
    return (documented, *sorted(window for window in t.evidence.windows if window > documented))


def exceeds(share: Share, threshold: float, t: Thresholds, least: tuple[int, int | None], selector: str = "") -> str:
    """Where the share is above the threshold, in the shortest window that can tell.

    In a window, the bad events must be more than the threshold allows by so many standard deviations, which is how far
    chance alone carries them; in the longest window, where more cannot be waited for, the plain share decides, while
    the window before it has any. A shorter window that is below the threshold by one deviation ends it.

    Args:
        share: what to judge; its value is the result's.
        threshold: 0 to 1.
        t: the thresholds.
        least: fewer events, and fewer bad events, than that in a window say nothing.
        selector: what of it to judge.
    """
    return "\nor\n".join(
        f"(\n{indent(_in_window(share, index, threshold, t, (*least, selector)))}\n)"
        for index in range(len(share.windows))
    )


def _in_window(share: Share, index: int, threshold: float, t: Thresholds, of: tuple[int, int | None, str]) -> str:
    window, shorter = share.windows[index], share.windows[:index]
    bad, every = share.bad.name(window), share.all.name(window)
    minimum, least_bad, selector = of
    conditions = [f"and {every} >= {minimum}", f"and {bad} >= {least_bad or t.evidence.min_events}"]
    if shorter and index == len(share.windows) - 1:
        conditions.append(f"and {share.bad.name(shorter[-1])} > 0")
    else:
        conditions.insert(0, f"and {bad} > {_allowed(every, threshold, t.evidence.deviations)}")
    for before in shorter:
        cleared = _allowed(share.all.name(before), threshold, -1)
        conditions.append(f"unless {share.bad.name(before)} < {cleared}")
    return lines(f"{share.ratio(window, selector)} > {num(threshold)}", *(f"  {each}" for each in conditions))


def _allowed(every: str, threshold: float, deviations: float) -> str:
    """How many bad events the threshold allows, and so many standard deviations more."""
    sign, spread = "+" if deviations >= 0 else "-", sqrt(threshold * (1 - threshold)) * abs(deviations)
    return f"{num(threshold)} * {every} {sign} {spread:.4g} * sqrt({every})"
