"""An incident as an alert: its labels, annotations and end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from exporter.calls.incident import Incident
from exporter.events import UNKNOWN
from exporter.yamlfile.durations import format_duration

HOLD_SECONDS: Final = 15.0
"""How long an alert stays active although its outcome is known: Alertmanager does not notify of an alert that resolves
within its group_wait."""

_OUTCOMES: Final = {
    "recovered": "The assistant recovered",
    "error": "An error followed",
    "abandoned": "The customer ended the call",
    "ended": "The call ended",
    UNKNOWN: "What came of it is not known",
}
_NAMES: Final = {
    "hang": "VoiceCallHang",
    "error": "VoiceCallError",
    "escalation": "VoiceCallError",
    "sentiment": "VoiceNegativeSentiment",
}
_RUNBOOKS: Final = {
    "hang": "VoiceAssistantHang",
    "error": "VoiceCriticalError",
    "escalation": "VoiceErrorEscalated",
    "sentiment": "VoiceNegativeSentiment",
}


@dataclass(frozen=True, slots=True)
class AlertLinks:
    """The URLs that an alert links to.

    Attributes:
        exporter: URL of this exporter, which has the runbooks and the incidents.
        grafana: URL of Grafana; empty for no link.
    """

    exporter: str
    grafana: str = ""

    def of(self, incident: Incident) -> dict[str, str]:
        """The annotations with links to what helps with an incident."""
        exporter, call = self.exporter.rstrip("/"), {"call": incident.call_id} if incident.call_id else {}
        query = urlencode({"platform": incident.platform, "assistant": incident.assistant, **call})
        links = {
            "runbook_url": f"{exporter}/runbooks/{_RUNBOOKS[incident.kind]}",
            "incidents_url": f"{exporter}/incidents?{query}",
        }
        if self.grafana:
            variables = {"from": "now-6h", "to": "now", "var-platform": incident.platform}
            query = urlencode({**variables, "var-assistant": incident.assistant})
            board = "voice-overview" if incident.kind == "sentiment" else "voice-hangs-errors"
            links["dashboard_url"] = f"{self.grafana.rstrip('/')}/d/{board}?{query}"
        return links


def concerns(incident: Incident) -> bool:
    """Whether an incident is pushed: errors only if critical, escalations only if not (their error is pushed)."""
    if incident.kind == "error":
        return incident.severity == "critical"
    return incident.kind != "escalation" or incident.severity != "critical"


def name_of(incident: Incident) -> str:
    """The alert's name."""
    return _NAMES[incident.kind]


def ends_at(incident: Incident, resolve_after: float) -> float | None:
    """Unix time at which an incident is over; None while its outcome is open."""
    if incident.kind == "hang" and not incident.outcome:
        return None
    if incident.kind == "hang" and incident.settled > incident.received:
        return max(incident.settled, incident.received + HOLD_SECONDS)
    if incident.kind == "hang" and incident.outcome != UNKNOWN:
        return incident.received + HOLD_SECONDS
    return incident.received + resolve_after


def labels(incident: Incident, further: Mapping[str, str]) -> dict[str, str]:
    """The labels of an incident's alert, without empty ones."""
    own = {
        "alertname": name_of(incident),
        "severity": incident.severity,
        "platform": incident.platform,
        "assistant_id": incident.assistant,
        "component": incident.component,
        "provider": incident.provider,
        "model": incident.model,
        "call_id": incident.call_id,
    }
    return {**further, **{name: value for name, value in own.items() if value}}


def annotations(incident: Incident, name: str, now: float) -> dict[str, str]:
    """The annotations at Unix time ``now``; ``name`` is the assistant's name, empty if unknown."""
    who = f"Assistant {incident.assistant}{f' ({name})' if name else ''} on {incident.platform}"
    call = f"call {incident.call_id}" if incident.call_id else "a call without an id"
    if incident.kind == "hang":
        what = f"gave no reply for 5 seconds or more in {call}"
        summary = f"A voice assistant hung in {call}."
        details = f" LLM {incident.provider}, model {incident.model}."
    elif incident.kind == "sentiment":
        what = f"has a caller who sounds negative in {call}"
        summary, details = f"A caller sounds negative in {call}.", ""
    else:
        code = f", {incident.code}" if incident.code != UNKNOWN else ""
        what = f"had an error in {call}: {incident.what}{code}"
        summary = f"A voice call failed: {incident.what}{code}, {call}."
        if incident.kind == "escalation":
            what += f" ({incident.cause.replace('_', ' ')})"
        details = f" Provider {incident.provider} of {incident.component}."
    description = f"{who} {what}, {_when(incident.received, now)}.{details}{_outcome(incident)}"
    return {"summary": summary, "description": description, **({"assistant": name} if name else {})}


def _outcome(incident: Incident) -> str:
    if not incident.outcome:
        return ""
    after = f" after {incident.recovery_ms / 1000:.1f} s" if incident.recovery_ms is not None else ""
    return f" {_OUTCOMES.get(incident.outcome, incident.outcome)}{after}."


def _when(time: float, now: float) -> str:
    ago = format_duration(float(int(max(0.0, now - time))))
    return f"{ago} ago, at {datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"
