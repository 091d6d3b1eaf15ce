"""Runs the exporter as a neighbouring release would be: it has a metric more, and writes the same schema."""

import sys

from exporter.cli import main
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Increment, Metric
from exporter.recording import batch
from exporter.recording.batch import EventOutcome, Waiting
from exporter.recording.calls_in_memory import Draft

NEXT = Metric("voice_next_release_total", "counter", ("platform",), "What only the neighbouring release counts.")

_fold = batch._fold


def fold(draft: Draft, waiting: Waiting) -> tuple[EventOutcome, list[Increment]]:
    """As this release, and one more for each event that counts."""
    outcome, increments = _fold(draft, waiting)
    if outcome == "counted":
        increments.append((NEXT, (waiting.event.platform,), 1))
    return outcome, increments


if __name__ == "__main__":
    METRICS[NEXT.name] = NEXT
    batch._fold = fold
    sys.exit(main(sys.argv[1:]))
