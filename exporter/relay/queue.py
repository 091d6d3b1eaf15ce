"""Events that were acknowledged and not yet forwarded, in an SQLite file of their own.

This is the one file with bodies in it, so with people's words and numbers. It exists only where an operator chose
``ack: exporter``, is readable for its owner alone, and a body that was delivered or given up is overwritten.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, TypeVar

from exporter.errors import QueueFull, StorageError, StoreLost
from exporter.logs import cause, log
from exporter.relay.options import RelayOptions
from exporter.relay.queue_file import QueueFile
from exporter.relay.request import RelayRequest
from exporter.relay.schedule import Destination, Schedule, Scheduled

FILE_NAME: Final = "relay-queue.db"

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Queued(NamedTuple):
    """An event that was claimed.

    Attributes:
        id: its number.
        target: the URL of a further target; empty for the application that answers.
        attempts: how often it was claimed, this time included.
        request: what to send.
    """

    id: int
    target: str
    attempts: int
    request: RelayRequest

    @property
    def destination(self) -> Destination:
        """Whom it waits for."""
        return self.request.platform, self.target


class _Job(NamedTuple):
    work: Callable[[QueueFile], Any]
    done: asyncio.Future[Any]


class RelayQueue:
    """A durable queue. One thread writes it, in one transaction for all that ask at the same time.

    Args:
        options: where its file is, which is made when it is first needed, and how much it holds.
    """

    def __init__(self, options: RelayOptions) -> None:
        self._file = QueueFile(options.directory / FILE_NAME if options.directory else None)
        self._options = options
        self._schedule = Schedule()
        self._writing_events = 0
        self._writing_bytes = 0
        self._loading = asyncio.Lock()
        self._loaded = False
        self._thread = ThreadPoolExecutor(1, "queue")
        self._jobs: deque[_Job] = deque()
        self._closed = False

    @property
    def waiting(self) -> dict[str, int]:
        """Events by platform."""
        return dict(self._schedule.events)

    async def load(self) -> bool:
        """Take over what an earlier process left; whether it left a file.

        Raises:
            StorageError: it can't be read.
        """
        if not self._file.exists:
            return False
        await self._load()
        return True

    async def put(self, requests: Mapping[str, RelayRequest]) -> None:
        """Keep requests, by the target that each is for; on return they survive kill -9 and a power cut.

        Raises:
            StorageError: none of them was kept.
        """
        await self._load()
        with self._room(requests):
            self._schedule.add(*await self._do(lambda file: file.put(requests)))

    async def claim(self, now: float, slots: Callable[[Destination], int]) -> tuple[list[Queued], float | None]:
        """Take what is due at Unix time ``now``, for each destination so many; and when a postponed one will be due.

        Each claim counts as an attempt. What is claimed is not due again in this process until it is postponed.

        Raises:
            StorageError: nothing was claimed.
        """
        await self._load()
        if claimed := self._schedule.claim(now, slots):
            try:
                requests = await self._do(lambda file: file.begin(claimed))
            except StorageError:
                for waiting in claimed:
                    self._schedule.release(waiting.id)
                raise
            return [*map(_attempted, claimed, requests)], self._schedule.next_due()
        return [], self._schedule.next_due()

    async def remove(self, queued: Queued) -> None:
        """Forget an event, and overwrite it.

        Raises:
            StorageError: it is still there.
        """
        await self._do(lambda file: file.remove(queued.id))
        self._schedule.remove(queued.id)

    def postpone(self, queued: Queued, due: float) -> None:
        """Let an event be due again at Unix time ``due``, or as soon as another process takes over."""
        self._schedule.postpone(queued.id, due)

    async def close(self) -> None:
        """Finish what was asked for. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
        self._thread.shutdown()

    @contextmanager
    def _room(self, requests: Mapping[str, RelayRequest]) -> Iterator[None]:
        """Room for requests that are being written.

        Raises:
            QueueFull: there is none for all of them.
        """
        events, size = len(requests), sum(len(request.body) for request in requests.values())
        waiting = self._schedule.events.total() + self._writing_events + events
        if waiting > self._options.queued_events or (
            self._schedule.bytes + self._writing_bytes + size > self._options.queued_bytes
        ):
            raise QueueFull("too many events wait for the application")
        self._writing_events += events
        self._writing_bytes += size
        try:
            yield
        finally:
            self._writing_events -= events
            self._writing_bytes -= size

    async def _load(self) -> None:
        async with self._loading:
            if not self._loaded:
                loop = asyncio.get_running_loop()
                left = await loop.run_in_executor(self._thread, _outcome, self._file.load)
                if isinstance(left, StorageError):
                    raise left
                self._schedule.add(*left)
                self._loaded = True

    async def _do(self, work: Callable[[QueueFile], _T]) -> _T:
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(work, done))
        self._thread.submit(self._run)
        return await done

    def _run(self) -> None:
        jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
        if not jobs:
            return
        given = _outcome(lambda: self._file.run([job.work for job in jobs]))
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            jobs[0].done.get_loop().call_soon_threadsafe(self._settle, jobs, given)

    def _settle(self, jobs: Sequence[_Job], given: list[Any] | StorageError) -> None:
        if isinstance(given, StoreLost):
            self._schedule.clear()
        values = [given] * len(jobs) if isinstance(given, StorageError) else given
        for job, value in zip(jobs, values, strict=True):
            if job.done.done():
                continue
            if isinstance(value, StorageError):
                job.done.set_exception(value)
            else:
                job.done.set_result(value)


def _outcome(work: Callable[[], _T]) -> _T | StorageError:
    """What the work gives, or why it failed: whatever it is, those who wait must hear of it."""
    try:
        return work()
    except StoreLost as error:
        log(_log, logging.ERROR, "the relay's queue was damaged and quarantined: events are lost", reason=str(error))
        return error
    except StorageError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a bug must not stop the relay
        log(_log, logging.ERROR, "the relay's queue failed", error=cause(error))
        return StorageError("internal error")


def _attempted(waiting: Scheduled, request: RelayRequest) -> Queued:
    waiting.attempts += 1
    return Queued(waiting.id, waiting.target, waiting.attempts, request)
