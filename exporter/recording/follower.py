"""What other processes committed to a shared store, brought into the memory of this one."""

from collections.abc import Callable, Sequence

from exporter.calls.incident import Incident
from exporter.metrics.catalogue import WEBHOOKS
from exporter.metrics.metric import Labels
from exporter.metrics.series_table import Exemplar, SeriesTable
from exporter.recording.calls_in_memory import CallsInMemory
from exporter.recording.clock import Clock
from exporter.recording.commits import Commits
from exporter.store.base import Batch, News, Snapshot


class Follower:
    """Takes news, between any two steps of a batch.

    Args:
        commits: whose batch under way may be outdated by it.
        memory: calls and assistants.
        table: series.
        clock: when the series of the news were used.
        tell: takes incidents that others reported, or whose outcome they know.

    Attributes:
        watchers: take each outcome of a webhook request that others counted (platform, event, outcome), and how often.
    """

    def __init__(
        self,
        commits: Commits,
        memory: CallsInMemory,
        table: SeriesTable,
        clock: Clock,
        tell: Callable[[Sequence[Incident]], None],
    ) -> None:
        self._commits = commits
        self._memory = memory
        self._table = table
        self._clock = clock
        self._tell = tell
        self.watchers: list[Callable[[Labels, int], None]] = []

    def take(self, news: News) -> None:
        """Take it all, at once.

        Raises:
            StorageError: a newer release wrote what this one can't read.
        """
        if news.exclusive:
            # What the batch under way created may exist by now.
            self._table.rollback()
            self._commits.outdated = True
        changed = self._begin_anew(news.anew) if news.anew else []
        for batch in news.batches:
            self._follow(batch)
            changed += self._memory.follow(batch.assistants)
        if changed:
            # Of one that several batches changed, the last is all of them.
            self._tell([*{incident.id: incident for incident in changed}.values()])

    def _begin_anew(self, snapshot: Snapshot) -> list[Incident]:
        """Take everything; the incidents in it that are new here."""
        numbered, stored = self._table.numbered(), {one.id: one for one in snapshot.series}
        self._table.remove([series for number, series in numbered.items() if number not in stored])
        for number, one in stored.items():
            if number in numbered:
                numbered[number].cells[:] = one.cells
            else:
                self._table.bring(one, self._clock.steady())
        self._table.number_from(snapshot.next_series)
        return self._memory.follow(dict(snapshot.assistants), anew=True)

    def _follow(self, batch: Batch) -> None:
        now = self._clock.steady()
        for one in batch.series:
            self._table.bring(one, now)
        numbered, increments = self._table.numbered(), iter(batch.increments)
        for count, call_id, time in batch.exemplars:
            exemplar = Exemplar(call_id, time) if call_id else None
            some = [(numbered.get(number), cells) for number, cells in (next(increments) for _ in range(count))]
            moved = [(series, cells) for series, cells in some if series is not None]
            self._table.move(moved, exemplar)
            for series, added in moved:
                if series.family.metric is WEBHOOKS:
                    self._show(series.labels, sum(amount for _, amount in added))
        for number, value in batch.latest:
            if number in numbered:
                cells = numbered[number].cells
                cells[0] = max(cells[0], value)
        if batch.dropped:
            self._table.remove([numbered[number] for number in batch.dropped if number in numbered])

    def _show(self, labels: Labels, count: int) -> None:
        for watcher in self.watchers:
            watcher(labels, count)
