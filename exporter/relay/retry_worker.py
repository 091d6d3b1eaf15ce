"""Forwards what the queue holds: at once, and again with growing pauses while an application fails.

An event is sent again only if the attempt before failed, or if nobody knows the outcome of it because the exporter was
killed or its storage failed meanwhile. That attempt counts too, so `MAX_ATTEMPTS` is never passed.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from exporter.errors import RelayError, StorageError
from exporter.logs import cause, log
from exporter.recording.self_metrics import SelfMetrics
from exporter.relay.client import Client
from exporter.relay.queue import RelayQueue
from exporter.relay.queue_file import Destination, Queued

MAX_ATTEMPTS: Final = 20
"""With the pauses between them about two hours."""
MAX_PAUSE: Final = 600.0
"""Seconds; the first pause is 1, each next one twice as long."""
SLOTS: Final = 16
"""Requests at once to one application."""
STORAGE_PAUSE: Final = 5.0
"""Seconds until a file that can't be read is tried again."""

_AGAIN: Final = frozenset({408, 425, 429})
"""Answers below 500 that ask for another attempt."""

Endpoint: TypeAlias = tuple[str, float]
"""URL, and the seconds that an answer may take."""

_log = logging.getLogger(__name__)


class RetryWorker:
    """Empties the queue.

    Args:
        queue: what waits.
        client: what sends it.
        metrics: takes what is counted.
        find: where a destination leads now; None where it is not configured any more.
    """

    def __init__(
        self, queue: RelayQueue, client: Client, metrics: SelfMetrics, find: Callable[[Destination], Endpoint | None]
    ) -> None:
        self._queue = queue
        self._client = client
        self._metrics = metrics
        self._find = find
        self._wake = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.Task[None] | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._busy: Counter[Destination] = Counter()

    def wake(self) -> None:
        """Look at the queue now: something is in it."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._run())
        self._show()
        self._wake.set()

    async def stop(self, seconds: float) -> None:
        """Begin nothing more, and let what is in flight finish, for so long; the rest waits for the next start."""
        if self._loop is None:
            return
        self._stopping = True
        self._wake.set()
        await self._loop
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            pause = await self._begin()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _begin(self) -> float | None:
        """Begin with what is due; the seconds until there is more, None where nothing waits."""
        now = time.time()
        try:
            claimed, due = await self._queue.claim(now, lambda destination: SLOTS - self._busy[destination])
        except StorageError as error:
            log(_log, logging.ERROR, "the relay's queue can't be read", reason=str(error))
            return STORAGE_PAUSE
        for queued in claimed:
            # A file that failed is opened anew, and then what is in flight is due once more.
            if queued.id not in self._tasks:
                self._busy[queued.destination] += 1
                self._tasks[queued.id] = asyncio.create_task(self._deliver(queued))
        self._show()
        return None if due is None else max(0.0, due - now)

    async def _deliver(self, queued: Queued) -> None:
        try:
            problem = await self._send(queued)
            if problem is None:
                await self._queue.remove(queued)
            elif queued.attempts >= MAX_ATTEMPTS or not problem[1]:
                await self._give_up(queued, problem[0])
            else:
                await self._queue.postpone(queued, time.time() + min(MAX_PAUSE, 2.0 ** (queued.attempts - 1)))
        except StorageError as error:
            log(_log, logging.ERROR, "the relay's queue can't be written", reason=str(error))
        finally:
            del self._tasks[queued.id]
            self._busy[queued.destination] -= 1
            self._show()
            self._wake.set()

    async def _send(self, queued: Queued) -> tuple[str, bool] | None:
        """Make an attempt: None where the event is delivered, else why not, and whether another may help."""
        destination = self._find(queued.destination)
        if destination is None:
            return "not configured any more", True
        if queued.attempts > MAX_ATTEMPTS:
            return "killed during the last attempt", False
        try:
            status = await self._exchange(queued, *destination)
        except RelayError as failure:
            return failure.reason, True
        except Exception as error:  # noqa: BLE001 - whatever it is, the event must not be stuck
            return cause(error), True
        if 200 <= status < 300:
            return None
        return f"answered {status}", status >= 500 or status in _AGAIN

    async def _exchange(self, queued: Queued, url: str, seconds: float) -> int:
        if queued.target:
            return await self._client.copy(url, queued.parcel, seconds)
        async with self._client.exchange(url, queued.parcel, seconds) as answer:
            async for _ in answer.content.iter_any():
                pass
        return answer.status

    async def _give_up(self, queued: Queued, reason: str) -> None:
        await self._queue.remove(queued)
        parcel = queued.parcel
        self._client.fail(parcel.platform, "given_up")
        log(
            _log,
            logging.ERROR,
            "an acknowledged event was not delivered",
            platform=parcel.platform,
            event=parcel.event,
            attempts=queued.attempts,
            reason=reason,
        )

    def _show(self) -> None:
        for platform, events in self._queue.waiting.items():
            self._metrics.relay_waiting(platform, events)
