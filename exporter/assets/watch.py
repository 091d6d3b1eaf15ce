"""Rules about the exporter itself: whether it is there, whether events reach it, whether it can keep them."""

from exporter.assets import levels
from exporter.assets.counting import grown
from exporter.assets.evidence import Firing, Judgement, Share
from exporter.assets.histograms import histograms
from exporter.assets.model import Thresholds
from exporter.assets.presence import WATCHDOG, presence
from exporter.assets.promql import Level, above, indent, lines, num, observations, percent
from exporter.assets.rule import WHO, Alert, Group
from exporter.assets.traffic import no_events, traffic_missing, traffic_recordings
from exporter.assets.windows import Counted
from exporter.metrics import catalogue as m
from exporter.platforms import HANGS_UNKNOWN
from exporter.yamlfile.durations import format_duration

_LATE = "VoiceExporterEventsLate"

REFUSED = ("invalid", "too_large", "timeout", "limited")
"""Outcomes of requests that were refused because of the request, not because of the exporter."""


def exporter(t: Thresholds) -> Group:
    """Rules about the exporter itself."""
    return Group(
        name="voice-exporter",
        comment="The exporter itself: whether it runs, receives every event and can store it.",
        rules=(
            *traffic_recordings(t),
            *_late_share(t).recordings(),
            *_judged_late(t).recordings(),
            *presence(t),
            no_events(t),
            traffic_missing(t),
            _rejecting(t),
            _unauthorized(t),
            _unanswerable(t),
            _missed(t),
            _rejected_values(t),
            _expired(t),
            _late(t),
            _label_limit(t),
            _call_limit(t),
            _storage(t),
            _quarantined(t),
            _pushes(t),
            _reload(t),
            histograms(t),
            _not_subscribed(t),
            _watchdog(),
        ),
    )


def _webhooks(window: float, level: Level, *outcomes: str) -> str:
    matcher = "=" if len(outcomes) == 1 else "=~"
    return grown(m.WEBHOOKS, level, window, f'{{outcome{matcher}"{"|".join(outcomes)}"}}')


def _rejecting(t: Thresholds) -> Alert:
    rule = t.exporter.rejecting
    return Alert(
        name="VoiceExporterRejectingEvents",
        expr=f"{_webhooks(rule.window, levels.platform(t).plus('outcome'), *REFUSED)} >= {rule.count}",
        severity="warning",
        summary="The exporter refuses webhook requests.",
        description=(
            '{{ printf "%.0f" $value }} requests to the webhook of {{ $labels.platform }} were refused as'
            f" {{{{ $labels.outcome }}}} within {format_duration(rule.window)}."
            " If the platform sent them, their events are lost."
        ),
        dashboard="voice-exporter",
        comment="A webhook on the internet gets some requests from untrusted clients.",
    )


def _unauthorized(t: Thresholds) -> Alert:
    rule = t.exporter.unauthorized
    window, step = format_duration(rule.window), format_duration(rule.window / 6)
    lately = _webhooks(rule.window / 6, levels.platform(t), "unauthorized")
    return Alert(
        name="VoiceExporterRejectingEvents",
        expr=lines(
            f"{_webhooks(rule.window, levels.platform(t), 'unauthorized')} >= {rule.count}",
            f"and count_over_time((\n{indent(lately)} > 0\n)[{window}:{step}]) >= 3",
        ),
        severity="warning",
        labels={"outcome": "unauthorized"},
        summary="The exporter refuses webhook requests.",
        description=(
            '{{ printf "%.0f" $value }} requests to the webhook of {{ $labels.platform }} had no valid secret or'
            f" signature, throughout {window}. If the platform sent them, their events are lost."
        ),
        dashboard="voice-exporter",
        comment="A webhook on the internet is scanned now and then; scanners try a few times and leave.",
    )


def _unanswerable(t: Thresholds) -> Alert:
    rule = t.exporter.unanswerable
    return Alert(
        name="VoiceExporterUnanswerable",
        expr=f"{_webhooks(rule.window, levels.platform(t).plus('event'), 'unanswerable')} > 0",
        severity="high",
        summary="The platform sends requests that only an application can answer: calls break.",
        description=(
            '{{ printf "%.0f" $value }} {{ $labels.event }} messages of {{ $labels.platform }} within'
            f" {format_duration(rule.window)} needed an answer, and no relay is configured."
        ),
        dashboard="voice-exporter",
    )


def _missed(t: Thresholds) -> Alert:
    rule = t.exporter.missed
    return Alert(
        name="VoiceExporterMissedEvents",
        expr=f"{grown(m.MISSED_EVENTS, levels.platform(t).plus('event'), rule.window)} >= {rule.count}",
        severity="warning",
        summary="End-of-call reports list events that never arrived.",
        description=(
            '{{ printf "%.0f" $value }} {{ $labels.event }} events of {{ $labels.platform }} that reports show did not'
            f" arrive within {format_duration(rule.window)}: what they carry is missing from every number."
        ),
        dashboard="voice-exporter",
    )


def _rejected_values(t: Thresholds) -> Alert:
    rule, level = t.exporter.rejected_values, levels.platform(t)
    rejected = grown(m.REJECTED_VALUES, level.plus("field", "reason"), rule.window)
    return Alert(
        name="VoiceExporterValuesRejected",
        expr=lines(
            f"{rejected} >= {rule.count}",
            "unless",
            f"{rejected} < on ({level.by}) group_left ()",
            f"{num(rule.warning)} * {_webhooks(rule.window, level, 'counted')}",
        ),
        severity="warning",
        summary="Values of events are out of range and were left out.",
        description=(
            '{{ printf "%.0f" $value }} values of {{ $labels.field }} in events of {{ $labels.platform }} were left out'
            f" within {format_duration(rule.window)}: {{{{ $labels.reason }}}}."
        ),
        dashboard="voice-exporter",
    )


def _expired(t: Thresholds) -> Alert:
    rule, level = t.exporter.expired, levels.instance(t)
    expired = grown(m.CALLS_EXPIRED, level, rule.window)
    started = grown(m.CALLS_STARTED, level, rule.window)
    return Alert(
        name="VoiceExporterCallsExpired",
        expr=lines(f"{expired} > {num(rule.warning)} * {started}", f"and {expired} >= {t.evidence.min_events}"),
        severity="warning",
        keep=t.keep_rates_firing_for,
        summary="Calls expire: the events of their end never arrived.",
        description=(
            '{{ printf "%.0f" $value }} calls at {{ $labels.instance }} fell silent and expired within '
            f"{format_duration(rule.window)}, more than {percent(rule.warning)} of all: length, cost and outcome of"
            " such calls are missing."
        ),
        dashboard="voice-exporter",
    )


def _late_share(t: Thresholds) -> Share:
    rule, level = t.exporter.late, levels.platform(t)
    every = Counted(
        level=level,
        metric=m.EVENT_DELAY.name,
        operation="count",
        expr=lambda window: observations(m.EVENT_DELAY, level, window),
    )
    late = Counted(
        level=level,
        metric=m.EVENT_DELAY.name,
        operation="late_count",
        expr=lambda window: above(m.EVENT_DELAY, rule.after, level, window),
    )
    return Share(bad=late, all=every, windows=(rule.window,))


def _judged_late(t: Thresholds) -> Judgement:
    return Judgement(share=_late_share(t), threshold=t.exporter.late.warning, minimum=1, min_bad=t.evidence.min_events)


def _late(t: Thresholds) -> Alert:
    rule = t.exporter.late
    return Alert(
        name=_LATE,
        expr=_judged_late(t).exceeded(t, Firing(_LATE, "warning")),
        keep=t.keep_rates_firing_for,
        severity="warning",
        summary="Events arrive late, and so do alerts.",
        description=(
            "{{ $value | humanizePercentage }} of the events of {{ $labels.platform }} arrived more than"
            f" {format_duration(rule.after)} after what they tell, within {format_duration(rule.window)}."
        ),
        dashboard="voice-exporter",
        comment="A wrong clock has the same effect.",
    )


def _label_limit(t: Thresholds) -> Alert:
    rule = t.exporter.label_limit
    return Alert(
        name="VoiceExporterLabelLimitReached",
        expr=f"{grown(m.LABEL_OVERFLOWS, levels.job(t).plus('label'), rule.window)} > 0",
        severity="warning",
        summary="A label has reached its limit: new values are counted as other.",
        description=(
            '{{ printf "%.0f" $value }} times within '
            f"{format_duration(rule.window)} a new value of {{{{ $labels.label }}}} was counted as other."
        ),
        dashboard="voice-exporter",
    )


def _call_limit(t: Thresholds) -> Alert:
    rule = t.exporter.call_limit
    return Alert(
        name="VoiceExporterCallLimitReached",
        expr=f"{grown(m.CALLS_EVICTED, levels.instance(t), rule.window)} > 0",
        severity="warning",
        summary="More calls are remembered than may be: late duplicates of forgotten ones count again.",
        description=(
            '{{ $labels.instance }} forgot {{ printf "%.0f" $value }} calls before their time within '
            f"{format_duration(rule.window)}, because of calls.max_tracked."
        ),
        dashboard="voice-exporter",
    )


def _storage(t: Thresholds) -> Alert:
    rule = t.exporter.storage
    return Alert(
        name="VoiceExporterStorageFailing",
        expr=lines(
            f"{grown(m.STORAGE_ERRORS, levels.instance(t), rule.window)} > 0",
            "or",
            f"{_webhooks(rule.window, levels.instance(t), 'unavailable')} > 0",
        ),
        keep=t.keep_firing_for,
        severity="critical",
        summary="The exporter cannot store events: they are refused and lost.",
        description=(
            '{{ $labels.instance }} could not keep events {{ printf "%.0f" $value }} times within '
            f"{format_duration(rule.window)}."
        ),
        dashboard="voice-exporter",
        comment="Failed commits, and events refused because too many were waiting.",
    )


def _quarantined(t: Thresholds) -> Alert:
    level = levels.instance(t)
    return Alert(
        name="VoiceExporterDatabaseQuarantined",
        expr=f"max by ({level.by}) ({m.STORAGE_SET_ASIDE.name}) > 0",
        severity="high",
        summary="The exporter's database was damaged and quarantined: all counters began at 0.",
        description=(
            "{{ $labels.instance }} found its database damaged, quarantined it under a dated name and began a new one."
            " Calls in flight and everything counted before are not in it."
        ),
        dashboard="voice-exporter",
        comment="Counted since the exporter's start, so a restart ends the alert.",
    )


def _pushes(t: Thresholds) -> Alert:
    window = t.exporter.pushes.window
    failed = grown(m.ALERT_PUSHES, levels.instance(t), window, '{outcome="failed"}')
    return Alert(
        name="VoiceExporterAlertPushesFailing",
        expr=f"{failed} > 0",
        severity="warning",
        summary="The exporter cannot push alerts of single calls: only the rules alert on hangs and errors.",
        description=(
            '{{ $labels.instance }} could not push {{ printf "%.0f" $value }} alerts to an Alertmanager within'
            f" {format_duration(window)}."
        ),
        dashboard="voice-exporter",
    )


def _reload(t: Thresholds) -> Alert:
    return Alert(
        name="VoiceExporterReloadFailed",
        expr=f"{m.RELOAD_SUCCESSFUL.name} == 0",
        wait=t.exporter.reload.for_,
        severity="warning",
        summary="The exporter could not reload its configuration and keeps the previous one.",
        description="{{ $labels.instance }} runs with its previous configuration; a restart would fail.",
        dashboard="voice-exporter",
    )


def _not_subscribed(t: Thresholds) -> Alert:
    labels = levels.assistant(t).plus("event").by
    events = f'event=~"hang|error", platform!~"{"|".join(HANGS_UNKNOWN)}"'
    return Alert(
        name="VoiceExporterHangEventsNotSubscribed",
        expr=lines(f"max by ({labels}) (", f"  {m.EVENT_SUBSCRIBED.name}{{{events}}}", ") == 0"),
        wait=t.exporter.not_subscribed.for_,
        severity="info",
        summary="A voice assistant does not send hang or error events: none of its hangs or errors raise an alert.",
        description=f"{WHO} does not send {{{{ $labels.event }}}} events here; they are opt-in on the platform.",
        dashboard="voice-exporter",
        comment="Where a platform has no such event, there is nothing to subscribe to.",
    )


def _watchdog() -> Alert:
    return Alert(
        name=WATCHDOG,
        expr="vector(1)",
        severity="info",
        summary="This alert always fires: it shows that Prometheus and Alertmanager work.",
        description="Route it to a dead man's switch that raises the alarm when it stops coming.",
        dashboard="voice-exporter",
        comment="pint disable alerts/comparison",
    )
