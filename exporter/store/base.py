"""What a store keeps and promises: batches that are durable as a whole or not at all.

A store knows nothing of calls or metrics. A series is a list of whole numbers (cells), an increment adds to some of
them, and everything else is an opaque blob under a number.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

CellDeltas: TypeAlias = tuple[tuple[int, int], ...]
"""Amounts to add by cell. Cell 0 is a counter's value or a histogram's sum, the others a histogram's bucket counts."""


Merge: TypeAlias = Callable[[Sequence[bytes]], bytes]
"""Makes one record of the records of a call, which are given in their order and need not begin with the first."""

JOINED: Final[Merge] = b"".join


class StoredSeries(Struct, array_like=True, gc=False):
    """A series as it is kept.

    Attributes:
        id: its number, never used twice.
        metric: name of the metric family.
        labels: label values, in the order of the metric's label names.
        created: Unix time in seconds at which it began.
        shape: identifies the bucket bounds that the cells belong to.
        cells: the values; a new series starts with all of them 0, one of a snapshot batch with what it has.
    """

    id: int
    metric: str
    labels: tuple[str, ...]
    created: float
    shape: int
    cells: list[int]


class Batch(Struct):
    """What one commit keeps, as a whole or not at all.

    What a commit writes follows from what it adds: neither a series nor a call is written whole where a part changed.

    Attributes:
        series: series created in this batch, cells all 0 unless the batch is a snapshot.
        increments: series number and the amounts to add, in order.
        dropped: numbers of series that are gone.
        calls: a record to add to those of a call, by key; None where the call is forgotten. A key is a signed 64-bit
            number.
        assistants: encoded assistants, incidents and the like by key; None where one is forgotten.
        snapshot: the batch is all there is, and takes the place of everything kept before.
    """

    series: list[StoredSeries]
    increments: list[tuple[int, CellDeltas]]
    dropped: list[int]
    calls: dict[int, bytes | None]
    assistants: dict[int, bytes | None]
    snapshot: bool = False


class Snapshot(Struct):
    """All that a store holds. Calls, their records merged, come in the order of their last commit, oldest first."""

    series: list[StoredSeries]
    calls: list[tuple[int, bytes]]
    assistants: list[tuple[int, bytes]]


class Store(Protocol):
    """Where batches are kept."""

    @property
    def quarantined(self) -> str | None:
        """The name that the last damaged database was given; None where there was none."""

    def load(self, merge: Merge = JOINED) -> Snapshot:
        """Everything kept so far. Called once, before the first commit.

        Args:
            merge: what makes one record of several; it may be called in a thread of the store.

        Raises:
            StorageError: the store can't be read, or another process has it.
        """

    async def commit(self, batch: Batch) -> None:
        """Keep the batch; on return it survives kill -9. One commit at a time.

        Raises:
            StorageError: nothing of the batch was kept; a later commit may succeed again.
            StoreLost: as before, and every batch is refused until a snapshot comes.
        """

    async def close(self) -> None:
        """Finish and release what is held."""
