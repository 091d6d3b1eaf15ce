"""Events that were acknowledged and not yet forwarded, in an SQLite file of their own.

This is the one file with bodies in it, so with people's words and numbers. It exists only where an operator chose
``ack: exporter``, is readable for its owner alone, and a body that was delivered or given up is overwritten.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from exporter.errors import StorageError, StoreLost
from exporter.logs import cause, log
from exporter.relay.queue_file import Destination, Queued, QueueFile
from exporter.relay.request import RelayRequest

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class _Job(NamedTuple):
    work: Callable[[QueueFile], Any]
    done: asyncio.Future[Any]


class RelayQueue:
    """A durable queue. One thread writes it, in one transaction for all that ask at the same time.

    Args:
        path: of the file, which is made when it is first needed; None keeps all in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._shelf = QueueFile(path)
        self._thread = ThreadPoolExecutor(1, "queue")
        self._jobs: deque[_Job] = deque()
        self._closed = False

    @property
    def waiting(self) -> dict[str, int]:
        """Events by platform."""
        return dict(self._shelf.waiting)

    async def load(self) -> bool:
        """Take over what an earlier process left; whether it left a file.

        Raises:
            StorageError: it can't be read.
        """
        if not self._shelf.exists:
            return False
        await self._do(lambda _: None)
        return True

    async def put(self, parcels: Mapping[str, RelayRequest]) -> None:
        """Keep parcels, by the target that each is for; on return they survive kill -9 and a power cut.

        Raises:
            StorageError: none of them was kept.
        """
        await self._do(lambda shelf: shelf.put(parcels))

    async def claim(self, now: float, slots: Callable[[Destination], int]) -> tuple[list[Queued], float | None]:
        """Take what is due at Unix time ``now``, for each destination so many; and when the next will be due.

        Each claim counts as an attempt. What is claimed is not due again until it is postponed or the file is opened
        again.

        Raises:
            StorageError: nothing was claimed.
        """
        return await self._do(lambda shelf: shelf.claim(now, slots))

    async def remove(self, queued: Queued) -> None:
        """Forget an event, and overwrite it.

        Raises:
            StorageError: it is still there.
        """
        await self._do(lambda shelf: shelf.remove(queued))

    async def postpone(self, queued: Queued, due: float) -> None:
        """Let an event be due again at Unix time ``due``.

        Raises:
            StorageError: it stays claimed.
        """
        await self._do(lambda shelf: shelf.postpone(queued, due))

    async def close(self) -> None:
        """Finish what was asked for. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shelf.close)
        self._thread.shutdown()

    async def _do(self, work: Callable[[QueueFile], _T]) -> _T:
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(work, done))
        self._thread.submit(self._run)
        return await done

    def _run(self) -> None:
        jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
        if not jobs:
            return
        try:
            given = self._shelf.run([job.work for job in jobs])
        except StoreLost as error:
            log(
                _log, logging.ERROR, "the relay's queue was damaged and quarantined: events are lost", reason=str(error)
            )
            given = [error] * len(jobs)
        except StorageError as error:
            given = [error] * len(jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            log(_log, logging.ERROR, "the relay's queue failed", error=cause(error))
            given = [StorageError("internal error")] * len(jobs)
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            jobs[0].done.get_loop().call_soon_threadsafe(_settle, jobs, given)


def _settle(jobs: Sequence[_Job], given: Sequence[Any]) -> None:
    for job, value in zip(jobs, given, strict=True):
        if job.done.done():
            continue
        if isinstance(value, StorageError):
            job.done.set_exception(value)
        else:
            job.done.set_result(value)
