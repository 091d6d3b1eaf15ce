"""Rules about errors: rates, errors that need somebody at once, and spikes."""

from exporter.assets import levels
from exporter.assets.counting import grown, latched, pushed
from exporter.assets.error_rates import MEASURED, error_rates, error_recordings, finest, served
from exporter.assets.model import Thresholds, Unresolved
from exporter.assets.promql import lines, num, over, record
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.assets.spikes import spike, spike_recordings
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration


def errors(t: Thresholds) -> Group:
    """Rules about errors."""
    return Group(
        name="voice-errors",
        comment="Errors of the services behind a call: LLM, speech-to-text, text-to-speech, transport, platform.",
        rules=(
            *error_recordings(t),
            *_successes(t),
            *_unresolved(m.ERRORS, "error_code", t.critical_error, t, '{severity="critical"}'),
            *_unresolved(m.ESCALATIONS, "cause", t.escalation, t),
            *spike_recordings(t),
            *error_rates(t),
            _critical(t),
            _escalated(t),
            spike(t),
        ),
    )


def _succeeded(t: Thresholds) -> tuple[str, str]:
    """Names of what shows that a service works again: its requests, else calls."""
    window = t.slo.window
    return (
        record(served(t), "voice_service_requests", over("success_count", window)),
        record(levels.assistant(t), "voice_calls_ended", over("ok_increase", window)),
    )


def _successes(t: Thresholds) -> tuple[Recording, ...]:
    requests, calls = _succeeded(t)
    fine, window = finest(t), t.slo.window
    return (
        Recording(
            record=requests,
            expr=f"{fine.all.name(window)} - {fine.bad.name(window)} > 0",
            comment="Shows that a service works again: requests that succeeded, or else calls that ended well.",
        ),
        Recording(record=calls, expr=f"{grown(m.CALLS_ENDED, levels.assistant(t), window, _OK)} > 0"),
    )


_OK = '{outcome="ok"}'


def _names(metric: Metric, label: str, rule: Unresolved, t: Thresholds) -> tuple[str, str]:
    level = served(t).plus(label)
    critical = "critical_" if metric is m.ERRORS else ""
    return (
        record(level, metric.family, over(f"{critical}increase", rule.window)),
        record(level, metric.family, over(f"{critical}unresolved", rule.forget_after)),
    )


def _unresolved(
    metric: Metric, label: str, rule: Unresolved, t: Thresholds, selector: str = ""
) -> tuple[Recording, ...]:
    count, unresolved = _names(metric, label, rule, t)
    requests, calls = _succeeded(t)
    ends = lines(
        "and (",
        f"    {unresolved}",
        f"      and on ({served(t).by}) {requests}",
        "  or",
        f"    {unresolved}{MEASURED.replace('=~', '!~')}",
        f"      and on ({levels.assistant(t).by}) {calls}",
        ")",
    )
    return (
        Recording(record=count, expr=grown(metric, served(t).plus(label), rule.window, selector, pushed(t))),
        Recording(
            record=unresolved,
            expr=latched(unresolved, f"{count} > 0", ends, f"> time() - {num(rule.forget_after)}", "time()"),
            comment=(
                "Time of the last error until a request of the same assistant, component and provider succeeds; then 0."
                f" Without any request it is forgotten after {format_duration(rule.forget_after)}."
            ),
        ),
    )


def _critical(t: Thresholds) -> Alert:
    return Alert(
        name="VoiceCriticalError",
        expr=f"{_names(m.ERRORS, 'error_code', t.critical_error, t)[1]} > 0",
        keep=t.keep_firing_for,
        severity="critical",
        summary="A provider rejects requests: authentication, quota or availability.",
        description=(
            f"{WHO}: {{{{ $labels.error_code }}}} from {{{{ $labels.provider }}}} ({{{{ $labels.component }}}})."
            " Its calls fail until somebody acts."
        ),
        dashboard="voice-hangs-errors",
        incidents="error",
        comment="The exporter calls authentication_failed, quota_exceeded and service_unavailable critical.",
    )


def _escalated(t: Thresholds) -> Alert:
    return Alert(
        name="VoiceErrorEscalated",
        expr=f"{_names(m.ESCALATIONS, 'cause', t.escalation, t)[1]} > 0",
        keep=t.keep_firing_for,
        severity="high",
        summary="An error cannot be retried, or retries did not help.",
        description=(
            f"{WHO}: {{{{ $labels.component }}}} error of {{{{ $labels.provider }}}} escalated,"
            ' {{ if eq $labels.cause "not_retryable" }}it is not retryable{{ else }}retries are exhausted{{ end }}.'
        ),
        dashboard="voice-hangs-errors",
        incidents="escalation",
    )
