"""Keeps nothing: what the process knows is gone with it (``--storage.path=''``)."""

from exporter.store.base import JOINED, Batch, Merge, Snapshot, UnsharedStore


class MemoryStore(UnsharedStore):
    """A store for those who want no file; counters start at 0 with a new created timestamp at every start."""

    quarantined = None

    def load(self, merge: Merge = JOINED) -> Snapshot:  # noqa: ARG002 - part of the protocol
        """Nothing."""
        return Snapshot([], [], [])

    async def commit(self, batch: Batch) -> None:
        """Succeed: the series in memory are all there is."""

    async def close(self) -> None:
        """Nothing to release."""
