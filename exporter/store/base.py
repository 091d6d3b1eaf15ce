"""What a store keeps and promises: batches that are durable as a whole or not at all.

A store knows nothing of calls or metrics. A series is a list of whole numbers (cells), an increment adds to some of
them, and everything else is an opaque blob under a number.

A batch is made in three steps: borrow the calls it needs, fold, commit. A store of one process lends nothing, because
the process has all calls in its memory. One that several processes share lends each call to one of them at a time.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

CellDeltas: TypeAlias = tuple[tuple[int, int], ...]
"""Amounts to add by cell. Cell 0 is a counter's value or a histogram's sum, the others a histogram's bucket counts."""


Merge: TypeAlias = Callable[[Sequence[bytes]], bytes]
"""Makes one record of the records of a call, which are given in their order and need not begin with the first."""

JOINED: Final[Merge] = b"".join

Newer: TypeAlias = Callable[[int, bytes, bytes], bytes]
"""Says which of two records of an assistant or the like remains, given their key.

The second is the later one as far as a store can tell. Exclusive batches of several processes follow each other, the
others come in any order.
"""


def later(_: int, __: bytes, record: bytes) -> bytes:
    """The second, where all come in their order."""
    return record


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


class CallRow(Struct, frozen=True, gc=False):
    """A call as a shared store keeps it: whole, and with what its expiry is found by.

    Attributes:
        record: its state.
        open: it may still go on.
        used: steady time of its last event, in seconds.
        group: the label value that it holds while it is open.
    """

    record: bytes
    open: bool
    used: float
    group: str


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
        latest: series number and what its first cell is from now on, after the increments.
        rows: instead of ``calls``, for a shared store: calls by key; None where one is forgotten.
        exemplars: for a shared store: how many increments follow those of the exemplar before, the call id and the
            Unix time of the measurement; the id is empty where these increments have no exemplar.
    """

    series: list[StoredSeries]
    increments: list[tuple[int, CellDeltas]]
    dropped: list[int]
    calls: dict[int, bytes | None]
    assistants: dict[int, bytes | None]
    snapshot: bool = False
    latest: list[tuple[int, int]] = []
    rows: dict[int, CallRow | None] = {}
    exemplars: list[tuple[int, str, float]] = []


class Snapshot(Struct):
    """All that a store holds. Calls, their records merged, come in the order of their last commit, oldest first.

    Attributes:
        next_series: for a shared store: the number of the next series; above all that there were.
        now: for a shared store: its clock, Unix time in seconds.
    """

    series: list[StoredSeries]
    calls: list[tuple[int, bytes]]
    assistants: list[tuple[int, bytes]]
    next_series: int = 1
    now: float | None = None


class News(Struct):
    """What other processes committed to a shared store.

    Attributes:
        batches: in an order in which they can be applied; their calls are left out.
        anew: everything, in place of all that was known; the batches come after it.
        exclusive: one of them is exclusive (`Store.claim`).
    """

    batches: list[Batch]
    anew: Snapshot | None = None
    exclusive: bool = False


class Due(Struct, frozen=True):
    """Calls that are to be expired or forgotten.

    Attributes:
        silent_before: steady time; open calls whose last event was before expire.
        ended_before: steady time; other calls whose last event was before are forgotten.
        excess: how many calls are to go, however recent they are.
        limit: how many of each kind are borrowed at once.
    """

    silent_before: float
    ended_before: float
    excess: int
    limit: int


class Store(Protocol):
    """Where batches are kept."""

    @property
    def shared(self) -> bool:
        """Whether other processes use it, too: calls are borrowed, and what the others commit is news."""

    @property
    def leads(self) -> bool:
        """Whether this process does what one of all that share the store has to do.

        As a rule it is one of them; for some seconds it may be none or several, and all where nobody can know.
        """

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

    def listen(self, take: Callable[[News], None], newer: Newer = later) -> None:
        """Hand on what others committed, each commit once: in `refresh`, `borrow`, `claim` and `read_news`.

        Args:
            take: takes it.
            newer: chooses between records of a key; it may be called in a thread of the store.
        """

    async def refresh(self) -> None:
        """Read what others committed before this call.

        Raises:
            StorageError: that can't be known now.
        """

    async def borrow(self, calls: Collection[int]) -> list[tuple[int, bytes]]:
        """Key and state of each of these calls that is known; until `commit` or `abort`, no other process has them.

        Raises:
            StorageError: nothing can be kept now.
            StoreConflict: another process was in the way; begin again.
        """

    async def borrow_due(self, due: Due) -> list[tuple[int, bytes]] | None:
        """As `borrow`, the calls that are due, oldest first; None while another process sees to them."""

    async def claim(self, *, dropping: bool = False) -> None:
        """Make the batch under way an exclusive one: such batches follow each other.

        Exclusive is what changes more than values, calls and incidents: new series, assistants, what is dropped.
        Whoever commits that must know what all earlier exclusive batches changed, so those are read here.

        Args:
            dropping: the batch drops series, so nobody may add to any until it is kept or aborted.

        Raises:
            StorageError: as in `borrow`.
            StoreConflict: as in `borrow`.
        """

    async def groups_in_use(self) -> Collection[str]:
        """The groups of open calls; asked of a shared store only, in a batch under way.

        Raises:
            StorageError: as in `borrow`.
        """

    async def read_news(self) -> None:
        """As `refresh`, in a batch under way: of a call that was borrowed, all is known that was committed with it.

        Raises:
            StorageError: as in `borrow`.
            StoreConflict: as in `borrow`.
        """

    async def number_incidents(self, count: int, above: int) -> list[int]:
        """So many numbers, ascending, above that one, that nobody else gets; asked of a shared store in a batch.

        Raises:
            StorageError: as in `borrow`.
        """

    async def abort(self, *, outdated: bool = False) -> None:
        """Give up the batch under way.

        Args:
            outdated: the caller has let go what the store still has, and is to be told everything anew.
        """

    async def commit(self, batch: Batch) -> None:
        """Keep the batch; on return it survives kill -9. One commit at a time.

        Raises:
            StorageError: nothing of the batch was kept; a later commit may succeed again.
            StoreConflict: as before; another process was in the way, so begin again.
            StoreLost: as before, and every batch is refused until a snapshot comes.
        """

    async def close(self) -> None:
        """Finish and release what is held."""


class UnsharedStore:
    """What a store of one process has of the steps of a batch: nothing to lend and no news."""

    shared: Final = False
    leads: Final = True

    def listen(self, take: Callable[[News], None], newer: Newer = later) -> None:
        """There is no news."""

    async def refresh(self) -> None:
        """Nobody else commits."""

    async def borrow(self, calls: Collection[int]) -> list[tuple[int, bytes]]:  # noqa: ARG002 - part of the protocol
        """Nothing: the process has its calls in memory."""
        return []

    async def borrow_due(self, due: Due) -> list[tuple[int, bytes]] | None:  # noqa: ARG002 - part of the protocol
        """Nothing: the process has its calls in memory."""
        return []

    async def claim(self, *, dropping: bool = False) -> None:
        """Every batch is exclusive."""

    async def groups_in_use(self) -> Collection[str]:
        """Never asked."""
        return ()

    async def read_news(self) -> None:
        """Nobody else commits."""

    async def number_incidents(self, count: int, above: int) -> list[int]:
        """Those that follow: nobody else takes any."""
        return [*range(above + 1, above + 1 + count)]

    async def abort(self, *, outdated: bool = False) -> None:
        """Nothing is held."""
