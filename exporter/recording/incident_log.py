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


class IncidentLog:
    """Logs incidents as they come; what became of a hang is no line of its own."""

    def __init__(self) -> None:
        self._last = 0

    def pass_over(self, incidents: Sequence[Incident]) -> None:
        """Log none of these, now or when their outcome is known: another process does."""
        self._last = max((self._last, *(incident.number for incident in incidents)))

    def write(self, incidents: Sequence[Incident]) -> None:
        """Log those that are new, but for escalations: the error of each is there already."""
        for incident in incidents:
            if incident.number > self._last and incident.kind != "escalation":
                log(_log, _LEVELS[incident.severity], f"voice {incident.kind}", **_fields(incident))
        self.pass_over(incidents)


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
