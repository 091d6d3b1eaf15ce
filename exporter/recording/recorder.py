"""Records events: all that are in flight are one batch, which is committed before series move and answers go out."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final

from exporter.calls import state_codec
from exporter.calls.incident import Incident
from exporter.config import Config
from exporter.errors import StorageError
from exporter.events import Event
from exporter.logs import log
from exporter.metrics.catalogue import CALLS_EVICTED, CALLS_EXPIRED, CALLS_TRACKED, LABEL_OVERFLOWS, MISSED_EVENTS
from exporter.metrics.label_limits import SERIES, LabelLimits
from exporter.metrics.label_values import FREE
from exporter.metrics.metric import Increment
from exporter.metrics.series_table import SeriesTable
from exporter.platforms import PLATFORMS
from exporter.recording import computed_metrics, incident_log
from exporter.recording.batch import Answer, Change, EventOutcome, Waiting, awaited, changes
from exporter.recording.calls_in_memory import CallsInMemory, Draft
from exporter.recording.clock import Clock, Noted
from exporter.recording.commits import HANG_SECONDS, Commits, Job
from exporter.recording.computed_metrics import ComputedFamily
from exporter.recording.follower import Follower
from exporter.recording.free_memory import give_back
from exporter.recording.incidents import newer
from exporter.recording.self_metrics import SelfMetrics
from exporter.recording.shared_counts import SharedCounts
from exporter.store.base import Due, Store

_MAX_BATCH: Final = 500
_TURNS: Final = 2
"""Turns of the loop that a batch waits for company: what arrives together is understood a turn or two apart."""
_MAX_QUEUE: Final = 10_000
_MAX_TIDY: Final = 100
"""Calls that expire or are forgotten at once; between such rounds the loop turns."""
_RETIRE_EVERY: Final = 60.0
"""Seconds between looks for label values that were unused for their time to live."""
_FROM_THE_START: Final[Sequence[Increment]] = (
    (CALLS_EVICTED, (), 0),
    (CALLS_EXPIRED, (), 0),
    *((LABEL_OVERFLOWS, (label,), 0) for label in (*FREE, SERIES)),
    *((MISSED_EVENTS, (name, event), 0) for name, platform in PLATFORMS.items() for event in sorted(platform.reported)),
)
"""Counters whose labels have few values, all known: at 0, they are neither missing nor born with their first event."""
_TICK: Final = 5.0
"""Seconds between rounds of expiry, and between attempts to reach a store that failed."""

_FOLLOW: Final = 1.0
"""Seconds between looks what others recorded."""
_LOOK: Final = 0.2
"""Seconds between looks whether a commit hangs."""

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
        follower: takes what other processes recorded.
        outdated: whether other processes may have recorded what this one can't know now.
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
        self._retire_at = 0.0
        self._stopping = False
        self.table = SeriesTable(self._labels, {f"voice_{name}": bounds for name, bounds in config.buckets.items()})
        self.metrics = SelfMetrics(self.table, self._clock.wall)
        self._commits = Commits(store, self._memory, self.table, self.metrics, hang_seconds)
        self._abandoning: asyncio.Task[None] | None = None
        self.incidents = self._memory.incidents
        self.incidents.log = self._log_incidents
        self.follower = Follower(self._commits, self._memory, self.table, self._clock, self._take_incidents)
        self.outdated = False
        self._refreshed = 0.0
        self._counts = SharedCounts()
        if store.shared:
            self.metrics.share = self._counts.add
        store.listen(self.follower.take, newer)

    @property
    def shared(self) -> bool:
        """Whether other processes record into the same store."""
        return self._store.shared

    @property
    def memory(self) -> CallsInMemory:
        """What is remembered of calls and assistants; to be read, never to be changed."""
        return self._memory

    @property
    def leads(self) -> bool:
        """Whether this process does what one of several has to do."""
        return self._store.leads

    @property
    def ready(self) -> str | None:
        """None while events can be kept, else the reason why not."""
        return self._commits.ready

    @property
    def abandoned(self) -> bool:
        """Whether a stop gave up on a commit that hangs."""
        return self._commits.abandoned

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
        if snapshot.now is None:
            self._memory.resume(self._clock, snapshot.assistants)
        else:
            # All that share a store age what is in it by its clock.
            self._clock.resume(Noted(self._clock.wall(), snapshot.now), 0.0)
            self._refreshed = self._clock.steady()
        usage = self._memory.load_usage(snapshot.assistants)
        restored = self.table.load(snapshot.series, usage, self._clock.steady())
        for name in restored.families:
            log(_log, logging.WARNING, "series start at 0: bounds or labels of the metric changed", metric=name)
        self.table.number_from(snapshot.next_series)
        # In a shared store they may be another release's, which counts on.
        self._commits.dropped = [] if self.shared else list(restored.ids)
        self._commits.note_damage()

    async def start(self) -> None:
        """Begin to take events; ready once a first commit has shown that the store keeps one."""
        self.metrics.begin_storage(shared=self.shared)
        self.metrics.clock_steps(0)
        async with self._commits.lock:
            await self._commits.run(Job(partial(self._store.borrow, ()), self._first))
        loops = [self._commit_loop(), self._tick_loop(), *([self._follow_loop()] if self.shared else [])]
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def _first(self, draft: Draft) -> list[Change]:
        self._keep_clock(draft)
        return [self._change(_FROM_THE_START)]

    async def refresh(self) -> None:
        """Know all that was kept before this call, whichever process recorded it; where that fails, be `outdated`."""
        began = self._clock.steady()
        try:
            await self._store.refresh()
        except StorageError as error:
            self.outdated = True
            if self._commits.ready is None:
                self._commits.fail(error)
        else:
            self.outdated = False
            self._refreshed = began

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
        self._stopping = self._commits.stopping = True
        self._commits.not_ready = "stopping"
        self._wake.set()
        if self._tasks:
            committing, *others = self._tasks
            async with self._commits.lock:
                for task in others:
                    task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await committing
        self._commits.begin()
        await self._store.close()

    async def _abandon_hung(self) -> None:
        """Once a commit hangs, answer all that wait: a stop can't wait for the disk.

        Whether that commit is kept shows at the next start. Nothing more is taken.
        """
        while True:
            await asyncio.sleep(_LOOK)
            if self._commits.hangs():
                break
        self._stopping = True
        events = self._commits.abandon() + len(self._queue)
        log(_log, logging.ERROR, "storage hangs, events are abandoned", events=events)
        while self._queue:
            self._queue.popleft().respond(StorageError("storage hangs"))

    def configure(self, config: Config) -> None:
        """Take a reloaded configuration; buckets and labels stay as they were at the start."""
        self._memory.configure(config)

    def assistant_name(self, platform: str, assistant: str) -> str:
        """The latest known name of an assistant; empty where none is."""
        known = self._memory.assistants.get((platform, assistant))
        return known.name if known else ""

    def derived(self) -> list[ComputedFamily]:
        """Families that follow from the state, for a scrape."""
        if self.shared:
            return computed_metrics.of_all_replicas(self._memory, self._labels, self.table, outdated=self.outdated)
        return computed_metrics.derived(self._memory, self._labels, self.table)

    def derived_of_replica(self) -> list[ComputedFamily]:
        """Those of this process alone, where others share the store."""
        lag = self._clock.steady() - self._refreshed
        return computed_metrics.of_replica(outdated=self.outdated, lag=lag)

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
        calls = {each.event.call for each in waiting if each.event.call is not None}

        async def fold(draft: Draft) -> list[Change]:
            return changes(draft, self.table, waiting)

        async with self._commits.lock:
            await self._commits.run(Job(partial(self._store.borrow, calls), fold, waiting))

    async def _tick_loop(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            await self.tidy()

    def _take_incidents(self, incidents: Sequence[Incident]) -> None:
        """Pass on what another process reported."""
        self.incidents.notify(incidents, own=False)

    def _log_incidents(self, incidents: Sequence[Incident]) -> None:
        if self._memory.config.incidents.log:
            incident_log.write(incidents)

    async def _follow_loop(self) -> None:
        """See what others record, and whether the store is there, though nobody asks for either."""
        while True:
            await self._counts.wait(_FOLLOW)
            await self.refresh()
            if self._commits.not_ready or self.outdated or self._counts.waiting():
                await self._commit_counts()

    async def _commit_counts(self) -> None:
        """Keep what all processes count together, none perhaps; that shows as well whether anything is kept."""
        counts = self._counts.waiting()

        async def fold(_: Draft) -> list[Change]:
            return [self._change(counts)]

        async with self._commits.lock:
            await self._commits.run(Job(partial(self._store.borrow, ()), fold))
        if self._commits.not_ready is None:
            self._counts.keep(counts)

    async def tidy(self) -> None:
        """Expire and forget what is due; where storage failed, see whether it works again. Runs on a timer."""
        more = True
        while more:
            async with self._commits.lock:
                changed = await self._commits.run(self._expiry())
            more = changed >= _MAX_TIDY and self._commits.not_ready is None
            await asyncio.sleep(0)
        now = self._clock.steady()
        if now >= self._retire_at:
            self._retire_at = now + _RETIRE_EVERY
            async with self._commits.lock:
                dropping = self.shared and self.table.has_unused(now)
                await self._commits.run(Job(self._borrow_nothing_due, self._retire, dropping=dropping, always=False))

    def _expiry(self) -> Job:
        """Do no more of it at once than events can wait for."""
        now, calls = self._clock.steady(), self._memory.config.calls
        excess = max(0, self.table.value(CALLS_TRACKED, ()) - calls.max_tracked)
        due = Due(now - calls.idle_timeout, now - calls.retention, excess, _MAX_TIDY)

        async def fold(draft: Draft) -> list[Change]:
            self._notice_step(draft)
            excess = due.excess if self.shared else None
            return [self._change(some) for some in draft.tidy(now, _MAX_TIDY, self._clock.wall(), excess)]

        return Job(partial(self._store.borrow_due, due), fold, always=bool(self._commits.not_ready))

    async def _borrow_nothing_due(self) -> list[tuple[int, bytes]] | None:
        return await self._store.borrow_due(Due(0.0, 0.0, 0, 0))

    async def _retire(self, draft: Draft) -> list[Change]:
        """Let go what was unused for its time to live."""
        now, unix = self._clock.steady(), self._clock.wall()
        in_use: Collection[str] = self._memory.in_use
        if self.shared:
            in_use = await self._store.groups_in_use()
        # Without the claim others may use at this moment what seems unused.
        if not self.shared or self._commits.claimed:
            self._commits.dropped += self.table.expire(
                now, lambda label, value: label == "assistant_id" and value in in_use
            )
        draft.forget_unused_assistants(now, in_use)
        draft.keep_usage(now)
        draft.incidents.forget_before(min(now, unix) - self._memory.config.incidents.retention)
        return []

    def _notice_step(self, draft: Draft) -> None:
        """Say that somebody set the wall clock: events have their times from it, but nothing ages by it."""
        if step := self._clock.step():
            log(_log, logging.WARNING, "the clock was set", seconds=round(step, 1))
            self.metrics.clock_steps(1)
        self._keep_clock(draft)

    def _keep_clock(self, draft: Draft) -> None:
        if not self.shared:
            draft.keep_clock(self._clock)

    def _change(self, increments: Iterable[Increment]) -> Change:
        return Change(self.table.resolve(increments, self._clock.wall(), self._clock.steady()))
