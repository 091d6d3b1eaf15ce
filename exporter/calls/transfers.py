"""Transfers, once each: from live events, or from the report where no live event told of one."""

from exporter.calls.step import Step
from exporter.events import ReportedTransfers, Transfer
from exporter.metrics import catalogue as m


def transfer(step: Step, fact: Transfer) -> None:
    """Count a transfer as it happens; of one call, those without a time are told apart by their status."""
    name = fact.status if step.event.time_ms is None else step.event.time_ms
    if step.first_time("transfer", name) and step.claim_live("transfer"):
        step.add(m.TRANSFERS, fact.status)


def transfers(step: Step, fact: ReportedTransfers) -> None:
    """Count the report's transfers; of a fuller report those beyond the ones counted."""
    if not fact.statuses or not step.claim_report("transfer"):
        return
    if new := step.level("transfers", len(fact.statuses)):
        for status in fact.statuses[-new:]:
            step.add(m.TRANSFERS, status)
