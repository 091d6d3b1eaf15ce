"""What a store must hold, kept in the plainest way, and batches to fill it with."""

from pathlib import Path

from exporter.store.base import Batch, CellDeltas, Snapshot, StoredSeries
from exporter.store.database import Database
from exporter.store.schema import LAYOUT
from exporter.store.sqlite_file import Layout


def batch(
    series: list[StoredSeries] | None = None,
    increments: list[tuple[int, CellDeltas]] | None = None,
    dropped: list[int] | None = None,
    calls: dict[int, bytes | None] | None = None,
    assistants: dict[int, bytes | None] | None = None,
    *,
    snapshot: bool = False,
    latest: list[tuple[int, int]] | None = None,
) -> Batch:
    """A batch of what the test is about."""
    return Batch(series or [], increments or [], dropped or [], calls or {}, assistants or {}, snapshot, latest or [])


def created(number: int, cells: int = 1) -> StoredSeries:
    """A new series."""
    return StoredSeries(number, "voice_hangs_total", ("vapi", f"assistant-{number}"), 1.5e9 + number, 7, [0] * cells)


def numbered(number: int) -> Batch:
    """The batch of that number: series 1 counts batches, and series, calls and assistants come and go."""
    begins = [created(1, 4), *(created(n) for n in range(2, 400))] if number == 1 else [created(1000 + number, 2)]
    increments: list[tuple[int, CellDeltas]] = [(1, ((0, 1), (1 + number % 3, number)))]
    increments += [(2 + (number * step) % 390, ((0, step),)) for step in range(1, 8)]
    return batch(
        begins,
        increments,
        [1000 + number - 5] if number > 6 else [],
        {number * 7919 % 50: b"call %d " % number * 20, number * 31 % 50: None},
        {number % 5: b"assistant %d" % number},
    )


RAM = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a directory in it is made safely
"""Where files are as real as on a disk, for tests of many commits in which nothing depends on a sync."""


class Model:
    """A store that is nothing but dictionaries."""

    def __init__(self, *batches: Batch) -> None:
        self.series: dict[int, StoredSeries] = {}
        self.calls: dict[int, bytes] = {}
        self.assistants: dict[int, bytes] = {}
        for one in batches:
            self.commit(one)

    def commit(self, new: Batch) -> None:
        """Do what the batch says, in the order of its fields."""
        if new.snapshot:
            self.series, self.calls, self.assistants = {}, {}, {}
        for one in new.series:
            self.series[one.id] = StoredSeries(one.id, one.metric, one.labels, one.created, one.shape, [*one.cells])
        for number, cells in new.increments:
            for cell, amount in cells:
                self.series[number].cells[cell] += amount
        for number, value in new.latest:
            self.series[number].cells[0] = value
        for number in new.dropped:
            del self.series[number]
        for key, record in new.calls.items():
            before = self.calls.pop(key, b"")
            if record is not None:
                self.calls[key] = before + record
        self.assistants |= {key: state for key, state in new.assistants.items() if state is not None}
        for key in [key for key, state in new.assistants.items() if state is None]:
            self.assistants.pop(key, None)

    def snapshot(self) -> Snapshot:
        """All of it."""
        series = [self.series[number] for number in sorted(self.series)]
        return Snapshot(series, [*self.calls.items()], [*self.assistants.items()])


def same(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots hold the same; the order of assistants means nothing."""
    return (one.series, one.calls, sorted(one.assistants)) == (other.series, other.calls, sorted(other.assistants))


def kept(directory: Path, layout: Layout = LAYOUT) -> Snapshot:
    """What the next process finds there; nothing of it may be damaged."""
    database = Database(directory, layout=layout)
    snapshot = database.load()
    database.close()
    assert database.directory.quarantined is None
    return snapshot


def files(directory: Path) -> dict[str, int]:
    """Name and mode of each file there."""
    return {path.name: path.stat().st_mode for path in directory.iterdir()}
