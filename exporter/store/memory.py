"""Keeps nothing: what the process knows is gone with it (``--storage.path=''``)."""

from exporter.store.base import Batch, Snapshot


class MemoryStore:
    """A store for those who want no file; counters start at 0 with a new created timestamp at every start."""

    quarantined = None

    def load(self) -> Snapshot:
        """Nothing."""
        return Snapshot([], [], [])

    async def commit(self, batch: Batch) -> None:
        """Succeed: the series in memory are all there is."""

    async def close(self) -> None:
        """Nothing to release."""
