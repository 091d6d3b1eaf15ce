"""Rules about hangs: each of them, several of one assistant, and their share of the calls."""

from exporter.assets.model import Thresholds
from exporter.assets.promql import (
    ASSISTANT,
    all_of,
    growth,
    lines,
    not_pushed,
    num,
    over,
    percent,
    ratio,
    record,
    sum_by,
    unsubscribed,
)
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

_FIRST = (
    "A series is born with its first event, so increase() never sees that one: what was created within the window"
    " counts as a whole. A series that only comes back after a pause was created long ago, and does not."
)


def hangs(t: Thresholds) -> Group:
    """Rules about hangs."""
    return Group(
        name="voice-hangs",
        comment="Hangs: the assistant gave no reply for 5 seconds or more.",
        rules=(*_recordings(t), _hang(t), _repeated(t), _rate(t)),
    )


def _names(t: Thresholds) -> tuple[str, str, str]:
    window = t.hang_rate.window
    return (
        record(ASSISTANT, "voice_calls_started", over("increase", window)),
        record(ASSISTANT, "voice_hung_calls", over("increase", window)),
        record(ASSISTANT, "voice_hung_calls", over("ratio", window)),
    )


def _recordings(t: Thresholds) -> tuple[Recording, ...]:
    calls, hung, share = _names(t)
    window = t.hang_rate.window
    return (
        Recording(record=calls, expr=sum_by(ASSISTANT, growth(m.CALLS_STARTED, window)), comment=_FIRST),
        Recording(record=hung, expr=sum_by(ASSISTANT, growth(m.HUNG_CALLS, window))),
        Recording(
            record=share,
            expr=lines(ratio(hung, calls), f"unless on ({', '.join(ASSISTANT)})", unsubscribed("hang")),
            comment="Absent where no hang event would come: that is not the same as no hang.",
        ),
    )


def _hang(t: Thresholds) -> Alert:
    window = t.hang.window
    hangs = not_pushed(growth(m.HANGS, window), t.exporter.pushes.window)
    return Alert(
        name="VoiceAssistantHang",
        expr=f"{sum_by((*ASSISTANT, 'provider', 'model'), hangs)} > 0",
        keep=t.keep_firing_for,
        severity="high",
        summary="A voice assistant hung.",
        description=(
            f"{WHO} gave no reply for 5 seconds or more. Hangs within {format_duration(window)}:"
            ' {{ printf "%.0f" $value }}. LLM {{ $labels.provider }}, model {{ $labels.model }}.'
        ),
        dashboard="voice-hangs-errors",
        comment="Not where the exporter pushes an alert for each of them; it is the net under those.",
    )


def _repeated(t: Thresholds) -> Alert:
    window, count = t.hangs_repeated.window, t.hangs_repeated.count
    return Alert(
        name="VoiceAssistantHangsRepeated",
        expr=f"{sum_by(ASSISTANT, growth(m.HANGS, window))} >= {count}",
        keep=t.keep_firing_for,
        severity="high",
        summary="A voice assistant hangs again and again.",
        description=(
            f'{WHO} hung {{{{ printf "%.0f" $value }}}} times within {format_duration(window)}, the threshold is'
            f" {count}. That suggests a systematic issue."
        ),
        dashboard="voice-hangs-errors",
        comment="How many are too many depends on how many calls an assistant has.",
    )


def _rate(t: Thresholds) -> Alert:
    calls, hung, share = _names(t)
    rate = t.hang_rate
    return Alert(
        name="VoiceHangRateHigh",
        expr=all_of(
            f"{share} > {num(rate.critical)}", f"{calls} >= {rate.min_calls}", f"{hung} >= {rate.min_hung_calls}"
        ),
        wait=rate.for_,
        keep=t.keep_firing_for,
        severity="critical",
        summary="Too many calls of a voice assistant hang.",
        description=(
            f"{WHO}: {{{{ $value | humanizePercentage }}}} of its calls hung within {format_duration(rate.window)},"
            f" the threshold is {percent(rate.critical)}."
        ),
        dashboard="voice-hangs-errors",
    )
