"""Service level objectives: alerts on how fast their error budgets burn, in a long and a short window each.

They complement the documented thresholds: those look at each assistant, these at the whole of a platform over days.
"""

from dataclasses import dataclass

from exporter.assets.model import BurnRate, Thresholds
from exporter.assets.promql import (
    ASSISTANT,
    PLATFORM,
    all_of,
    growth,
    indent,
    lines,
    num,
    over,
    percent,
    record,
    sum_by,
)
from exporter.assets.rule import Alert, Dashboard, Group, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objective:
    """What is promised: the parts that the recordings and alerts of an objective are made of."""

    alert: str
    objective: float
    minimum: int
    metric: str
    share: str
    total: str
    bad: str
    total_expr: str
    bad_expr: str
    comment: str
    summary: str
    what: str
    dashboard: Dashboard


def slo(t: Thresholds) -> Group:
    """Rules about service level objectives."""
    objectives = (_calls_without_hang(t), _fast_responses(t))
    return Group(
        name="voice-slo",
        comment=(
            "Service level objectives, multi-window and multi-burn-rate (Google's SRE Workbook). They complement the"
            " documented thresholds; without this file, or with slo.enabled: false, the others work the same."
        ),
        rules=(
            *(rule for objective in objectives for rule in _recordings(objective, t)),
            *(_alert(objective, rate, t) for objective in objectives for rate in t.slo.burn_rates),
        ),
    )


def _calls_without_hang(t: Thresholds) -> _Objective:
    window, rule = t.slo.window, t.slo.calls_without_hang
    total = record(PLATFORM, "voice_calls_started", over("increase", window))
    watched = f'unless on (instance, {", ".join(ASSISTANT)})\n  voice_assistant_event_subscribed{{event="hang"}} == 0'
    return _Objective(
        alert="VoiceHangBudgetBurning",
        objective=rule.objective,
        minimum=rule.min_calls,
        metric="voice_hung_calls",
        share="ratio",
        total=total,
        bad=record(PLATFORM, "voice_hung_calls", over("increase", window)),
        total_expr=sum_by(PLATFORM, lines("(", indent(growth(m.CALLS_STARTED, window)), ")", watched)),
        bad_expr=lines(sum_by(PLATFORM, growth(m.HUNG_CALLS, window)), "or", f"0 * {total}"),
        comment=f"Calls without a hang: {percent(rule.objective)}. Calls whose hangs would not be told do not count.",
        summary="Hangs use up the error budget of calls too fast.",
        what="of the calls hung",
        dashboard="voice-hangs-errors",
    )


def _fast_responses(t: Thresholds) -> _Objective:
    window, rule = t.slo.window, t.slo.fast_responses
    by, span, within = ", ".join(PLATFORM), format_duration(window), format_duration(rule.within)
    total = record(PLATFORM, m.RESPONSE.name, over("count", window))
    return _Objective(
        alert="VoiceResponseBudgetBurning",
        objective=rule.objective,
        minimum=rule.min_turns,
        metric=m.RESPONSE.name,
        share="slow_ratio",
        total=total,
        bad=record(PLATFORM, m.RESPONSE.name, over("slow_count", window)),
        total_expr=f"sum by ({by}) (increase({m.RESPONSE.name}_count[{span}]))",
        bad_expr=lines(
            total,
            "-",
            f'sum by ({by}) (increase({m.RESPONSE.name}_bucket{{le="{float(rule.within)}"}}[{span}]))',
        ),
        comment=f"Replies within {within}: {percent(rule.objective)}.",
        summary="Slow replies use up the error budget of response times too fast.",
        what=f"of the replies took longer than {within}",
        dashboard="voice-latency",
    )


def _short(rate: BurnRate, t: Thresholds) -> float:
    return max(rate.short, t.slo.window)


def _share(objective: _Objective, window: float) -> str:
    return record(PLATFORM, objective.metric, over(objective.share, window))


def _recordings(objective: _Objective, t: Thresholds) -> tuple[Recording, ...]:
    windows = sorted({window for rate in t.slo.burn_rates for window in (_short(rate, t), rate.long)})
    shares = [
        Recording(record=_share(objective, window), expr=_averaged(objective, window, t.slo.window))
        for window in windows
    ]
    return (
        Recording(record=objective.total, expr=objective.total_expr, comment=objective.comment),
        Recording(record=objective.bad, expr=objective.bad_expr),
        *shares,
    )


def _averaged(objective: _Objective, window: float, base: float) -> str:
    """The share of bad events: of averages over the window, which cost less than a range of days of every series."""
    if window == base:
        bad, total = objective.bad, objective.total
    else:
        bad, total = (f"avg_over_time({each}[{format_duration(window)}])" for each in (objective.bad, objective.total))
    return f"{bad}\n/\n({total} > 0)"


def _alert(objective: _Objective, rate: BurnRate, t: Thresholds) -> Alert:
    short, limit = _short(rate, t), rate.factor * (1 - objective.objective)
    long, base = format_duration(rate.long), format_duration(t.slo.window)
    return Alert(
        name=objective.alert,
        expr=all_of(
            f"{_share(objective, rate.long)} > {num(limit)}",
            f"{_share(objective, short)} > {num(limit)}",
            f"sum_over_time({objective.total}[{long}:{base}]) >= {objective.minimum}",
        ),
        severity=rate.severity,
        labels={"window": long},
        summary=objective.summary,
        description=(
            f"{{{{ $value | humanizePercentage }}}} {objective.what} on {{{{ $labels.platform }}}} within {long}:"
            f" {num(rate.factor)} times the rate that the objective of {percent(objective.objective)} allows."
        ),
        dashboard=objective.dashboard,
    )
