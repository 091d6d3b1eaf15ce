"""Rules about error spikes: a window against the windows of the day before it."""

from exporter.assets import levels
from exporter.assets.counting import grown
from exporter.assets.model import Thresholds
from exporter.assets.promql import lines, num, over, record
from exporter.assets.rule import Alert, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration


def _names(t: Thresholds) -> tuple[str, str, str]:
    rule, level = t.error_spike, levels.platform(t)
    operation = over("increase", rule.window)
    return (
        record(level, "voice_errors", operation),
        record(level, "voice_errors", over(f"{operation}_mean", rule.lookback)),
        record(level, "voice_errors", over(f"{operation}_deviation", rule.lookback)),
    )


def _past(t: Thresholds, before: int) -> str:
    """The windows before so many latest ones, side by side."""
    rule = t.error_spike
    window = format_duration(rule.window)
    offset = format_duration(before * rule.window)
    return f"{_names(t)[0]}[{format_duration(rule.lookback)}:{window}] offset {offset}"


def _latest(t: Thresholds, before: int = 0) -> str:
    """The errors of the latest whole window, or of one before it: a new value once a window."""
    window = format_duration(t.error_spike.window)
    offset = f" offset {format_duration(before * t.error_spike.window)}" if before else ""
    return f"last_over_time({_names(t)[0]}[{window}:{window}]{offset})"


def spike_recordings(t: Thresholds) -> tuple[Recording, ...]:
    """Errors of a window, and what is usual."""
    (count, mean, deviation), level = _names(t), levels.platform(t)
    past = _past(t, 2)
    return (
        Recording(
            record=count,
            expr=lines(
                grown(m.ERRORS, level, t.error_spike.window),
                "or",
                f"0 * count by ({level.by}) ({m.CALLS_STARTED.name})",
            ),
            comment="A window with calls and without errors counts as 0 in the mean.",
        ),
        Recording(
            record=mean,
            expr=f"avg_over_time({past})",
            comment=f"Of the windows of {format_duration(t.error_spike.lookback)} before the latest two.",
        ),
        Recording(
            record=deviation,
            expr=lines(f"stddev_over_time({past}) >= sqrt({mean})", "or", f"sqrt({mean})"),
            comment="At least that of random events, so that two errors on a quiet day are no spike.",
        ),
    )


def spike(t: Thresholds) -> Alert:
    """The alert on a spike."""
    rule, (_, mean, deviation) = t.error_spike, _names(t)
    windows = round(rule.min_history / rule.window)

    def limit(deviations: float) -> str:
        return f"{mean} + {num(deviations)} * {deviation}"

    return Alert(
        name="VoiceErrorSpike",
        expr=lines(
            "(",
            f"    {_latest(t)} > {limit(rule.deviations_at_once)}",
            "  or",
            f"    {_latest(t)} > {limit(rule.deviations)}",
            f"      and {_latest(t, 1)} > {limit(rule.deviations)}",
            ")",
            f"and {_latest(t)} >= {rule.min_errors}",
            f"and count_over_time({_past(t, 2)}) >= {windows}",
        ),
        severity="warning",
        keep=t.keep_rates_firing_for,
        summary="Errors are far more frequent than in the hours before.",
        description=(
            '{{ printf "%.0f" $value }} errors on {{ $labels.platform }} within '
            f"{format_duration(rule.window)}: above the mean and {num(rule.deviations)} standard deviations of the"
            f" {format_duration(rule.lookback)} before, for two windows, or {num(rule.deviations_at_once)} in one."
        ),
        dashboard="voice-hangs-errors",
        incidents="error",
        comment=(
            "Evaluated once per window, as documented: evaluated all the time, noise is above any mean now and then."
            f" There is no baseline before {format_duration(rule.min_history)} of history."
        ),
    )
