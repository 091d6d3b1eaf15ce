"""Rules about hangs: each of them, several of one assistant, and their share of the calls."""

from dataclasses import replace

from exporter.assets import levels
from exporter.assets.counting import grown, pushed
from exporter.assets.evidence import Firing, Judgement, Share, deviations, windows
from exporter.assets.model import Thresholds
from exporter.assets.promql import indent, lines, num, over, percent, record, unsubscribed
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.assets.windows import Counted
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

_RATE = "VoiceHangRateHigh"


def hangs(t: Thresholds) -> Group:
    """Rules about hangs."""
    return Group(
        name="voice-hangs",
        comment="Hangs: the assistant gave no reply for 5 seconds or more.",
        rules=(
            *_recordings(t),
            _hang(t),
            _repeated(t),
            _slow_repeated(t),
            _rate(t),
            *_rest(t).recordings(),
            *_judged(_rest(t), t).recordings(),
            _rest_rate(t),
        ),
    )


def _hangs(t: Thresholds) -> str:
    level = levels.assistant(t).plus("provider", "model")
    return record(level, "voice_hangs", over("increase", t.hang.window))


def _repeats(t: Thresholds) -> Counted:
    level = levels.assistant(t)
    return Counted(
        level=level, metric="voice_hangs", operation="increase", expr=lambda window: grown(m.HANGS, level, window)
    )


def _slow_replies(t: Thresholds) -> Counted:
    return replace(
        _repeats(t),
        metric="voice_slow_replies",
        expr=lambda window: grown(m.SLOW_REPLIES, levels.assistant(t), window),
    )


def _share(t: Thresholds) -> Share:
    level, base = levels.assistant(t), t.slo.window
    calls = Counted(
        level=level,
        metric="voice_calls_started",
        operation="increase",
        expr=lambda window: grown(m.CALLS_STARTED, level, window),
        base=base,
    )
    hung = replace(calls, metric="voice_hung_calls", expr=lambda window: grown(m.HUNG_CALLS, level, window))
    return Share(bad=hung, all=calls, windows=windows(t.hang_rate.window, t))


def _rest(t: Thresholds) -> Share:
    level = levels.assistant(t)
    return _share(t).without(levels.platform(t), (_RATE,), ("critical",), (level, unsubscribed("hang", level)))


def _judged(share: Share, t: Thresholds) -> Judgement:
    rate = t.hang_rate
    return Judgement(share=share, threshold=rate.critical, minimum=rate.min_calls, min_bad=rate.min_hung_calls)


def _recordings(t: Thresholds) -> tuple[Recording, ...]:
    share, level, repeats = _share(t), levels.assistant(t), t.hangs_repeated
    hangs_level = level.plus("provider", "model")
    calls = replace(share.all, base=None)
    return (
        Recording(
            record=_hangs(t),
            expr=grown(m.HANGS, hangs_level, t.hang.window, unless=pushed(t)),
            comment=(
                "The exact rise of each counter, by case: created in the window; above its last value before it,"
                " however many scrapes are missing; above the last value of an instance that is gone; created just"
                " before its first scrape; above its lowest value, after a long absence or a restored backup. Absent"
                " while the exporter pushes an alert for each hang."
            ),
        ),
        *_repeats(t).recordings((repeats.window,)),
        *_slow_replies(t).recordings((repeats.window,)),
        *calls.recordings((repeats.window,)),
        *share.recordings(),
        *_judged(share, t).recordings("By how many standard deviations the hung calls are above what is allowed."),
        Recording(
            record=record(level, "voice_hung_calls", over("ratio", t.hang_rate.window)),
            expr=lines(share.ratio(t.hang_rate.window), f"unless on ({level.by})", unsubscribed("hang", level)),
            comment="Absent for assistants that do not send hang events: their hangs are unknown, not 0.",
        ),
    )


def _hang(t: Thresholds) -> Alert:
    return Alert(
        name="VoiceAssistantHang",
        expr=f"{_hangs(t)} > 0",
        keep=t.keep_firing_for,
        severity="high",
        summary="A voice assistant hung.",
        description=(
            f"{WHO} gave no reply for 5 seconds or more. Hangs within {format_duration(t.hang.window)}:"
            ' {{ printf "%.0f" $value }}. LLM {{ $labels.provider }}, model {{ $labels.model }}.'
        ),
        dashboard="voice-hangs-errors",
        incidents="hang",
    )


def _repeated(t: Thresholds) -> Alert:
    window, count = t.hangs_repeated.window, t.hangs_repeated.count
    share = t.hang_rate.critical
    return Alert(
        name="VoiceAssistantHangsRepeated",
        expr=_again(_repeats(t), t),
        keep=t.keep_rates_firing_for,
        severity="high",
        summary="A voice assistant hangs repeatedly.",
        description=(
            f'{WHO} hung {{{{ printf "%.0f" $value }}}} times within {format_duration(window)}, the threshold is'
            f" {count}. That suggests a systematic issue."
        ),
        dashboard="voice-hangs-errors",
        incidents="hang",
        comment=f"Silent where a hang rate of {percent(share)} explains as many hangs by chance.",
    )


def _again(counted: Counted, t: Thresholds) -> str:
    """So many within the window that it is no chance."""
    window, count = t.hangs_repeated.window, t.hangs_repeated.count
    repeats, allowed = counted.name(window), f"{num(t.hang_rate.critical)} * {_share(t).all.name(window)}"
    return lines(
        f"{repeats} >= {count}",
        f"unless on ({levels.assistant(t).by})",
        f"  {repeats} < {allowed} + {deviations(window, t.evidence.false_alarms):.2f} * sqrt({allowed})",
    )


def _slow_repeated(t: Thresholds) -> Alert:
    window, count, level = t.hangs_repeated.window, t.hangs_repeated.count, levels.assistant(t)
    return Alert(
        name="VoiceSlowRepliesRepeated",
        expr=lines("(", indent(_again(_slow_replies(t), t)), ")", f"and on ({level.by})", unsubscribed("hang", level)),
        keep=t.keep_rates_firing_for,
        severity="high",
        summary="A voice assistant without hang events replies too late repeatedly.",
        description=(
            f'{WHO}: {{{{ printf "%.0f" $value }}}} replies that took 5 seconds or longer were reported within'
            f" {format_duration(window)}, the threshold is {count}. It sends no hang events."
        ),
        dashboard="voice-hangs-errors",
        comment="Stands in for hang alerts where no hang events come.",
    )


def _rate(t: Thresholds) -> Alert:
    rate, level = t.hang_rate, levels.assistant(t)
    return Alert(
        name=_RATE,
        expr=lines(
            "(",
            _judged(_share(t), t).exceeded(t, Firing(_RATE, "critical")),
            ")",
            f"unless on ({level.by})",
            unsubscribed("hang", level),
        ),
        wait=rate.for_,
        keep=t.keep_rates_firing_for,
        severity="critical",
        summary="Too many calls of a voice assistant hang.",
        description=(
            f"{WHO}: {{{{ $value | humanizePercentage }}}} of its calls hung within {format_duration(rate.window)}, or"
            f" within a longer window if there are few calls; the threshold is {percent(rate.critical)}."
        ),
        dashboard="voice-hangs-errors",
        incidents="hang",
    )


def _rest_rate(t: Thresholds) -> Alert:
    rate = t.hang_rate
    return replace(
        _rate(t),
        expr=_judged(_rest(t), t).exceeded(t, Firing(_RATE, "critical", "platform")),
        description=(
            "All further assistants on {{ $labels.platform }} together: {{ $value | humanizePercentage }} of their"
            f" calls hung within {format_duration(rate.window)}, or within a longer window if there are few calls; the"
            f" threshold is {percent(rate.critical)}."
        ),
        wait=t.slo.window,
        labels={"scope": "platform"},
        comment="All assistants together that have too few calls for an alert of their own.",
    )
