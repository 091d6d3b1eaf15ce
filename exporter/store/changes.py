"""What several batches come to: the journal, summed up."""

from collections.abc import Iterable, Mapping

from msgspec import structs

from exporter.store.base import Batch, CellDeltas, Newer, StoredSeries, later


class Changes:
    """The sum of batches, to be applied to what was kept before them.

    An increment of a series that nobody knows changes nothing; a cell beyond the last one makes room for itself.

    Args:
        batches: in their order.
        newer: chooses between the records of an assistant.

    Attributes:
        calls: the records to add by key, after a None where the call was forgotten, in the order of the last mention.
        assistants: the state that remains by key, None where it is forgotten.
    """

    def __init__(self, batches: Iterable[Batch] = (), newer: Newer = later) -> None:
        self._newer = newer
        self.calls: dict[int, list[bytes | None]] = {}
        self.assistants: dict[int, bytes | None] = {}
        self._created: dict[int, StoredSeries] = {}
        self._amounts: dict[int, dict[int, int]] = {}
        self._latest: dict[int, int] = {}
        self._dropped: set[int] = set()
        for batch in batches:
            self.add(batch)

    def add(self, batch: Batch) -> None:
        """Take one more batch into the sum."""
        for one in batch.series:
            # The caller's own list goes on counting.
            self._created[one.id] = _copy(one)
        for number, cells in batch.increments:
            self._count(number, cells)
        self._latest.update(batch.latest)
        for number in batch.dropped:
            self._created.pop(number, None)
            self._amounts.pop(number, None)
            self._latest.pop(number, None)
            self._dropped.add(number)
        for key, record in batch.calls.items():
            records = self.calls.pop(key, [])
            self.calls[key] = [None] if record is None else [*records, record]
        self.assistants.update(self.remaining(self.assistants, batch.assistants))

    def remaining(
        self, kept: Mapping[int, bytes | None], changed: Mapping[int, bytes | None]
    ) -> dict[int, bytes | None]:
        """What remains of assistants that changed, given what was kept of them before."""
        return {
            key: record if record is None or (before := kept.get(key)) is None else self._newer(key, before, record)
            for key, record in changed.items()
        }

    def touched(self) -> set[int]:
        """Numbers of the series that change."""
        return self._dropped | self._created.keys() | self._amounts.keys() | self._latest.keys()

    def apply(self, number: int, series: dict[int, StoredSeries]) -> None:
        """Bring one series up to date."""
        if number in self._dropped:
            series.pop(number, None)
        if number in self._created:
            series[number] = _copy(self._created[number])
        if number in series:
            cells = series[number].cells
            for cell, amount in self._amounts.get(number, {}).items():
                cells.extend([0] * (cell + 1 - len(cells)))
                cells[cell] += amount
            if number in self._latest:
                cells[0] = self._latest[number]

    def _count(self, number: int, cells: CellDeltas) -> None:
        amounts = self._amounts.setdefault(number, {})
        for cell, amount in cells:
            amounts[cell] = amounts.get(cell, 0) + amount
            if cell == 0 and number in self._latest:
                self._latest[number] += amount


def _copy(one: StoredSeries) -> StoredSeries:
    return structs.replace(one, cells=[*one.cells])
