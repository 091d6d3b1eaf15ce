"""Rules about the application behind the exporter: whether it answers, and how soon."""

from exporter.assets import levels
from exporter.assets.counting import grown
from exporter.assets.model import Thresholds
from exporter.assets.promql import (
    Level,
    all_of,
    lines,
    num,
    observations,
    over,
    percent,
    percentile,
    quantile,
    record,
)
from exporter.assets.rule import Alert, Group, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

NO_ANSWER = ("connect", "timeout", "cut", "malformed", "server_error")
"""Reasons for which a request had no answer that is worth anything."""
LOST = ("given_up", "queue_failed")
"""Reasons for which an acknowledged event was not delivered, or an event could not be acknowledged."""
COPIES = ("copy_failed",)
"""The reason for which a further target did not get its copy."""

_SUMMARY = "The application behind the exporter does not answer, or does not get its events."


def relay(t: Thresholds) -> Group:
    """Rules about the application behind the exporter."""
    failures, requests, latency = _records(t)
    failing, slow = t.relay.failing, t.relay.slow
    return Group(
        name="voice-relay",
        comment="The application behind the exporter, if a relay is configured: whether it answers, and how fast.",
        rules=(
            Recording(record=failures, expr=_errors(failing.window, levels.platform(t), NO_ANSWER)),
            Recording(record=requests, expr=observations(m.RELAY_SECONDS, levels.platform(t), failing.window)),
            Recording(record=latency, expr=quantile(slow.quantile, m.RELAY_SECONDS, levels.platform(t), slow.window)),
            _failing(t),
            _undelivered(t, "high", LOST),
            _undelivered(t, "warning", COPIES),
            _waiting(t),
            _slow(t),
        ),
    )


def _records(t: Thresholds) -> tuple[str, str, str]:
    failing, slow = t.relay.failing, t.relay.slow
    return (
        record(levels.platform(t), m.RELAY_ERRORS.family, over("increase", failing.window)),
        record(levels.platform(t), m.RELAY_SECONDS.name, over("count", failing.window)),
        record(levels.platform(t), m.RELAY_SECONDS.name, over(f"{percentile(slow.quantile)}_", slow.window)),
    )


def _errors(window: float, level: Level, reasons: tuple[str, ...]) -> str:
    matcher = "=" if len(reasons) == 1 else "=~"
    return grown(m.RELAY_ERRORS, level, window, f'{{reason{matcher}"{"|".join(reasons)}"}}')


def _failing(t: Thresholds) -> Alert:
    failures, requests, _ = _records(t)
    rule = t.relay.failing
    return Alert(
        name="VoiceRelayFailing",
        expr=all_of(
            f"{failures} >= {rule.min_failures}",
            lines(f"{failures} > {num(rule.critical)} * (", f"  {requests}", "or", f"  0 * {failures}", ")"),
        ),
        keep=t.keep_firing_for,
        severity="critical",
        summary=_SUMMARY,
        description=(
            '{{ printf "%.0f" $value }} requests of {{ $labels.platform }} had no answer of the application within'
            f" {format_duration(rule.window)}, more than {percent(rule.critical)} of all."
        ),
        dashboard="voice-exporter",
        comment="Not a ratio: of the first requests of each code, the number of all misses one.",
    )


def _undelivered(t: Thresholds, severity: str, reasons: tuple[str, ...]) -> Alert:
    window = t.relay.failing.window
    return Alert(
        name="VoiceRelayFailing",
        expr=f"{_errors(window, levels.platform(t).plus('reason'), reasons)} > 0",
        severity=severity,
        summary=_SUMMARY,
        description=(
            '{{ printf "%.0f" $value }} events of {{ $labels.platform }} within '
            f"{format_duration(window)} were not delivered, or not as configured: {{{{ $labels.reason }}}}."
        ),
        dashboard="voice-exporter",
    )


def _waiting(t: Thresholds) -> Alert:
    rule = t.relay.waiting
    return Alert(
        name="VoiceRelayEventsWaiting",
        expr=f"sum by ({levels.platform(t).by}) ({m.RELAY_WAITING.name}) >= {rule.count}",
        wait=rule.for_,
        severity="warning",
        summary="Acknowledged events are waiting: the application does not accept them.",
        description=(
            '{{ printf "%.0f" $value }} events of {{ $labels.platform }} were acknowledged and have waited for the'
            f" application for {format_duration(rule.for_)}."
        ),
        dashboard="voice-exporter",
    )


def _slow(t: Thresholds) -> Alert:
    latency = _records(t)[2]
    rule = t.relay.slow
    requests = observations(m.RELAY_SECONDS, levels.platform(t), rule.window)
    return Alert(
        name="VoiceRelaySlow",
        expr=all_of(f"{latency} > {num(rule.warning)}", f"{requests} >= {rule.min_requests}"),
        wait=rule.for_,
        severity="warning",
        summary="The application behind the exporter is slow: callers wait, and platforms give up.",
        description=(
            f"{percentile(rule.quantile)} of the application's answers to {{{{ $labels.platform }}}} is"
            f" {{{{ $value | humanizeDuration }}}} over {format_duration(rule.window)}, the threshold is"
            f" {format_duration(rule.warning)}."
        ),
        dashboard="voice-exporter",
    )
