"""Rules about latency: what callers wait, and how long LLM providers take."""

from exporter.assets.model import Thresholds
from exporter.assets.promql import ASSISTANT, PLATFORM, all_of, num, observations, over, percentile, quantile, record
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

_PROVIDER = (*PLATFORM, "provider")


def latency(t: Thresholds) -> Group:
    """Rules about latency."""
    return Group(
        name="voice-latency",
        comment="Latency: what callers wait for a reply, and how long LLM providers take for theirs.",
        rules=(
            *_recordings(t),
            _response_time(t),
            _provider(t, "warning", t.provider_response_time.warning, 0.0),
            _provider(t, "critical", t.provider_response_time.critical, t.keep_firing_for),
        ),
    )


def _responses(t: Thresholds) -> tuple[str, str]:
    rule = t.response_time
    return (
        record(ASSISTANT, m.RESPONSE.name, over(f"{percentile(rule.quantile)}_", rule.window)),
        record(ASSISTANT, m.RESPONSE.name, over("count", rule.window)),
    )


def _replies(t: Thresholds) -> tuple[str, str]:
    rule = t.provider_response_time
    return (
        record(_PROVIDER, m.LLM_RESPONSE.name, over(f"{percentile(rule.quantile)}_", rule.window)),
        record(_PROVIDER, m.LLM_RESPONSE.name, over("count", rule.window)),
    )


def _recordings(t: Thresholds) -> tuple[Recording, ...]:
    waited, turns = _responses(t)
    took, replies = _replies(t)
    caller, provider = t.response_time, t.provider_response_time
    return (
        Recording(record=waited, expr=quantile(caller.quantile, m.RESPONSE, ASSISTANT, caller.window)),
        Recording(record=turns, expr=observations(m.RESPONSE, ASSISTANT, caller.window)),
        Recording(record=took, expr=quantile(provider.quantile, m.LLM_RESPONSE, _PROVIDER, provider.window)),
        Recording(record=replies, expr=observations(m.LLM_RESPONSE, _PROVIDER, provider.window)),
    )


def _response_time(t: Thresholds) -> Alert:
    waited, turns = _responses(t)
    rule = t.response_time
    return Alert(
        name="VoiceResponseTimeHigh",
        expr=all_of(f"{waited} > {num(rule.warning)}", f"{turns} >= {rule.min_turns}"),
        wait=rule.for_,
        severity="warning",
        summary="Callers wait too long for a voice assistant's reply.",
        description=(
            f"{WHO}: {percentile(rule.quantile)} of the response time is {{{{ $value | humanizeDuration }}}} over"
            f" {format_duration(rule.window)}, the threshold is {format_duration(rule.warning)}."
        ),
        dashboard="voice-latency",
    )


def _provider(t: Thresholds, severity: str, threshold: float, keep: float) -> Alert:
    took, replies = _replies(t)
    rule = t.provider_response_time
    return Alert(
        name="VoiceProviderResponseTimeHigh",
        expr=all_of(f"{took} > {num(threshold)}", f"{replies} >= {rule.min_replies}"),
        wait=rule.for_,
        keep=keep,
        severity=severity,
        summary="An LLM provider is slow.",
        description=(
            f"LLM provider {{{{ $labels.provider }}}} on {{{{ $labels.platform }}}}: {percentile(rule.quantile)} of its"
            f" latency is {{{{ $value | humanizeDuration }}}} over {format_duration(rule.window)}, the threshold is"
            f" {format_duration(threshold)}."
        ),
        dashboard="voice-latency",
    )
