"""Service level objectives: alerts on how fast their error budgets burn, in a long and a short window each.

They complement the documented thresholds: those look at each assistant, these at the whole of a platform over days.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from exporter.assets import levels
from exporter.assets.counting import grown
from exporter.assets.evidence import Firing, Share
from exporter.assets.model import Thresholds
from exporter.assets.objectives import BurnRate
from exporter.assets.promql import above, indent, lines, num, observations, over, percent, record, unsubscribed
from exporter.assets.rule import Alert, Dashboard, Group, Incidents, Recording
from exporter.assets.windows import Counted
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

_PAGE: Final = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objective:
    """What is promised: the parts that the recordings and alerts of an objective are made of."""

    alert: str
    objective: float
    minimum: int
    share: Share
    name: str
    comment: str
    summary: str
    what: str
    dashboard: Dashboard
    incidents: Incidents = ""

    @property
    def budget(self) -> float:
        """The share of bad events that the objective allows."""
        return round(1 - self.objective, 9)

    def recorded(self, operation: str, window: float) -> str:
        """Name of a series recorded for the objective."""
        return record(self.share.all.level, self.share.bad.metric, over(operation, window))

    def ratio(self, window: float) -> str:
        """Name of the recorded share of bad events."""
        return self.recorded(self.name, window)


def slo(t: Thresholds) -> Group:
    """Rules about service level objectives."""
    objectives = (_calls_without_hang(t), _fast_responses(t))
    return Group(
        name="voice-slo",
        comment=(
            "Service level objectives, multi-window and multi-burn-rate (Google's SRE Workbook). They complement the"
            " documented thresholds. The other rules work without this file, too."
        ),
        rules=(
            *(rule for objective in objectives for rule in _recordings(objective, t)),
            *(_page(objective, t) for objective in objectives if _rates(_PAGE, t)),
            *(
                _alert(objective, severity, t)
                for objective in objectives
                for severity in dict.fromkeys(rate.severity for rate in t.slo.burn_rates)
            ),
        ),
    )


def _share(
    t: Thresholds,
    metrics: tuple[str, str],
    operations: tuple[str, str],
    bad: Callable[[float], str],
    every: Callable[[float], str],
) -> Share:
    level = levels.platform(t)
    pairs = ((_short(rate, t), rate.long) for rate in t.slo.burn_rates)
    windows = tuple(sorted({window for pair in pairs for window in pair} | {t.slo.window}))
    counted = (
        Counted(level=level, metric=metric, operation=operation, expr=expr, base=t.slo.window)
        for metric, operation, expr in zip(metrics, operations, (bad, every), strict=True)
    )
    return Share(bad=next(counted), all=next(counted), windows=windows)


def _calls_without_hang(t: Thresholds) -> _Objective:
    rule, by, own = t.slo.calls_without_hang, levels.platform(t), levels.assistant(t)

    def watched(window: float) -> str:
        calls = grown(m.CALLS_STARTED, own, window)
        return f"sum by ({by.by}) (\n{indent(calls)}\n  unless on ({own.by})\n  {unsubscribed('hang', own)}\n)"

    return _Objective(
        alert="VoiceHangBudgetBurning",
        objective=rule.objective,
        minimum=rule.min_calls,
        share=_share(
            t,
            ("voice_hung_calls", "voice_calls_started"),
            ("increase", "watched_increase"),
            lambda window: grown(m.HUNG_CALLS, by, window),
            watched,
        ),
        name="ratio",
        comment=(
            f"Calls without a hang: {percent(rule.objective)}."
            " Calls of assistants that do not send hang events do not count."
        ),
        summary="Hangs use up the error budget of calls too fast.",
        what="of the calls hung",
        dashboard="voice-hangs-errors",
        incidents="hang",
    )


def _fast_responses(t: Thresholds) -> _Objective:
    rule, by = t.slo.fast_responses, levels.platform(t)
    within = format_duration(rule.within)
    return _Objective(
        alert="VoiceResponseBudgetBurning",
        objective=rule.objective,
        minimum=rule.min_turns,
        share=_share(
            t,
            (m.RESPONSE.name, m.RESPONSE.name),
            ("slow_count", "count"),
            lambda window: above(m.RESPONSE, rule.within, by, window),
            lambda window: observations(m.RESPONSE, by, window),
        ),
        name="slow_ratio",
        comment=f"Replies within {within}: {percent(rule.objective)}.",
        summary="Slow replies use up the error budget of response times too fast.",
        what=f"of the replies took longer than {within}",
        dashboard="voice-latency",
    )


def _short(rate: BurnRate, t: Thresholds) -> float:
    return max(rate.short, t.slo.window)


def _recordings(objective: _Objective, t: Thresholds) -> tuple[Recording, ...]:
    share, period = objective.share, t.slo.period
    used = f"{share.bad.name(period)} / ({share.all.name(period)} > 0) / {num(objective.budget)}"
    return (
        *share.recordings(objective.comment),
        *(Recording(record=objective.ratio(window), expr=share.ratio(window)) for window in share.windows),
        *(
            Recording(
                record=objective.recorded("burn_rate", window),
                expr=f"{objective.ratio(window)} / {num(objective.budget)}",
                comment="" if index else "A burn rate of 1 uses up exactly the budget of the period.",
            )
            for index, window in enumerate(share.windows)
        ),
        *share.all.recordings((period,))[-1:],
        *share.bad.recordings((period,))[-1:],
        Recording(
            record=objective.recorded("budget_remaining_ratio", period),
            expr=f"1 - {used}",
            comment="Share of the error budget that is left; below 0 when it is overspent.",
        ),
    )


def _rates(severity: str, t: Thresholds) -> list[BurnRate]:
    return [rate for rate in t.slo.burn_rates if rate.severity == severity]


def _page(objective: _Objective, t: Thresholds) -> Recording:
    """The condition of the page, which tells the ticket about the same whether it lasts."""
    return Recording(
        record=f"{objective.share.all.level.name}:{objective.share.bad.metric}:{objective.name}_burns",
        expr=_any(_burns(objective, rate, t) for rate in _rates(_PAGE, t)),
    )


def _any(conditions: Iterable[str]) -> str:
    return "\nor\n".join(f"(\n{indent(condition)}\n)" for condition in conditions)


def _unpaged(objective: _Objective, rate: BurnRate, t: Thresholds) -> tuple[str, ...]:
    """A ticket's short window counts what came after a page."""
    if rate.severity == _PAGE or not _rates(_PAGE, t):
        return ()
    firing = Firing(objective.alert, rate.severity, page=_page(objective, t).record)
    return firing.unpaged(objective.share.all.level, _short(rate, t))


def _alert(objective: _Objective, severity: str, t: Thresholds) -> Alert:
    rates = _rates(severity, t)
    windows = " or ".join(format_duration(rate.long) for rate in rates)
    factors = " or ".join(num(rate.factor) for rate in rates)
    return Alert(
        name=objective.alert,
        expr=_page(objective, t).record if severity == _PAGE else _any(_burns(objective, rate, t) for rate in rates),
        severity=severity,
        keep=t.slo.keep_firing_for,
        summary=objective.summary,
        description=(
            f"{{{{ $value | humanizePercentage }}}} {objective.what} on {{{{ $labels.platform }}}} within {windows}:"
            f" more than {factors} times the rate that the objective of {percent(objective.objective)} allows."
        ),
        dashboard=objective.dashboard,
        incidents=objective.incidents,
    )


def _burns(objective: _Objective, rate: BurnRate, t: Thresholds) -> str:
    share, limit = objective.share, num(round(rate.factor * objective.budget, 9))
    step = min(share.windows)
    needed = round(t.slo.coverage * rate.long / step)
    data = f"count_over_time({share.all.name(step)}[{format_duration(rate.long)}:{format_duration(step)}])"
    return lines(
        f"{objective.ratio(rate.long)} > {limit}",
        f"and {objective.ratio(_short(rate, t))} > {limit}",
        f"and {share.all.name(rate.long)} >= {objective.minimum}",
        f"and {share.bad.name(rate.long)} >= {t.slo.min_bad}",
        f"and {data} >= {needed}",
        *_unpaged(objective, rate, t),
    )
