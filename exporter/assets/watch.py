"""Rules about the exporter itself: whether it is there, whether events reach it, whether it can keep them."""

from exporter.assets.histograms import histograms
from exporter.assets.model import Thresholds
from exporter.assets.promql import ASSISTANT, PLATFORM, growth, lines, num, record, sum_by
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

REFUSED = ("unauthorized", "invalid", "too_large", "timeout", "limited")
"""Outcomes of requests that were refused for what they are, not for the exporter's own trouble."""

_INSTANCE = ("job", "instance")
_ACTIVE = record(PLATFORM, "voice_calls_active", "sum")
_START = "process_start_time_seconds"


def exporter(t: Thresholds) -> Group:
    """Rules about the exporter itself."""
    return Group(
        name="voice-exporter",
        comment="The exporter itself: whether it is there, gets every event, and can keep it.",
        rules=(
            Recording(record=_ACTIVE, expr=f"sum by ({', '.join(PLATFORM)}) ({m.CALLS_ACTIVE.name})"),
            _down(t),
            _no_events(t),
            _rejecting(t),
            _unanswerable(t),
            _missed(t),
            _label_limit(t),
            _storage(t),
            _pushes(t),
            _reload(t),
            histograms(t),
            _not_subscribed(t),
            _watchdog(),
        ),
    )


def _down(t: Thresholds) -> Alert:
    rule = t.exporter.down
    was = f"count_over_time({m.BUILD_INFO.name}[{format_duration(rule.lookback)}])"
    return Alert(
        name="VoiceExporterDown",
        expr=lines(f"up == 0 and on ({', '.join(_INSTANCE)}) {was}", "or on ()", f"absent({m.BUILD_INFO.name})"),
        wait=rule.for_,
        severity="critical",
        summary="The voice exporter is down: events are lost and no other alert about calls can fire.",
        description=(
            "{{ if $labels.instance }}{{ $labels.instance }} of job {{ $labels.job }} does not answer Prometheus."
            "{{ else }}No voice exporter is scraped at all.{{ end }}"
            " Interactly sends each event once, so what happens now is never counted."
        ),
        dashboard="voice-exporter",
        comment="Known by what it exposes, not by its job's name: a target that was an exporter, or none at all.",
    )


def _no_events(t: Thresholds) -> Alert:
    rule = t.exporter.no_events
    by = ", ".join(PLATFORM)
    return Alert(
        name="VoiceExporterNoEvents",
        expr=lines(
            "(",
            f"    time() - max by ({by}) ({m.LAST_EVENT.name})",
            "  or",
            f"    0 * {_ACTIVE}",
            f"    + on (job) group_left () (time() - max by (job) ({_START}))",
            f") > {num(rule.after)}",
            f"and {_ACTIVE} > 0",
        ),
        wait=rule.for_,
        severity="warning",
        summary="Calls are active, and no event comes.",
        description=(
            "No event of {{ $labels.platform }} for {{ $value | humanizeDuration }}, although calls are active."
            " Either the platform cannot reach the exporter, or it never told that those calls ended."
        ),
        dashboard="voice-exporter",
        comment="Where no event came since the exporter started, the time since its start.",
    )


def _webhooks(window: float, by: tuple[str, ...], *outcomes: str) -> str:
    matcher = "=" if len(outcomes) == 1 else "=~"
    return sum_by(by, growth(m.WEBHOOKS, window, f'{{outcome{matcher}"{"|".join(outcomes)}"}}'))


def _rejecting(t: Thresholds) -> Alert:
    rule = t.exporter.rejecting
    return Alert(
        name="VoiceExporterRejectingEvents",
        expr=f"{_webhooks(rule.window, (*PLATFORM, 'outcome'), *REFUSED)} >= {rule.count}",
        severity="warning",
        summary="The exporter refuses webhook requests.",
        description=(
            '{{ printf "%.0f" $value }} requests to the webhook of {{ $labels.platform }} were refused as'
            f" {{{{ $labels.outcome }}}} within {format_duration(rule.window)}."
            " If the platform sent them, their events are lost."
        ),
        dashboard="voice-exporter",
        comment="A webhook that faces the internet gets some requests from untrusted clients.",
    )


def _unanswerable(t: Thresholds) -> Alert:
    rule = t.exporter.unanswerable
    return Alert(
        name="VoiceExporterUnanswerable",
        expr=f"{_webhooks(rule.window, (*PLATFORM, 'event'), 'unanswerable')} > 0",
        severity="high",
        summary="The platform asks the exporter for answers that only an application can give: calls break.",
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
        expr=f"{sum_by((*PLATFORM, 'event'), growth(m.MISSED_EVENTS, rule.window))} >= {rule.count}",
        severity="warning",
        summary="End-of-call reports show events that never arrived.",
        description=(
            '{{ printf "%.0f" $value }} {{ $labels.event }} events of {{ $labels.platform }} that reports show did not'
            f" arrive within {format_duration(rule.window)}: what they carry is missing from every number."
        ),
        dashboard="voice-exporter",
    )


def _label_limit(t: Thresholds) -> Alert:
    rule = t.exporter.label_limit
    return Alert(
        name="VoiceExporterLabelLimitReached",
        expr=f"{sum_by(('job', 'label'), growth(m.LABEL_OVERFLOWS, rule.window))} > 0",
        severity="warning",
        summary="A label is full: new values are counted as other.",
        description=(
            '{{ printf "%.0f" $value }} times within '
            f"{format_duration(rule.window)} a new value of {{{{ $labels.label }}}} was counted as other."
        ),
        dashboard="voice-exporter",
    )


def _storage(t: Thresholds) -> Alert:
    rule = t.exporter.storage
    return Alert(
        name="VoiceExporterStorageFailing",
        expr=lines(
            f"sum by ({', '.join(_INSTANCE)}) (increase({m.STORAGE_ERRORS.name}[{format_duration(rule.window)}])) > 0",
            "or",
            f"{_webhooks(rule.window, _INSTANCE, 'unavailable')} > 0",
        ),
        keep=t.keep_firing_for,
        severity="critical",
        summary="The exporter cannot keep events: they are refused and lost.",
        description=(
            '{{ $labels.instance }} could not keep events {{ printf "%.0f" $value }} times within '
            f"{format_duration(rule.window)}."
        ),
        dashboard="voice-exporter",
        comment="Commits that failed, or events turned away before they got that far.",
    )


def _pushes(t: Thresholds) -> Alert:
    window = t.exporter.pushes.window
    failed = growth(m.ALERT_PUSHES, window, '{outcome="failed"}')
    return Alert(
        name="VoiceExporterAlertPushesFailing",
        expr=f"{sum_by(_INSTANCE, failed)} > 0",
        severity="warning",
        summary="The exporter cannot push alerts of single calls: only rules tell of hangs and errors.",
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
        summary="The exporter could not load its configuration and runs with the one before.",
        description="{{ $labels.instance }} runs with its previous configuration; a restart would fail.",
        dashboard="voice-exporter",
    )


def _not_subscribed(t: Thresholds) -> Alert:
    labels = ", ".join((*ASSISTANT, "event"))
    return Alert(
        name="VoiceExporterHangEventsNotSubscribed",
        expr=lines(f"max by ({labels}) (", f'  {m.EVENT_SUBSCRIBED.name}{{event=~"hang|error"}}', ") == 0"),
        wait=t.exporter.not_subscribed.for_,
        severity="info",
        summary="A voice assistant does not send its hang or error events: its silence means nothing.",
        description=f"{WHO} does not send {{{{ $labels.event }}}} events here; they are opt-in on the platform.",
        dashboard="voice-exporter",
    )


def _watchdog() -> Alert:
    return Alert(
        name="VoiceWatchdog",
        expr="vector(1)",
        severity="info",
        summary="This alert always fires: it shows that Prometheus and Alertmanager work.",
        description="Route it to a dead man's switch that raises the alarm when it stops coming.",
        dashboard="voice-exporter",
        comment="pint disable alerts/comparison",
    )
