"""A store in one SQLite file, written by one thread, so that a disk makes no event loop wait."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from exporter.logs import cause, log
from exporter.store.base import JOINED, Batch, Merge, Snapshot, UnsharedStore
from exporter.store.database import CHECKPOINT_ROWS, Database

_log = logging.getLogger(__name__)


class SqliteStore(UnsharedStore):
    """Keeps batches in ``voice-exporter.db`` in a directory of its own.

    A batch that was handed over is kept even if nobody waits for it any more: the task may be cancelled, the loop
    stopped, the process about to exit.

    Args:
        directory: where the database is.
        checkpoint_rows: rows of a journal that is due for a checkpoint.
    """

    def __init__(self, directory: Path, *, checkpoint_rows: int = CHECKPOINT_ROWS) -> None:
        self._database = Database(directory, checkpoint_rows=checkpoint_rows)
        self._thread = ThreadPoolExecutor(1, "store")
        self._closed = False

    @property
    def quarantined(self) -> str | None:
        """The name that the last damaged database was given; None where there was none."""
        return self._database.directory.quarantined

    def load(self, merge: Merge = JOINED) -> Snapshot:
        """Everything kept so far; nothing, where the database was damaged and had to be quarantined.

        Raises:
            StorageError: the store can't be read, or another process has it.
        """
        return self._thread.submit(self._database.load, merge).result()

    async def commit(self, batch: Batch) -> None:
        """Keep the batch; on return it survives kill -9 and a power cut.

        Raises:
            StorageError: nothing of the batch was kept.
            StoreLost: as before, and every batch is refused until a snapshot comes.
        """
        kept = asyncio.get_running_loop().create_future()
        self._thread.submit(self._commit, batch, kept)
        await kept

    async def close(self) -> None:
        """Finish what was handed over, checkpoint the journal, release the directory. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()

    def _commit(self, batch: Batch, kept: asyncio.Future[None]) -> None:
        error: Exception | None = None
        try:
            self._database.commit(batch)
        except Exception as caught:  # noqa: BLE001 - whatever it is, the one who waits must hear of it
            error = caught
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            kept.get_loop().call_soon_threadsafe(_settle, kept, error)
        try:
            self._database.tidy()
        except Exception as caught:  # noqa: BLE001 - nobody waits for this, so the log must say it
            log(_log, logging.ERROR, "storage has a bug, please report it", error=cause(caught))


def _settle(kept: asyncio.Future[None], error: Exception | None) -> None:
    if kept.done():
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)
