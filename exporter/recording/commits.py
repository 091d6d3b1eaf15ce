"""Borrow what a batch needs, fold, commit: the one way in which anything is changed.

Nothing of a batch shows before its commit: calls, assistants and series change in a draft that a failed commit drops,
so that memory never holds what the store does not.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from exporter.errors import StorageError, StoreConflict, StoreLost
from exporter.logs import cause, log
from exporter.metrics.catalogue import CALLS_TRACKED
from exporter.metrics.series_table import VOLATILE, SeriesTable
from exporter.recording.batch import Change, Waiting
from exporter.recording.calls_in_memory import CallsInMemory, Draft
from exporter.recording.self_metrics import SelfMetrics
from exporter.store.base import Batch, Store

HANG_SECONDS: Final = 4.0
"""A commit that takes longer hangs: readiness goes, and a stop does not wait for it."""
_ATTEMPTS: Final = 20
"""How often a batch is begun when other processes are in its way."""
_TURN: Final = 500
"""Calls or series that are gathered at once; between such rounds the loop turns."""
_STARTING: Final = "starting"

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A batch to be made.

    Attributes:
        borrow: borrows the calls that it needs; None where another process does the job.
        fold: what changes, given a draft; called again where what it knew was outdated.
        waiting: the events in it.
        dropping: it may drop series.
        always: it is committed though nothing changed.
    """

    borrow: Callable[[], Awaitable[list[tuple[int, bytes]] | None]]
    fold: Callable[[Draft], Awaitable[list[Change]]]
    waiting: Sequence[Waiting] = ()
    dropping: bool = False
    always: bool = True


class Commits:
    """Makes batches, one at a time.

    Args:
        store: keeps the batches.
        memory: calls and assistants.
        table: series.
        metrics: what the process counts of itself.
        hang_seconds: a commit that takes longer hangs.

    Attributes:
        lock: whoever makes a batch holds it.
        not_ready: why nothing can be kept, as the last batch showed; None where it was kept.
        dropped: numbers of series that the next batch has to drop.
        stopping: no batch makes it ready any more.
        abandoned: whether a commit that hangs was given up.
        outdated: whether the fold of the batch under way has to be repeated.
        claimed: whether the batch under way may drop series of a shared store.
    """

    def __init__(
        self, store: Store, memory: CallsInMemory, table: SeriesTable, metrics: SelfMetrics, hang_seconds: float
    ) -> None:
        self._store = store
        self._memory = memory
        self._table = table
        self._metrics = metrics
        self._hang_seconds = hang_seconds
        self._began: float | None = None
        self._in_flight: Sequence[Waiting] = ()
        self._quarantined: str | None = None
        self.lock = asyncio.Lock()
        self.not_ready: str | None = _STARTING
        self.dropped: list[int] = []
        self.stopping = False
        self.abandoned = False
        self.outdated = False
        self.claimed = False

    @property
    def ready(self) -> str | None:
        """None while events can be kept, else the reason why not."""
        if self.not_ready is None and self.hangs():
            return f"storage: a commit takes longer than {self._hang_seconds:g} s"
        return self.not_ready

    def hangs(self) -> bool:
        """Whether a batch, or the close of the store, takes too long."""
        return self._began is not None and time.monotonic() - self._began > self._hang_seconds

    def begin(self) -> None:
        """Something begins that must not hang."""
        self._began = time.monotonic()

    def abandon(self) -> int:
        """Give up the batch that hangs: answer those in it, whose number this gives. Nothing more is taken."""
        waiting = self._in_flight
        self.abandoned = True
        for each in waiting:
            each.respond(StorageError("storage hangs"))
        return len(waiting)

    async def run(self, job: Job) -> int:
        """Make a batch, and answer the events in it: that they are kept, or why not. How many calls it changed."""
        self._in_flight = job.waiting
        self.begin()
        try:
            return await self._run(job)
        except StorageError as error:
            await self._refuse(job, error)
        except Exception as error:  # noqa: BLE001 - whatever happens, the requests in flight get their answer
            log(_log, logging.ERROR, "commit failed", error=cause(error))
            await self._refuse(job, StorageError("internal error"))
        finally:
            self._began = None
            self._in_flight = ()
        return 0

    def note_damage(self) -> None:
        """Count a database that was quarantined, and let it exist at 0 before."""
        damaged = self._store.quarantined != self._quarantined
        self._quarantined = self._store.quarantined
        self._metrics.quarantined(int(damaged))

    async def _run(self, job: Job) -> int:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._attempt(job)
            except StoreConflict:
                self._metrics.conflicted()
                self._table.rollback()
        return await self._attempt(job)

    async def _attempt(self, job: Job) -> int:
        borrowed = await job.borrow()
        if borrowed is None:
            return 0
        self._memory.lend(borrowed)
        kept = False
        try:
            draft, batch = await self._fold(job)
            if job.always or batch or draft.changed or self.dropped:
                await self._commit(draft, batch)
                kept = True
            return draft.touched
        finally:
            if not kept:
                await self._store.abort(outdated=bool(self.dropped))
            if self._store.shared:
                self.dropped.clear()
                self._memory.give_back()

    async def _fold(self, job: Job) -> tuple[Draft, list[Change]]:
        """Fold, and once more with what other processes changed meanwhile, where the batch has to know of it."""
        self.claimed = job.dropping
        if job.dropping:
            await self._store.claim(dropping=True)
        self.outdated, read = False, False
        while True:
            draft = Draft(self._memory)
            batch = await job.fold(draft)
            if self._store.shared and draft.growth:
                batch.append(Change([(self._table.series(CALLS_TRACKED, (), time.time()), ((0, draft.growth),))]))
            if self._table.grows or draft.exclusive or self.dropped:
                await self._store.claim()
            if draft.incidents.misses and not read:
                # Its call was borrowed, so whoever counted the hang has committed it.
                read = True
                await self._store.read_news()
                draft.incidents.settle()
            if not self.outdated:
                break
            self.outdated = False
            self._table.rollback()
        if added := len(draft.incidents.added):
            draft.incidents.number(await self._store.number_incidents(added, self._memory.incidents.highest))
        return draft, batch

    async def _commit(self, draft: Draft, batch: list[Change]) -> None:
        """Keep a batch, then let it show."""
        started = time.perf_counter()
        await self._store.commit(self._batch(draft, batch))
        if self.abandoned:
            return
        self._metrics.committed(started)
        self._accept()
        self.dropped.clear()
        draft.adopt()
        for change in batch:
            self._table.apply(change.resolved, change.exemplar, change.latest)
        for change in batch:
            change.respond()

    def _batch(self, draft: Draft, batch: list[Change]) -> Batch:
        kept = Batch(
            series=self._table.staged(),
            increments=[(series.id, cells) for change in batch for series, cells in change.resolved],
            dropped=[*self.dropped],
            calls={},
            assistants=draft.encoded_assistants(shared=self._store.shared),
            latest=[(series.id, value) for change in batch for series, value in change.latest],
        )
        if self._store.shared:
            kept.rows = draft.rows()
            kept.exemplars = [
                (len(each.resolved), *((each.exemplar.call_id, each.exemplar.time) if each.exemplar else ("", 0.0)))
                for each in batch
            ]
        else:
            kept.calls = draft.encoded_calls()
        return kept

    async def _refuse(self, job: Job, error: StorageError) -> None:
        """A batch that is not kept leaves no trace."""
        if self.abandoned:
            return
        self._table.rollback()
        self.fail(error)
        for each in job.waiting:
            each.respond(StorageError(str(error)))
        if isinstance(error, StoreLost):
            await self._rebuild()

    def fail(self, error: StorageError) -> None:
        """Nothing can be kept now."""
        self._metrics.storage_failed()
        if self.not_ready in {None, _STARTING}:
            log(_log, logging.ERROR, "storage fails, events are refused", reason=str(error))
        self.not_ready = f"storage: {error}"

    def _accept(self) -> None:
        if self.not_ready is None or self.stopping:
            return
        if self.not_ready != _STARTING:
            log(_log, logging.INFO, "storage works again")
        self.not_ready = None

    async def _rebuild(self) -> None:
        """Give everything to a store that lost it."""
        try:
            snapshot = await self._snapshot()
            self.begin()
            await self._store.commit(snapshot)
        except Exception as error:  # noqa: BLE001 - too little memory, say; the next batch that is refused tries again
            log(_log, logging.ERROR, "the store was not rebuilt", error=cause(error))
            self._metrics.storage_failed()
            return
        self.note_damage()
        self._accept()

    async def _snapshot(self) -> Batch:
        """All there is, as one batch."""
        draft = Draft(self._memory)
        draft.everything()
        calls = {key: record async for key, record in _in_turns(self._memory.records())}
        stored = (one.stored() for family in self._table.families() for one in family.series if one.id != VOLATILE)
        series = [one async for one in _in_turns(stored)]
        return Batch(series, [], [], calls, draft.encoded_assistants(shared=False), snapshot=True)


async def _in_turns(items: Iterable[_T]) -> AsyncIterator[_T]:
    """The items, between which the loop turns now and then."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _TURN == 0:
            await asyncio.sleep(0)
