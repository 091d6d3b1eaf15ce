"""Records events: folds all that are in flight, commits them as one batch, and only then moves series and answers.

Nothing of a batch shows before its commit: calls, assistants and series change in a draft that a failed commit drops,
so that memory never holds what the store does not.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from exporter.calls import state_codec
from exporter.calls.incident import HangEnd, Incident
from exporter.config import Config
from exporter.errors import StorageError, StoreLost
from exporter.events import Event
from exporter.logs import cause, log
from exporter.metrics.catalogue import CALLS_EXPIRED
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import Increment
from exporter.metrics.series_table import VOLATILE, SeriesTable
from exporter.recording.batch import Answer, Change, EventOutcome, Waiting, awaited, changes
from exporter.recording.calls_in_memory import CallsInMemory, Draft
from exporter.recording.clock import Clock
from exporter.recording.computed_metrics import ComputedFamily, derived
from exporter.recording.free_memory import give_back
from exporter.recording.incident_log import IncidentLog
from exporter.recording.self_metrics import SelfMetrics
from exporter.store.base import Batch, Store

_STARTING: Final = "starting"
_MAX_BATCH: Final = 500
_TURNS: Final = 2
"""Turns of the loop that a batch waits for company: what arrives together is understood a turn or two apart."""
_MAX_QUEUE: Final = 10_000
_MAX_TIDY: Final = 200
"""Calls that expire or are forgotten at once; between such rounds the loop turns."""
_RETIRE_EVERY: Final = 60.0
"""Seconds between looks for label values that were unused for their time to live."""
_TICK: Final = 5.0
"""Seconds between rounds of expiry, and between attempts to reach a store that failed."""

HANG_SECONDS: Final = 4.0
"""A commit that takes longer hangs: readiness goes, and a stop does not wait for it."""
_LOOK: Final = 0.2
"""Seconds between looks whether a commit hangs."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Recorder:
    """Turns events into durable increments, exactly once.

    Args:
        config: limits, lifetimes and labels.
        store: keeps the batches.
        clock: seconds since the epoch.
        monotonic: seconds that measure elapsed time; those of ``clock`` where only that is given.
        hang_seconds: a commit that takes longer hangs.

    Attributes:
        table: the series, for exposition.
        metrics: what the process counts of itself.
        incidents: the last hangs, errors and escalations.
        abandoned: whether a stop gave up on a commit that hangs.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        clock: Callable[[], float] | None = None,
        monotonic: Callable[[], float] | None = None,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._labels = LabelLimits(config.labels.max_values, config.labels.max_series, config.labels.ttl)
        self._memory = CallsInMemory(config, self._labels)
        self._store = store
        self._clock = Clock(clock or time.time, monotonic or clock or time.monotonic)
        self._queue: deque[Waiting] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._dropped: list[int] = []
        self._retire_at = 0.0
        self._committing = asyncio.Lock()
        self._stopping = False
        self._quarantined: str | None = None
        self.table = SeriesTable(self._labels, {f"voice_{name}": bounds for name, bounds in config.buckets.items()})
        self.metrics = SelfMetrics(self.table, self._clock.wall)
        self._hang_seconds = hang_seconds
        self._commit_began: float | None = None
        self._in_flight: list[Change] = []
        self._abandoning: asyncio.Task[None] | None = None
        self.abandoned = False
        self._not_ready: str | None = _STARTING
        self.incidents = self._memory.incidents
        self._incident_log = IncidentLog()
        self.incidents.watchers.append(self._log_incidents)

    @property
    def ready(self) -> str | None:
        """None while events can be kept, else the reason why not."""
        if self._not_ready is None and self._hangs():
            return f"storage: a commit takes longer than {self._hang_seconds:g} s"
        return self._not_ready

    def load(self) -> None:
        """Restore what the store kept.

        Raises:
            StorageError: the store can't be opened or read, or is too large for this process.
        """
        try:
            self._load()
        except MemoryError:
            raise StorageError(
                "not enough memory for what the store holds: allow the process more, as docs/operations.md says"
            ) from None
        give_back()

    def _load(self) -> None:
        snapshot = self._store.load(state_codec.merge)
        self._memory.load(snapshot.calls, snapshot.assistants)
        self._memory.resume(self._clock, snapshot.assistants)
        usage = self._memory.load_usage(snapshot.assistants)
        restored = self.table.load(snapshot.series, usage, self._clock.steady())
        for name in restored.families:
            log(_log, logging.WARNING, "series start at 0: bounds or labels of the metric changed", metric=name)
        self._dropped = list(restored.ids)
        self._note_damage()

    def _note_damage(self) -> None:
        """Count a database that was quarantined, and let it exist at 0 before."""
        damaged = self._store.quarantined != self._quarantined
        self._quarantined = self._store.quarantined
        self.metrics.quarantined(int(damaged))

    async def start(self) -> None:
        """Begin to take events; ready once a first commit has shown that the store keeps one."""
        self.metrics.begin_storage()
        self.metrics.clock_steps(0)
        draft, expired = Draft(self._memory), self._change([(CALLS_EXPIRED, (), 0)])
        draft.keep_clock(self._clock)
        await self._commit(draft, [expired])
        self._tasks = [asyncio.create_task(self._commit_loop()), asyncio.create_task(self._tick_loop())]

    def begin_stop(self) -> None:
        """A stop has begun: a commit that hangs is abandoned from now on."""
        self._abandoning = self._abandoning or asyncio.create_task(self._abandon_hung())

    async def stop(self) -> None:
        """Keep what is queued, then close the store; leave both to the next start where the store hangs."""
        self.begin_stop()
        stopping = asyncio.create_task(self._stop())
        await asyncio.wait({stopping, *filter(None, [self._abandoning])}, return_when=asyncio.FIRST_COMPLETED)
        if not self.abandoned:
            await stopping
        for task in (*self._tasks, stopping, self._abandoning):
            if task:
                task.cancel()

    async def _stop(self) -> None:
        self._stopping = True
        self._not_ready = "stopping"
        self._wake.set()
        if self._tasks:
            committing, ticking = self._tasks
            async with self._committing:
                ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
            await committing
        self._commit_began = time.monotonic()
        await self._store.close()

    async def _abandon_hung(self) -> None:
        """Once a commit hangs, answer all that wait: a stop can't wait for the disk.

        Whether that commit is kept shows at the next start. Nothing more is taken.
        """
        while True:
            await asyncio.sleep(_LOOK)
            if self._hangs():
                break
        log(_log, logging.ERROR, "storage hangs, events are abandoned", events=len(self._in_flight) + len(self._queue))
        self.abandoned = self._stopping = True
        failure = StorageError("storage hangs")
        for change in self._in_flight:
            change.respond(failure)
        while self._queue:
            self._queue.popleft().respond(failure)

    def _hangs(self) -> bool:
        return self._commit_began is not None and time.monotonic() - self._commit_began > self._hang_seconds

    async def _keep(self, batch: Batch, changes: list[Change]) -> None:
        """Commit a batch, while others look how long that takes."""
        self._commit_began = time.monotonic()
        self._in_flight = changes
        try:
            await self._store.commit(batch)
        finally:
            self._commit_began = None
            self._in_flight = []

    def configure(self, config: Config) -> None:
        """Take a reloaded configuration; buckets and labels stay as they were at the start."""
        self._memory.configure(config)

    def assistant_name(self, platform: str, assistant: str) -> str:
        """The latest known name of an assistant; empty where none is."""
        known = self._memory.assistants.get((platform, assistant))
        return known.name if known else ""

    def derived(self) -> list[ComputedFamily]:
        """Families that follow from the state, for a scrape."""
        return derived(self._memory, self._labels, self.table)

    async def record(self, event: Event) -> EventOutcome:
        """Count an event; on return it is durable.

        Raises:
            StorageError: it can't be kept now, and nothing of it was counted.
        """
        return await awaited(partial(self.submit, event))

    def submit(self, event: Event, answer: Answer) -> None:
        """Count an event, and call ``answer`` with what became of it."""
        if self._stopping:
            answer(StorageError("the exporter is stopping"))
        elif len(self._queue) >= _MAX_QUEUE:
            answer(StorageError("too many events wait for storage"))
        else:
            self._queue.append(Waiting(event, self._clock.wall(), self._clock.steady(), answer))
            self._wake.set()

    async def _commit_loop(self) -> None:
        while not (self._stopping and not self._queue):
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                await self._commit_batch()

    async def _commit_batch(self) -> None:
        """Commit what waits; the loop itself would hold on to the batch until the next one."""
        waiting = [self._queue.popleft() for _ in range(min(len(self._queue), _MAX_BATCH))]
        async with self._committing:
            draft = Draft(self._memory)
            await self._commit(draft, changes(draft, self.table, waiting))

    async def _tick_loop(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            await self.tidy()

    async def _commit(self, draft: Draft, batch: list[Change]) -> None:
        """Keep a batch, then let it show; a batch that is not kept leaves no trace."""
        kept = Batch(
            series=self.table.staged(),
            increments=[(series.id, cells) for change in batch for series, cells in change.resolved],
            dropped=[*self._dropped],
            calls=draft.encoded_calls(),
            assistants=draft.encoded_assistants(),
        )
        started = time.perf_counter()
        try:
            await self._keep(kept, batch)
        except StorageError as error:
            await self._refuse(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever happens, the requests in flight get their answer
            log(_log, logging.ERROR, "commit failed", error=cause(error))
            await self._refuse(batch, StorageError("internal error"))
            return
        if self.abandoned:
            return
        self.metrics.committed(started)
        self._accept()
        self._dropped.clear()
        draft.adopt()
        for change in batch:
            self.table.apply(change.resolved, change.exemplar)
        for change in batch:
            change.respond()

    async def _refuse(self, batch: list[Change], error: StorageError) -> None:
        if self.abandoned:
            return
        self.table.rollback()
        self.metrics.storage_failed()
        if self._not_ready in {None, _STARTING}:
            log(_log, logging.ERROR, "storage fails, events are refused", reason=str(error))
        self._not_ready = f"storage: {error}"
        for change in batch:
            change.respond(StorageError(str(error)))
        if isinstance(error, StoreLost):
            await self._rebuild()

    def _accept(self) -> None:
        if self._not_ready is None or self._stopping:
            return
        if self._not_ready != _STARTING:
            log(_log, logging.INFO, "storage works again")
        self._not_ready = None

    async def _rebuild(self) -> None:
        """Give everything to a store that lost it."""
        draft = Draft(self._memory)
        draft.everything()
        calls = {key: record async for key, record in _in_turns(self._memory.records())}
        stored = (one.stored() for family in self.table.families() for one in family.series if one.id != VOLATILE)
        series = [one async for one in _in_turns(stored)]
        try:
            await self._keep(Batch(series, [], [], calls, draft.encoded_assistants(), snapshot=True), [])
        except StorageError:
            self.metrics.storage_failed()
            return
        self._note_damage()
        self._accept()

    def _log_incidents(self, incidents: Sequence[Incident], _: Sequence[HangEnd]) -> None:
        if self._memory.config.incidents.log:
            self._incident_log.write(incidents)

    async def tidy(self) -> None:
        """Expire and forget what is due; where storage failed, see whether it works again. Runs on a timer."""
        more = True
        while more:
            async with self._committing:
                more = await self._tidy()
            await asyncio.sleep(0)

    async def _tidy(self) -> bool:
        """Do no more of it at once than events can wait for; whether there may be more."""
        now, unix, draft = self._clock.steady(), self._clock.wall(), Draft(self._memory)
        self._notice_step(draft)
        expired = [self._change(increments) for increments in draft.tidy(now, _MAX_TIDY, unix)]
        if now >= self._retire_at:
            self._retire_at = now + _RETIRE_EVERY
            in_use = self._memory.in_use
            self._dropped += self.table.expire(now, lambda label, value: label == "assistant_id" and value in in_use)
            draft.forget_unused_assistants(now)
            draft.keep_usage(now)
            draft.incidents.forget_before(min(now, unix) - self._memory.config.incidents.retention)
        if expired or self._dropped or draft.changed or self._not_ready:
            await self._commit(draft, expired)
        return draft.touched >= _MAX_TIDY and self._not_ready is None

    def _notice_step(self, draft: Draft) -> None:
        """Say that somebody set the wall clock: events have their times from it, but nothing ages by it."""
        if step := self._clock.step():
            log(_log, logging.WARNING, "the clock was set", seconds=round(step, 1))
            self.metrics.clock_steps(1)
        draft.keep_clock(self._clock)

    def _change(self, increments: Iterable[Increment]) -> Change:
        return Change(self.table.resolve(increments, self._clock.wall(), self._clock.steady()))


async def _in_turns(items: Iterable[_T]) -> AsyncIterator[_T]:
    """The items, between which the loop turns now and then."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _MAX_BATCH == 0:
            await asyncio.sleep(0)
