"""What is well is left in peace, whatever happens to the exporter around it."""

from tests.rules.healthy import raised
from tests.rules.volume import VOLUMES

HOURS = 5
"""A deploy and a restart; `python -m tests.rules.healthy` takes 30."""


def test_healthy_traffic_raises_no_page_and_hardly_a_ticket() -> None:
    """At any volume, through deploys, restarts, new names and lost scrapes: only hangs alert."""
    begun = raised(VOLUMES, HOURS, seed=1)
    assert {alert for _, alert, severity in begun if severity in {"critical", "high"}} <= {"VoiceAssistantHang"}
    for volume in VOLUMES:
        tickets = [
            fired.times
            for (job, _, severity), fired in begun.items()
            if (job, severity) == (f"healthy {volume}", "warning")
        ]
        assert sum(tickets) <= 1
