"""kill -9: what was acknowledged is kept, and of the rest all of a batch or nothing."""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.errors import StorageError
from exporter.store.database import Database
from tests.store.model import Model, kept, numbered, same

CYCLES = 12


@contextmanager
def committing(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that commits numbered batches, killed in the end."""
    command = [sys.executable, "-m", "tests.store.child", "forever", str(directory)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def acknowledged(child: subprocess.Popen[str], at_least: int) -> int:
    """Read on until so many more batches are acknowledged."""
    assert child.stdout is not None
    return [int(child.stdout.readline()) for _ in range(at_least + 1)][-1]


def rest(child: subprocess.Popen[str], last: int) -> int:
    """The last batch whose acknowledgement was written in full."""
    assert child.stdout is not None
    lines = [line for line in child.stdout if line.endswith("\n")]
    return int(lines[-1]) if lines else last


def test_ledger(directory: Path, tmp_path: Path) -> None:
    """Killed again and again at random moments, a process finds what it acknowledged, exactly."""
    chance = random.Random(20260102)
    for cycle in range(CYCLES):
        with committing(directory) as child:
            last = acknowledged(child, chance.randrange(25))
            child.kill()
            last = rest(child, last)
        corpse = shutil.copytree(directory, tmp_path / f"cycle-{cycle}")
        found = kept(corpse)
        count = found.series[0].cells[0] if found.series else 0
        assert count in {last, last + 1}
        assert same(found, Model(*map(numbered, range(1, count + 1))).snapshot())


def test_one_process_to_a_directory(directory: Path) -> None:
    """The second process is refused in clear words, and the death of the first lets it in."""
    with committing(directory) as child:
        acknowledged(child, 1)
        with pytest.raises(StorageError, match=f"^--storage.path={directory}: another process is using it: stop"):
            Database(directory).load()
        acknowledged(child, 1)
    assert kept(directory).series


def test_a_child_process_does_not_hold_the_directory(directory: Path) -> None:
    """A process that was started meanwhile and still runs keeps nobody out."""
    database = Database(directory)
    database.load()
    with subprocess.Popen(["sleep", "60"], close_fds=False) as sleeper:
        try:
            database.close()
            kept(directory)
            assert sleeper.poll() is None
        finally:
            sleeper.kill()
