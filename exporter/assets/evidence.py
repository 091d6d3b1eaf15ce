"""When a share of bad events is above its threshold, at any volume of traffic, and when it no longer is.

The documented share is judged over its documented window where that holds enough traffic to tell, else over the
shortest longer window that does, and for assistants that have too little traffic alone over all of them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import Final

from exporter.assets.model import Thresholds
from exporter.assets.promql import Level, indent, lines, num, over, percent, record, sum_by
from exporter.assets.rule import Recording
from exporter.assets.windows import Counted
from exporter.yamlfile.durations import format_duration

DAY: Final = 86400.0
_CLEARED: Final = -2
"""Standard deviations below which a window says that all is well: no bad event where the threshold allows one."""
_OVER: Final = -3
"""And that what was is over, in a window that is longer than alerts are kept: a shorter one must say so repeatedly."""
_STILL: Final = 1


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
        """The share; never above 1, also where a call that hung began before the window, nor rounded to below 0."""
        return f"clamp({self.bad.name(window)}{selector} / ({self.all.name(window)}{selector} > 0), 0, 1)"

    def without(
        self, level: Level, alerts: Sequence[str], severities: Sequence[str], *others: tuple[Level, str]
    ) -> "Share":
        """The share of everything by a coarser level, without what has such an alert of its own already.

        What an alert told of within a window is not told again while it is in it. The alert on the coarser level waits
        for longer than they do, so that they come first.

        Args:
            level: the coarser one.
            alerts: names of the alerts at the finer level.
            severities: of them, those that say enough.
            others: what else does not count, and the labels that tell it.
        """
        names, severity = _one_of(alerts), _one_of(severities)
        firing = f'ALERTS{{alertname{names}, alertstate="firing", severity{severity}, assistant_id!=""}}'

        def rest(counted: Counted) -> Counted:
            def expr(window: float) -> str:
                told = (counted.level, f"last_over_time({firing}[{format_duration(window)}])")
                unless = "".join(f"\nunless on ({own.by})\n  {what}" for own, what in (told, *others))
                return sum_by(level, f"{counted.name(window)}{unless}")

            operation = f"rest_{severities[0]}_{counted.operation}"
            return replace(counted, level=level, operation=operation, expr=expr, base=None)

        return Share(bad=rest(self.bad), all=rest(self.all), windows=self.windows)


def _one_of(values: Sequence[str]) -> str:
    return f'=~"{"|".join(values)}"' if len(values) > 1 else f'="{values[0]}"'


def windows(documented: float, t: Thresholds) -> tuple[float, ...]:
    """The documented window and the longer ones."""
    return (documented, *sorted(window for window in t.evidence.windows if window > documented))


def _word(share: float) -> str:
    """A share as it stands in the names of recorded series."""
    return percent(share).replace(".", "_").replace("%", "pct")


def deviations(window: float, false_alarms: float) -> float:
    """So many standard deviations above its threshold is more than chance makes of it so often a day.

    A short window is looked at more often than a long one, so chance has more tries there.
    """
    chance = false_alarms * window / DAY
    return max(0.0, NormalDist().inv_cdf(1 - chance)) if chance < 1 else 0.0


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that rests on a judgement.

    Attributes:
        alert: its name.
        severity: of the alert.
        scope: of the alert.
        page: name of the recorded condition of the page that a ticket is about the same as; empty where there is none.
    """

    alert: str
    severity: str
    scope: str = ""
    page: str = ""

    def now(self, severity: str = "") -> str:
        """The series of it, or of another severity, while it fires."""
        return (
            f'ALERTS{{alertname="{self.alert}", alertstate="firing", severity="{severity or self.severity}",'
            f' scope="{self.scope}"}}'
        )

    def unpaged(self, level: Level, window: float) -> tuple[str, ...]:
        """Leaves out a window in which the page fired, once its cause is over: what it was about is no ticket after it.

        While the cause lasts the page silences the ticket, and both end together.
        """
        if not self.page:
            return ()
        return (
            f"  unless on ({level.by}) (",
            f"    last_over_time({self.now('critical')}[{format_duration(window)}])",
            f"    unless on ({level.by}) {self.page}",
            "  )",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A share against a threshold.

    Attributes:
        share: what to judge; its value is the result's.
        threshold: 0 to 1.
        minimum: fewer events in a window say nothing.
        min_bad: nor do fewer bad events.
        component: judges that component alone.
    """

    share: Share
    threshold: float
    minimum: int
    min_bad: int
    component: str = ""

    def recordings(self, comment: str = "") -> tuple[Recording, ...]:
        """How far the share is above the threshold, in standard deviations, window by window.

        Of square roots, which vary alike whether there are few bad events or many: three of fifteen are by far less of
        a surprise than three hundred of fifteen hundred.
        """
        scale = 2 / sqrt(1 - self.threshold)
        return tuple(
            Recording(
                record=self._distance(window),
                expr=lines(
                    f"{scale:.4g} * (",
                    f"  sqrt(clamp_min({self._bad(window)}, 0))",
                    f"    - sqrt({num(self.threshold)} * ({self._all(window)} > 0))",
                    ")",
                ),
                comment="" if index else comment,
            )
            for index, window in enumerate(self.share.windows)
        )

    def exceeded(self, t: Thresholds, firing: Firing) -> str:
        """Where the share is above the threshold, in the shortest window that can tell, and until one tells otherwise.

        In a window, the bad events must be more than chance alone makes of the threshold; the longest window counts
        while the one before it has any. A shorter window that is clearly below the threshold has the last word. Once
        the alert fires, it lasts while any window is above the threshold, until one is clearly below it, and none
        shorter above it.

        Args:
            t: the thresholds.
            firing: the alert.
        """
        terms = [self._begins(index, t, firing) for index in range(len(self.share.windows))]
        return "\nor\n".join(f"(\n{indent(term)}\n)" for term in (*terms, self._lasts(t, firing)))

    def recorded(self, expr: str) -> Recording:
        """The condition of a page as a series of its own, which tells the ticket about the same whether it lasts."""
        above = f"{self.component}_above" if self.component else "above"
        operation = f"{self.share.bad.operation}_{above}_{_word(self.threshold)}"
        return Recording(record=record(self.share.all.level, self.share.bad.metric, operation), expr=expr)

    def _begins(self, index: int, t: Thresholds, firing: Firing) -> str:
        window, shorter = self.share.windows[index], self.share.windows[:index]
        # A window that holds little more than a shorter one has no more to say.
        more = [f"  and {self._all(window)} >= 2 * {self._all(shorter[-1])}"] if shorter else []
        longest = shorter and index == len(self.share.windows) - 1
        lately = [f"  and {self._bad(shorter[-1])} > 0"] if longest else []
        return lines(
            self._ratio(window),
            f"  and {self._distance(window)} > {deviations(window, self._false_alarms(index, t)):.2f}",
            f"  and {self._all(window)} >= {self.minimum}",
            f"  and {self._bad(window)} >= {self.min_bad}",
            *more,
            *lately,
            *(f"  unless {self._distance(before)} < {_CLEARED}" for before in shorter),
            *firing.unpaged(self.share.all.level, window),
        )

    def _lasts(self, t: Thresholds, firing: Firing) -> str:
        windows, level = self.share.windows, self.share.all.level
        above = (
            lines(f"{self._ratio(window)} > {num(self.threshold)}", *firing.unpaged(level, window))
            for window in windows
        )
        ends = []
        for index, window in enumerate(windows[:-1] or windows):
            still = (f"  unless {self._distance(shorter)} > {_STILL}" for shorter in windows[:index])
            over = _CLEARED if window < t.keep_rates_firing_for else _OVER
            ends.append(indent(lines("unless (", f"  {self._distance(window)} < {over}", *still, ")")))
        return lines("(", indent("\nor\n".join(above)), ")", f"  and on ({level.by})", f"  {firing.now()}", *ends)

    def _ratio(self, window: float) -> str:
        return self.share.ratio(window, self._selector)

    def _bad(self, window: float) -> str:
        return f"{self.share.bad.name(window)}{self._selector}"

    def _all(self, window: float) -> str:
        return f"{self.share.all.name(window)}{self._selector}"

    def _false_alarms(self, index: int, t: Thresholds) -> float:
        """Longer windows are ours: of many assistants each may raise an alert there, all together have one."""
        if not index:
            return t.evidence.false_alarms
        alone = "assistant_id" in self.share.all.level.own
        return t.evidence.false_alarms_longer if alone else t.evidence.false_alarms_together

    @property
    def _selector(self) -> str:
        return f'{{component="{self.component}"}}' if self.component else ""

    def _distance(self, window: float) -> str:
        share = self.share
        above = f"{self.component}_above_" if self.component else "above_"
        operation = f"{above}{_word(self.threshold)}_deviations"
        return record(share.all.level, share.bad.metric, over(f"{share.bad.operation}_{operation}", window))
