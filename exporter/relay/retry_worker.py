"""Forwards what the queue holds: at once, and again with growing pauses while an application fails.

An event is sent again only if the attempt before failed, or if nobody knows the outcome of it because the exporter was
killed meanwhile. That attempt counts too, so the limit of attempts is never passed.
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
from exporter.relay.options import RelayOptions
from exporter.relay.queue import Queued, RelayQueue
from exporter.relay.schedule import Destination

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
        options: how much it tries.
    """

    def __init__(
        self,
        queue: RelayQueue,
        client: Client,
        metrics: SelfMetrics,
        find: Callable[[Destination], Endpoint | None],
        options: RelayOptions,
    ) -> None:
        self._queue = queue
        self._client = client
        self._metrics = metrics
        self._find = find
        self._options = options
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
            claimed, due = await self._queue.claim(now, self._slots)
        except StorageError as error:
            log(_log, logging.ERROR, "the relay's queue can't be read", reason=str(error))
            return self._options.storage_pause
        for queued in claimed:
            self._busy[queued.destination] += 1
            self._tasks[queued.id] = asyncio.create_task(self._deliver(queued))
        self._show()
        return None if due is None else max(0.0, due - now)

    def _slots(self, destination: Destination) -> int:
        return self._options.slots - self._busy[destination]

    async def _deliver(self, queued: Queued) -> None:
        try:
            problem = await self._send(queued)
            if problem is None:
                await self._remove(queued)
            elif queued.attempts >= self._options.attempts or not problem[1]:
                await self._give_up(queued, problem[0])
            else:
                pause = min(self._options.longest_pause, 2.0 ** (queued.attempts - 1))
                self._queue.postpone(queued, time.time() + pause)
        finally:
            del self._tasks[queued.id]
            self._busy[queued.destination] -= 1
            self._show()
            self._wake.set()

    async def _remove(self, queued: Queued) -> None:
        """Forget an event, however long storage refuses to: it must not be sent again meanwhile."""
        failed = False
        while True:
            try:
                return await self._queue.remove(queued)
            except StorageError as error:
                if not failed:
                    log(_log, logging.ERROR, "the relay's queue can't be written", reason=str(error))
                failed = True
            await asyncio.sleep(self._options.storage_pause)

    async def _send(self, queued: Queued) -> tuple[str, bool] | None:
        """Make an attempt: None where the event is delivered, else why not, and whether another may help."""
        destination = self._find(queued.destination)
        if destination is None:
            return "not configured any more", True
        if queued.attempts > self._options.attempts:
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
            return await self._client.copy(url, queued.request, seconds)
        async with self._client.exchange(url, queued.request, seconds) as answer:
            async for _ in answer.content.iter_any():
                pass
        return answer.status

    async def _give_up(self, queued: Queued, reason: str) -> None:
        await self._remove(queued)
        platform = queued.request.platform
        self._client.fail(platform, "given_up")
        log(
            _log,
            logging.ERROR,
            "an acknowledged event was not delivered",
            platform=platform,
            event=queued.request.event,
            attempts=queued.attempts,
            reason=reason,
        )

    def _show(self) -> None:
        for platform, events in self._queue.waiting.items():
            self._metrics.relay_waiting(platform, events)
