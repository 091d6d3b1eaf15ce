"""The values that labels with a closed set of them may have."""

from collections.abc import Mapping
from typing import Final, get_args

from prometheus_client.utils import floatToGoString

from exporter import events, label_sets
from exporter.assets.threshold_kinds import SEVERITIES
from exporter.calls.hangs import ESCALATION_CAUSES, HANG_OUTCOMES, HOURS
from exporter.errors import Refusal, RelayFailure
from exporter.metrics.label_limits import SERIES
from exporter.metrics.label_values import FREE
from exporter.metrics.metric import Metric
from exporter.platforms import PLATFORMS
from exporter.platforms.values import CRITICAL_CODES
from exporter.recording.batch import EventOutcome

_EVENTS: Final = frozenset().union(
    *(platform.events for platform in PLATFORMS.values()), {events.OTHER, events.UNKNOWN}
)

VALUES: Final[Mapping[str, frozenset[str]]] = {
    "platform": frozenset(PLATFORMS),
    "component": frozenset(get_args(events.Component)),
    "retryable": frozenset(get_args(events.Retryable)),
    "severity": frozenset(get_args(events.Severity)),
    "role": frozenset(get_args(events.Role)),
    "ended_by": frozenset(get_args(events.EndedBy)),
    "fault": frozenset(get_args(events.AtFault)),
    "reason": label_sets.REASONS,
    "evaluation": label_sets.EVALUATIONS | {"other", "none"},
    "cause": frozenset(ESCALATION_CAUSES),
    "cached": frozenset({"true", "false"}),
    "interrupted": frozenset({"assistant", "user"}),
    "kind": frozenset({"input", "output", "cached"}),
    "call_type": frozenset({"web", "phone", "websocket", "unknown"}),
    "direction": frozenset({"inbound", "outbound", "unknown"}),
    "hour": frozenset(HOURS) | {"unknown"},
    "event": _EVENTS,
    "label": frozenset(FREE) | {SERIES},
    "error_code": CRITICAL_CODES | {"rate_limit_exceeded", "unknown", "other"},
}
"""By label. What is not here may hold anything."""

_OF_METRIC: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("voice_calls_ended_total", "outcome"): frozenset(get_args(events.Outcome)),
    ("voice_hang_outcomes_total", "outcome"): frozenset(HANG_OUTCOMES),
    ("voice_exporter_webhooks_total", "outcome"): frozenset(get_args(EventOutcome) + get_args(Refusal)),
    ("voice_exporter_relay_errors_total", "reason"): frozenset(get_args(RelayFailure)),
    ("voice_call_cost_dollars_total", "component"): frozenset(get_args(events.CostComponent)),
    ("voice_call_status_updates_total", "status"): label_sets.STATUSES | {"other"},
}
"""Where a label's values depend on the metric."""


def allowed(metric: Metric | None, label: str) -> frozenset[str] | None:
    """The values that a label of a metric, or of a recorded series, may have; None where they are not enumerated."""
    if metric is None:
        return frozenset(SEVERITIES) if label == "severity" else VALUES.get(label)
    if label == "le":
        return frozenset(map(floatToGoString, metric.bounds)) | {"+Inf"}
    return _OF_METRIC.get((metric.name, label), VALUES.get(label))
