"""Events between arrival and commit: what each of a batch changes, and who waits for the answer."""

import logging
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, TypeAlias

from exporter.book import Draft
from exporter.catalogue import WEBHOOKS
from exporter.events import Event, InvalidEvent
from exporter.logs import cause, log
from exporter.metric import Increment
from exporter.series import Exemplar, Series, SeriesTable
from exporter.store.base import Cells, StorageError

Outcome: TypeAlias = Literal["counted", "duplicate", "ignored"]
Failure: TypeAlias = InvalidEvent | StorageError
Answer: TypeAlias = Callable[[Outcome | Failure], None]
"""Takes what became of an event, once it is durable; or why nothing of it was counted."""

_log = logging.getLogger(__name__)


class Waiting(NamedTuple):
    """An event that came at Unix time ``received``, and what its answer is for."""

    event: Event
    received: float
    answer: Answer

    def tell(self, outcome: Outcome | Failure) -> None:
        """Give the answer."""
        try:
            self.answer(outcome)
        except Exception as error:  # noqa: BLE001 - one answer must not cost the others of its batch
            log(_log, logging.ERROR, "answer failed", event=self.event.kind, error=cause(error))

    def fail(self, error: Exception) -> None:
        """Answer with what went wrong while the event was read to its end and folded."""
        if isinstance(error, InvalidEvent):
            self.tell(error)
            return
        log(_log, logging.ERROR, "event failed", event=self.event.kind, error=cause(error))
        self.tell(StorageError("internal error"))


class Change(NamedTuple):
    """What an event, or the passing of time, does to series once the batch is kept."""

    resolved: list[tuple[Series, Cells]]
    exemplar: Exemplar | None = None
    waiting: Waiting | None = None
    outcome: Outcome = "ignored"

    def tell(self, failure: Failure | None = None) -> None:
        """Answer whoever waits: that the event is kept, or why not."""
        if self.waiting:
            self.waiting.tell(failure or self.outcome)


def changes(draft: Draft, table: SeriesTable, batch: Iterable[Waiting]) -> list[Change]:
    """What the events of a batch change; one that fails is answered and left out.

    All calls come first, then all series: one kind of work in a row takes less time (docs/performance.md).
    """
    folded, found = [], []
    for each in batch:
        try:
            folded.append((each, *_fold(draft, each)))
        except Exception as error:  # noqa: BLE001 - one event must not cost the others of its batch
            each.fail(error)
    for each, outcome, increments in folded:
        try:
            found.append(_change(table, each, outcome, increments))
        except Exception as error:  # noqa: BLE001 - as above
            each.fail(error)
    return found


def _fold(draft: Draft, waiting: Waiting) -> tuple[Outcome, list[Increment]]:
    if not waiting.event.facts:
        return "ignored", []
    folded = draft.fold(waiting.event, waiting.received)
    return "counted" if folded.fresh else "duplicate", folded.increments


def _change(table: SeriesTable, waiting: Waiting, outcome: Outcome, increments: list[Increment]) -> Change:
    event, now = waiting.event, waiting.received
    increments.append((WEBHOOKS, (event.platform, event.kind, outcome), 1))
    exemplar = Exemplar(event.call_id, now) if event.call_id and outcome == "counted" else None
    return Change(table.resolve(increments, now), exemplar, waiting, outcome)
