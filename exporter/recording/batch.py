"""Events between arrival and commit: what each of a batch changes, and who waits for the answer."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from exporter.errors import StorageError
from exporter.events import Event
from exporter.logs import cause, log
from exporter.metrics.catalogue import LAST_EVENT, WEBHOOKS
from exporter.metrics.metric import NANO, Increment, Labels
from exporter.metrics.series_table import Exemplar, Series, SeriesTable
from exporter.recording.calls_in_memory import Draft
from exporter.store.base import CellDeltas

EventOutcome: TypeAlias = Literal["counted", "duplicate", "ignored"]
Answer: TypeAlias = Callable[[EventOutcome | StorageError], None]
"""Takes what became of an event, once it is durable; or why nothing of it was counted."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


async def awaited(submit: Callable[[Callable[[_T | Exception], None]], None]) -> _T:
    """What ``submit`` gives the answer it takes; an exception is raised. Nobody may be waiting any more by then."""
    answered: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

    def settle(outcome: _T | Exception) -> None:
        if answered.done():
            return
        if isinstance(outcome, Exception):
            answered.set_exception(outcome)
        else:
            answered.set_result(outcome)

    submit(settle)
    return await answered


class Waiting(NamedTuple):
    """An event, and what its answer is for.

    Attributes:
        received: Unix time of its receipt.
        steady: the same by the clock that nobody sets (`exporter.recording.clock`).
    """

    event: Event
    received: float
    steady: float
    answer: Answer

    def respond(self, outcome: EventOutcome | StorageError) -> None:
        """Give the answer."""
        try:
            self.answer(outcome)
        except Exception as error:  # noqa: BLE001 - one answer must not cost the others of its batch
            log(_log, logging.ERROR, "answer failed", event=self.event.kind, error=cause(error))


class Change(NamedTuple):
    """What an event, or the passing of time, does to series once the batch is kept.

    Attributes:
        resolved: what it adds to them.
        latest: what it makes of the value of some.
        exemplar: of what is added.
        waiting: the event.
        outcome: what became of it.
    """

    resolved: list[tuple[Series, CellDeltas]]
    exemplar: Exemplar | None = None
    waiting: Waiting | None = None
    outcome: EventOutcome | StorageError = "ignored"
    latest: Sequence[tuple[Series, int]] = ()

    def respond(self) -> None:
        """Answer whoever waits: that the event is kept, or why not."""
        if self.waiting:
            self.waiting.respond(self.outcome)


def changes(draft: Draft, table: SeriesTable, batch: Iterable[Waiting]) -> list[Change]:
    """What the events of a batch change; one that fails changes nothing."""
    found: list[Change] = []
    last: dict[Labels, float] = {}
    for each in batch:
        try:
            found.append(_change(draft, table, each))
            last[each.event.platform, each.event.kind] = each.received
        except Exception as error:  # noqa: BLE001 - one event must not cost the others of its batch
            log(_log, logging.ERROR, "event failed", event=each.event.kind, error=cause(error))
            found.append(Change([], waiting=each, outcome=StorageError("internal error")))
    if last:
        found.append(Change([], latest=_last_events(table, last)))
    return found


def _last_events(table: SeriesTable, last: Mapping[Labels, float]) -> list[tuple[Series, int]]:
    """The times of the last events, by platform and event, and their series."""
    now = max(last.values())
    return [(table.series(LAST_EVENT, labels, now), int(received * NANO)) for labels, received in last.items()]


def _fold(draft: Draft, waiting: Waiting) -> tuple[EventOutcome, list[Increment]]:
    if not waiting.event.facts:
        return "ignored", []
    folded = draft.fold(waiting.event, waiting.steady, waiting.received)
    return "counted" if folded.fresh else "duplicate", folded.increments


def _change(draft: Draft, table: SeriesTable, waiting: Waiting) -> Change:
    event, now = waiting.event, waiting.received
    outcome, increments = _fold(draft, waiting)
    increments.append((WEBHOOKS, (event.platform, event.kind, outcome), 1))
    exemplar = Exemplar(event.call_id, now) if event.call_id and outcome == "counted" else None
    return Change(table.resolve(increments, now, waiting.steady), exemplar, waiting, outcome)
