"""A power cut at any moment: what was acknowledged is on the disk, exactly, and the next start finds it."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from exporter.store.base import Snapshot
from exporter.store.database import Database
from tests.store.model import RAM, Model, batch, kept, numbered, same
from tests.support.power_cuts import Cut, Trace, trace

CUTS = 60


@pytest.fixture
def work() -> Iterator[Path]:
    """Where files are written fast."""
    with tempfile.TemporaryDirectory(dir=RAM) as directory:
        yield Path(directory)


def noting(work: Path, commits: int, damage: int = 0) -> Trace:
    """A process that commits and notes what was kept."""
    command = [sys.executable, "-m", "tests.store.child", "noting", str(work / "data"), str(commits), str(damage)]
    return trace(command, work / "data", work)


def noted(cut: Cut) -> int:
    """The last batch that was acknowledged before the cut; 0 where there was none."""
    return int((cut.notes.split() or [b"0"])[-1])


def after(cut: Cut, work: Path) -> Snapshot:
    """What the next process finds; it goes on with it, and so does the one after it."""
    directory = cut.restore(work / "cut")
    database = Database(directory)
    found = database.load()
    database.commit(batch(calls={77: b"goes on"}))
    database.close()
    assert same(kept(directory), Snapshot(found.series, [*found.calls, (77, b"goes on")], found.assistants)), cut.where
    shutil.rmtree(directory)
    return found


def check(cut: Cut, work: Path) -> None:
    """All that was acknowledged is there, in whole batches."""
    found = after(cut, work)
    count = found.series[0].cells[0] if found.series else 0
    assert count in {noted(cut), noted(cut) + 1}, cut.where
    assert same(found, Model(*map(numbered, range(1, count + 1))).snapshot()), cut.where


def test_committing(work: Path) -> None:
    """From the first start on, checkpoints and the end in good order included."""
    traced = noting(work, 20)
    for cut in traced.cuts(Random(1), CUTS):
        check(cut, work)


def test_committing_again(work: Path) -> None:
    """A second process goes on where the first one ended."""
    noting(work, 12)
    (work / "data" / "notes").unlink()
    for cut in noting(work, 15).cuts(Random(2), CUTS):
        check(Cut(cut.files, cut.notes or b"12", cut.where), work)


def test_quarantined_at_the_start(work: Path) -> None:
    """A database that is found damaged takes nothing of the new one with it, whatever the disk holds of either."""
    killed = Database(work / "data")
    killed.load()
    for number in range(1, 31):
        killed.commit(numbered(number))
        killed.tidy()
    killed.release()
    with (work / "data" / "voice-exporter.db").open("r+b") as file:
        file.write(b"damaged!" * 100)
    for cut in noting(work, 12).cuts(Random(3), CUTS):
        check(cut, work)


def test_quarantined_while_it_runs(work: Path) -> None:
    """A snapshot in the place of a damaged database is there from its acknowledgement on."""
    for cut in noting(work, 20, damage=12).cuts(Random(4), CUTS):
        found = after(cut, work)
        count = found.series[0].cells[0] if found.series else 0
        # The damage itself may be what survives of that moment.
        assert count in {noted(cut), noted(cut) + 1} or (noted(cut) == 11 and not found.series), cut.where
        assert same(found, Model(*map(numbered, range(1, count + 1))).snapshot()), cut.where
