"""What the processes of a shared store count together, though no event causes it."""

import asyncio
from collections import Counter
from contextlib import suppress

from exporter.metrics.metric import Labels, Metric


class SharedCounts:
    """Counts that wait for a batch to keep them."""

    def __init__(self) -> None:
        self._counts = Counter[tuple[Metric, Labels]]()
        self._added = asyncio.Event()

    def add(self, metric: Metric, labels: Labels, amount: int) -> None:
        """Count."""
        self._counts[metric, labels] += amount
        self._added.set()

    async def wait(self, seconds: float) -> None:
        """Return once something was added, or so many seconds went by."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._added.wait(), seconds)
        self._added.clear()

    def waiting(self) -> list[tuple[Metric, Labels, int]]:
        """What is to be kept."""
        return [(metric, labels, amount) for (metric, labels), amount in self._counts.items()]

    def keep(self, kept: list[tuple[Metric, Labels, int]]) -> None:
        """Take off what is kept now; what was added meanwhile remains."""
        for metric, labels, amount in kept:
            self._counts[metric, labels] -= amount
            if not self._counts[metric, labels]:
                del self._counts[metric, labels]
