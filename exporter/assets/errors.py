"""Rules about errors: rates, errors that need somebody at once, and spikes."""

from exporter.assets.error_rates import error_rates, error_recordings
from exporter.assets.model import Thresholds
from exporter.assets.promql import ASSISTANT, PLATFORM, all_of, growth, lines, not_pushed, num, over, record, sum_by
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

_CRITICAL = '{severity="critical"}'
_SOURCE = (*ASSISTANT, "component", "provider")


def errors(t: Thresholds) -> Group:
    """Rules about errors."""
    return Group(
        name="voice-errors",
        comment="Errors of the services behind a call: LLM, speech-to-text, text-to-speech, transport, platform.",
        rules=(
            *error_recordings(t),
            *_spike_recordings(t),
            *error_rates(t),
            _critical(t),
            _escalated(t),
            _spike(t),
        ),
    )


def _critical(t: Thresholds) -> Alert:
    labels = (*_SOURCE, "error_code")
    errors = growth(m.ERRORS, t.critical_error.window, _CRITICAL)
    return Alert(
        name="VoiceCriticalError",
        expr=f"{sum_by(labels, not_pushed(errors, t.exporter.pushes.window))} > 0",
        keep=t.keep_firing_for,
        severity="critical",
        summary="A provider refuses to work: authentication, quota or availability.",
        description=(
            f"{WHO}: {{{{ $labels.error_code }}}} from {{{{ $labels.provider }}}} ({{{{ $labels.component }}}})."
            " Its calls fail until somebody acts."
        ),
        dashboard="voice-hangs-errors",
        comment="The exporter calls authentication_failed, quota_exceeded and service_unavailable critical.",
    )


def _escalated(t: Thresholds) -> Alert:
    labels = (*_SOURCE, "cause")
    return Alert(
        name="VoiceErrorEscalated",
        expr=f"{sum_by(labels, not_pushed(growth(m.ESCALATIONS, t.escalation.window), t.exporter.pushes.window))} > 0",
        keep=t.keep_firing_for,
        severity="high",
        summary="An error cannot be retried, or retries did not help.",
        description=(
            f"{WHO}: {{{{ $labels.component }}}} error of {{{{ $labels.provider }}}} escalated,"
            ' {{ if eq $labels.cause "not_retryable" }}it is not retryable{{ else }}retries are exhausted{{ end }}.'
        ),
        dashboard="voice-hangs-errors",
    )


def _spike_names(t: Thresholds) -> tuple[str, str]:
    rule = t.error_spike
    operation = over("increase", rule.window)
    return (
        record(PLATFORM, "voice_errors", operation),
        record(PLATFORM, "voice_errors", over(f"{operation}_upper", rule.lookback)),
    )


def _past(t: Thresholds) -> str:
    """The windows before the running one, side by side."""
    rule, (count, _) = t.error_spike, _spike_names(t)
    window = format_duration(rule.window)
    return f"{count}[{format_duration(rule.lookback)}:{window}] offset {window}"


def _spike_recordings(t: Thresholds) -> tuple[Recording, ...]:
    rule, (count, upper), past = t.error_spike, _spike_names(t), _past(t)
    return (
        Recording(
            record=count,
            expr=lines(
                sum_by(PLATFORM, growth(m.ERRORS, rule.window)),
                "or",
                f"0 * count by ({', '.join(PLATFORM)}) ({m.CALLS_STARTED.name})",
            ),
            comment="A window without errors is 0, and part of the mean, wherever there are calls.",
        ),
        Recording(
            record=upper,
            expr=lines(f"avg_over_time({past})", "+", f"{num(rule.deviations)} * stddev_over_time({past})"),
            comment=(
                f"Mean and {num(rule.deviations)} standard deviations of the windows before the running one, over"
                f" {format_duration(rule.lookback)}."
            ),
        ),
    )


def _spike(t: Thresholds) -> Alert:
    rule, (count, upper) = t.error_spike, _spike_names(t)
    windows = round(rule.min_history / rule.window)
    return Alert(
        name="VoiceErrorSpike",
        expr=all_of(
            f"{count} > {upper}",
            f"{count} >= {rule.min_errors}",
            f"count_over_time({_past(t)}) >= {windows}",
        ),
        severity="warning",
        summary="Errors are far more frequent than in the hours before.",
        description=(
            '{{ printf "%.0f" $value }} errors on {{ $labels.platform }} within '
            f"{format_duration(rule.window)}: above the mean and {num(rule.deviations)} standard deviations of the"
            f" {format_duration(rule.lookback)} before."
        ),
        dashboard="voice-hangs-errors",
        comment=f"There is no baseline before {format_duration(rule.min_history)} of history.",
    )
