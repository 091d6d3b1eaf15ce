"""Transfers, once each: from live events, or from the report where no live event told of one."""

from exporter.calls.step import Step
from exporter.events import ReportedTransfers, Transfer
from exporter.metrics import catalogue as m


def transfer(step: Step, fact: Transfer) -> None:
    """Count a transfer as it happens."""
    if step.first_time("transfer", step.event.time_ms) and step.claim_live("transfer"):
        step.add(m.TRANSFERS, fact.status)


def transfers(step: Step, fact: ReportedTransfers) -> None:
    """Count the report's transfers; of a fuller report those beyond the ones counted."""
    if not fact.statuses or not step.claim_report("transfer"):
        return
    if new := step.level("transfers", len(fact.statuses)):
        for status in fact.statuses[-new:]:
            step.add(m.TRANSFERS, status)
