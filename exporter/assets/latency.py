"""Rules about latency: what callers wait, and how long LLM providers take."""

from dataclasses import replace

from exporter.assets import levels
from exporter.assets.evidence import Firing, Judgement, Share, windows
from exporter.assets.model import Thresholds
from exporter.assets.promql import Level, above, num, observations, over, percent, percentile, quantile, record
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.assets.windows import Counted
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration

_RESPONSE = "VoiceResponseTimeHigh"
_PROVIDER = "VoiceProviderResponseTimeHigh"


def latency(t: Thresholds) -> Group:
    """Rules about latency."""
    return Group(
        name="voice-latency",
        comment="Latency: how long callers wait for a reply, and how long LLM providers take.",
        rules=(
            *_recordings(t),
            _response_time(t),
            *_rest(t).recordings(),
            *_judged_responses(_rest(t), t).recordings(),
            _rest_response_time(t),
            _provider_page(t),
            _provider(t, "warning", t.provider_response_time.warning),
            _provider(t, "critical", t.provider_response_time.critical),
        ),
    )


def _slow(metric: Metric, bound: float, level: Level, documented: float, t: Thresholds) -> Share:
    """Replies above a bound, of all of them: a quantile is above it where more than the rest of the replies are."""
    every = Counted(
        level=level,
        metric=metric.name,
        operation="count",
        expr=lambda window: observations(metric, level, window),
        base=t.slo.window,
    )
    slow = Counted(
        level=level,
        metric=metric.name,
        operation=f"above_{num(bound).replace('.', '_')}s_count",
        expr=lambda window: above(metric, bound, level, window),
        base=t.slo.window,
    )
    wanted = windows(documented, t)
    if documented < t.slo.window:
        wanted = (documented, t.slo.window, *wanted[1:])
    return Share(bad=slow, all=every, windows=wanted)


def _responses(t: Thresholds) -> Share:
    rule = t.response_time
    return _slow(m.RESPONSE, rule.warning, levels.assistant(t), rule.window, t)


def _rest(t: Thresholds) -> Share:
    return _responses(t).without(levels.platform(t), (_RESPONSE,), ("warning",))


def _replies(t: Thresholds, threshold: float) -> Share:
    level = levels.platform(t).plus("provider")
    return _slow(m.LLM_RESPONSE, threshold, level, t.provider_response_time.window, t)


def _judged_responses(share: Share, t: Thresholds) -> Judgement:
    rule = t.response_time
    return Judgement(
        share=share, threshold=_above(rule.quantile), minimum=rule.min_turns, min_bad=t.evidence.min_events
    )


def _judged_replies(threshold: float, t: Thresholds) -> Judgement:
    rule = t.provider_response_time
    return Judgement(
        share=_replies(t, threshold),
        threshold=_above(rule.quantile),
        minimum=rule.min_replies,
        min_bad=t.evidence.min_events,
    )


def _recordings(t: Thresholds) -> tuple[Recording, ...]:
    caller, provider = t.response_time, t.provider_response_time
    own, of = levels.assistant(t), levels.platform(t).plus("provider")
    return (
        Recording(
            record=record(own, m.RESPONSE.name, over(f"{percentile(caller.quantile)}_", caller.window)),
            expr=quantile(caller.quantile, m.RESPONSE, own, caller.window),
        ),
        *_responses(t).recordings("Whether the quantile is above its threshold is a share: how many replies are."),
        *_judged_responses(_responses(t), t).recordings(),
        Recording(
            record=record(of, m.LLM_RESPONSE.name, over(f"{percentile(provider.quantile)}_", provider.window)),
            expr=quantile(provider.quantile, m.LLM_RESPONSE, of, provider.window),
        ),
        *_replies(t, provider.warning).recordings(),
        *_replies(t, provider.critical).bad_recordings(),
        *_judged_replies(provider.warning, t).recordings(),
        *_judged_replies(provider.critical, t).recordings(),
    )


def _slower(quantile_: float, threshold: float, window: float, what: str) -> str:
    return (
        f"took longer than {format_duration(threshold)} within {format_duration(window)}, or within a longer"
        f" window if there are few {what}; {percentile(quantile_)} is above that where more than"
        f" {percent(_above(quantile_))} do."
    )


def _response_time(t: Thresholds) -> Alert:
    rule = t.response_time
    return Alert(
        name=_RESPONSE,
        expr=_judged_responses(_responses(t), t).exceeded(t, Firing(_RESPONSE, "warning")),
        wait=rule.for_,
        keep=t.keep_rates_firing_for,
        severity="warning",
        summary="Callers wait too long for a voice assistant's reply.",
        description=(
            f"{WHO}: {{{{ $value | humanizePercentage }}}} of its replies"
            f" {_slower(rule.quantile, rule.warning, rule.window, 'turns')}"
        ),
        dashboard="voice-latency",
    )


def _rest_response_time(t: Thresholds) -> Alert:
    rule = t.response_time
    return replace(
        _response_time(t),
        expr=_judged_responses(_rest(t), t).exceeded(t, Firing(_RESPONSE, "warning", "platform")),
        description=(
            "All further assistants on {{ $labels.platform }} together: {{ $value | humanizePercentage }} of their"
            f" replies {_slower(rule.quantile, rule.warning, rule.window, 'turns')}"
        ),
        wait=t.slo.window,
        labels={"scope": "platform"},
        comment="All assistants together that have too few turns for an alert of their own.",
    )


def _above(q: float) -> float:
    """The share of the values that may be above their quantile."""
    return round(1 - q, 9)


def _provider_page(t: Thresholds) -> Recording:
    judged = _judged_replies(t.provider_response_time.critical, t)
    return judged.recorded(judged.exceeded(t, Firing(_PROVIDER, "critical")))


def _provider(t: Thresholds, severity: str, threshold: float) -> Alert:
    rule, page = t.provider_response_time, _provider_page(t).record
    ticket = _judged_replies(threshold, t).exceeded(t, Firing(_PROVIDER, "warning", page=page))
    return Alert(
        name=_PROVIDER,
        expr=page if severity == "critical" else ticket,
        wait=rule.for_,
        keep=t.keep_rates_firing_for,
        severity=severity,
        summary="An LLM provider is slow.",
        description=(
            "LLM provider {{ $labels.provider }} on {{ $labels.platform }}: {{ $value | humanizePercentage }} of its"
            f" replies {_slower(rule.quantile, threshold, rule.window, 'replies')}"
        ),
        dashboard="voice-latency",
    )
