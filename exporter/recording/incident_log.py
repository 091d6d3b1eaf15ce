"""One log line for each hang and each error, by which whoever searches the logs finds the call."""

import logging
from collections.abc import Sequence
from typing import Final

from exporter.calls.incident import Incident
from exporter.events import Severity
from exporter.logs import log

_LEVELS: Final[dict[Severity, int]] = {
    "critical": logging.ERROR,
    "high": logging.WARNING,
    "medium": logging.INFO,
}

_log = logging.getLogger(__name__)


def write(incidents: Sequence[Incident]) -> None:
    """Log incidents, but for escalations: the error of each is there already."""
    for incident in incidents:
        if incident.kind != "escalation":
            log(_log, _LEVELS[incident.severity], f"voice {incident.kind}", **_fields(incident))


def _fields(incident: Incident) -> dict[str, object]:
    fields: dict[str, object] = {
        "event": incident.kind,
        "platform": incident.platform,
        "call_id": incident.call_id or "unknown",
        "assistant": incident.assistant,
    }
    if incident.component:
        fields |= {"component": incident.component, "provider": incident.provider, "model": incident.model}
    fields["severity"] = incident.severity
    if incident.kind == "error":
        fields |= {"error_type": incident.what, "error_code": incident.code}
    return fields
