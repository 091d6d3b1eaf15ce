"""A rule about the form in which Prometheus keeps histograms: rules that ask for another one are silent."""

from typing import Final

from exporter.assets import levels
from exporter.assets.model import Thresholds
from exporter.assets.promql import lines, num
from exporter.assets.rule import Alert
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

MISSING: Final = "VoiceExporterHistogramsMissing"

_KEEP: Final = 3600.0
"""Seconds between events at which the alert does not yet forget."""


def histograms(t: Thresholds) -> Alert:
    """The alert on histograms that are missing although events are counted."""
    window, by = t.exporter.no_events.after, levels.instance(t).by
    counted = f'{m.WEBHOOKS.name}{{outcome="counted"}}'
    return Alert(
        name=MISSING,
        expr=lines(
            "(",
            f"  sum by ({by}) (increase({counted}[{format_duration(window)}])) > 0",
            f"  unless on ({by}) count by ({by}) ({m.WEBHOOK_SECONDS.name}_count)",
            "or",
            f"  group by ({by}) ({m.REPLICA_LAG.name})",
            f"  unless on ({by}) count by ({by}) ({m.STORAGE_COMMIT.name}_count)",
            ")",
            f"and on ({by}) (time() - process_start_time_seconds >= {num(window)})",
        ),
        keep=_KEEP,
        severity="warning",
        summary="Prometheus keeps the exporter's histograms in another form than these rules query.",
        description=(
            "{{ $labels.instance }} of job {{ $labels.job }} counts events, and none of its histograms has the form"
            " that the rules and dashboards ask for: alerts on latency, confidence and cost cannot fire."
        ),
        dashboard="voice-exporter",
        comment=(
            "An exporter that just started has no histogram before its first event. Events are counted for all"
            " replicas together, durations by each: one that runs has committed."
        ),
    )
