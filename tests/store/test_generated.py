"""Any sequence of batches, restarts and failures leaves what dictionaries would hold."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.store.base import Batch
from exporter.store.database import Database
from tests.store.model import RAM, Model, batch, created, same
from tests.support.effort import effort

AMOUNTS = st.integers(-3, 2**70)
STATES = st.dictionaries(st.sampled_from([-(2**63), -1, *range(9), 2**63 - 1]), st.none() | st.binary(max_size=30))


class Restarts(RuleBasedStateMachine):
    """A database beside a model."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(dir=RAM)
        self.model = Model()
        self.next = 1
        self.database = self.opened()

    def opened(self) -> Database:
        """The database as a new process finds it: as it should be."""
        opened = Database(Path(self.directory.name), checkpoint_rows=4, checkpoint_bytes=3000)
        assert same(opened.load(), self.model.snapshot())
        return opened

    def drawn(self, data: st.DataObject, *, snapshot: bool) -> Batch:
        """A batch that fits what is there."""
        series = [created(self.next + n, 3) for n in range(data.draw(st.integers(0, 3)))]
        self.next += len(series) + data.draw(st.sampled_from([0, 300]))
        for one in series if snapshot else []:
            one.cells[:] = data.draw(st.lists(AMOUNTS, min_size=3, max_size=3))
        known = [one.id for one in series] + ([] if snapshot else [*self.model.series])
        cells = st.lists(st.tuples(st.integers(0, 2), AMOUNTS), max_size=3).map(tuple)
        some = st.lists(st.sampled_from(known), max_size=5) if known else st.just([])
        increments = [(number, data.draw(cells)) for number in data.draw(some)]
        return batch(
            series,
            increments,
            sorted(set(data.draw(some))),
            data.draw(STATES),
            data.draw(STATES),
            snapshot=snapshot,
            latest=[(number, data.draw(AMOUNTS)) for number in data.draw(some)],
        )

    @rule(data=st.data(), snapshot=st.sampled_from([False] * 9 + [True]))
    def commit(self, data: st.DataObject, snapshot: bool) -> None:
        """A batch is kept."""
        drawn = self.drawn(data, snapshot=snapshot)
        self.database.commit(drawn)
        self.database.tidy()
        self.model.commit(drawn)

    @rule()
    def restart(self) -> None:
        """The process ends in good order."""
        self.database.close()
        self.database = self.opened()

    @rule()
    def die(self) -> None:
        """The process ends without another word."""
        self.database.release()
        self.database = self.opened()

    @rule()
    def fail(self) -> None:
        """The storage fails, and the database is opened again."""
        self.database.disconnect()

    @invariant()
    def nothing_quarantined(self) -> None:
        """A sound database is never taken for a damaged one."""
        assert self.database.directory.quarantined is None

    def teardown(self) -> None:
        """One last look."""
        self.restart()
        self.database.close()
        self.directory.cleanup()


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(effort(30), stateful_step_count=25)
