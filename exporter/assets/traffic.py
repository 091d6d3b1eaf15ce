"""Rules about silence: events that should come and do not."""

from exporter.assets import levels
from exporter.assets.counting import grown, latched
from exporter.assets.model import Thresholds
from exporter.assets.promql import Level, lines, num, record
from exporter.assets.rule import Alert, Recording
from exporter.assets.windows import Counted
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

_START = "process_start_time_seconds"
_WEEK, _DAY = "1w", "1d"


def traffic_recordings(t: Thresholds) -> tuple[Recording, ...]:
    """How long a platform has been silent, what was usual at this time, and whether it is too long."""
    by_source, by_platform = levels.source(t), levels.platform(t)
    rule = t.exporter.traffic_missing
    calls = _calls(t)
    return (
        Recording(record=_active(t), expr=f"sum by ({by_source.by}) ({m.CALLS_ACTIVE.name})"),
        Recording(
            record=_silence(by_source),
            expr=lines(
                f"time() - max by ({by_source.by}) ({m.LAST_EVENT.name})",
                "or",
                f"0 * {_active(t)}",
                f"+ on ({levels.instance(t).by}) group_left () (time() - max by ({levels.instance(t).by}) ({_START}))",
            ),
            comment="Without an event since the exporter started, the time since its start.",
        ),
        Recording(record=_silence(by_platform), expr=f"min by ({by_platform.by}) ({_silence(by_source)})"),
        *calls.recordings(rule.windows),
        Recording(
            record=_unheard(t),
            expr=_until_an_event(
                _unheard(t),
                lines(
                    f"{_silence(by_source)} > {num(t.exporter.no_events.after)}",
                    f"and {_active(t)} >= {t.exporter.no_events.min_calls}",
                ),
                by_source,
                t.exporter.no_events.after,
            ),
            comment="Calls are active and send no events. Lasts until an event comes, not until the calls expire.",
        ),
        *(
            Recording(
                record=_missing(level),
                expr=_until_an_event(_missing(level), _beyond_usual(level, calls, t), level, min(rule.windows)),
                comment="No event at a time that had calls last week, or else yesterday. Lasts until an event comes.",
            )
            for level in (by_source, by_platform)
        ),
    )


def _active(t: Thresholds) -> str:
    return record(levels.source(t), "voice_calls_active", "sum")


def _silence(level: Level) -> str:
    return record(level, "voice_exporter_last_event", "age_seconds")


def _unheard(t: Thresholds) -> str:
    return record(levels.source(t), "voice_calls_active", "unheard")


def _missing(level: Level) -> str:
    return record(level, "voice_calls_started", "missing")


def _calls(t: Thresholds) -> Counted:
    level = levels.source(t)
    return Counted(
        level=level,
        metric="voice_calls_started",
        operation="increase",
        expr=lambda window: grown(m.CALLS_STARTED, level, window),
        base=t.slo.window,
    )


def _until_an_event(name: str, begins: str, level: Level, within: float) -> str:
    silence = _silence(level)
    return latched(name, begins, f"and {silence} <= {num(within)}", f"> 0 and {silence}")


def _beyond_usual(level: Level, calls: Counted, t: Thresholds) -> str:
    rule, silence = t.exporter.traffic_missing, _silence(level)

    def usual(window: float) -> str:
        week, day = (f"sum by ({level.by}) ({calls.name(window)} offset {offset})" for offset in (_WEEK, _DAY))
        return lines("  and (", f"    {week}", "      or", f"    {day}", f"  ) >= {rule.min_calls}")

    return "\nor\n".join(lines(f"{silence} > {num(window)}", usual(window)) for window in sorted(rule.windows))


def no_events(t: Thresholds) -> Alert:
    """The alert on calls that are active and not heard of."""
    rule = t.exporter.no_events
    return Alert(
        name="VoiceExporterNoEvents",
        expr=f"{_silence(levels.source(t))} and {_unheard(t)} > 0",
        wait=rule.for_,
        severity="warning",
        summary="Calls are active, but no events arrive.",
        description=(
            "No event of {{ $labels.platform }} for {{ $value | humanizeDuration }} at {{ $labels.instance }}, although"
            " calls were active. Either its events do not reach the exporter, or the ends of these calls were lost."
        ),
        dashboard="voice-exporter",
        comment=f"With fewer than {rule.min_calls} active calls it is silent: only their ends may have been lost.",
    )


def traffic_missing(t: Thresholds) -> Alert:
    """The alert on a platform that is silent at a time that usually has calls."""
    by_source, by_platform = levels.source(t), levels.platform(t)
    return Alert(
        name="VoiceTrafficMissing",
        expr=lines(
            f"{_silence(by_platform)} and {_missing(by_platform)} > 0",
            f"or on ({by_platform.by})",
            f"{_silence(by_source)} and {_missing(by_source)} > 0",
        ),
        severity="high",
        summary="No events arrive at a time that usually has calls.",
        description=(
            "No event of {{ $labels.platform }} for {{ $value | humanizeDuration }}"
            "{{ if $labels.instance }} at {{ $labels.instance }}{{ end }}, where the same time of last week, or of"
            " yesterday, had calls. Proxy, certificate, URL or secret of the webhook may be broken."
        ),
        dashboard="voice-exporter",
        comment=(
            "By exporter, so that a working one does not hide another, and by job, in case instances were renamed."
            f" Silence lasts {format_duration(min(t.exporter.traffic_missing.windows))} at least."
        ),
    )
