"""The exporter, made to die: ``python -m tests.crash.driver POINT NUMBER serve ...``.

POINT says where it kills itself with SIGKILL, NUMBER at which time that it comes there. It notes what it has promised
in a file beside its database where TRACE_DIRECTORY says that its writes are recorded.
"""

import json
import os
import signal
import sys
from collections import Counter
from itertools import count
from pathlib import Path

from exporter.cli import main
from exporter.recording import recorder
from exporter.recording.recorder import Recorder
from exporter.store.base import Batch
from exporter.store.sqlite import SqliteStore
from tests.support.power_cuts import NOTES

POINTS = ("before-commit", "after-commit", "cleanup", "never")


def die_at(point: str, number: int) -> None:
    """Arm the exporter."""
    commit, tidy, times = SqliteStore.commit, Recorder.tidy, count(1)

    def die() -> None:
        if next(times) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    async def dying_commit(store: SqliteStore, batch: Batch) -> None:
        if point == "before-commit":
            die()
        await commit(store, batch)
        if point == "after-commit":
            die()

    async def dying_tidy(self: Recorder) -> None:
        await tidy(self)
        if point == "cleanup":
            die()

    SqliteStore.commit = dying_commit  # type: ignore[assignment,method-assign]  # the point of this program
    Recorder.tidy = dying_tidy  # type: ignore[method-assign]  # the point of this program
    vars(recorder)["_TICK"] = 0.2


def note_commits(directory: Path) -> None:
    """Note the totals of all metrics once a commit is kept, before anybody hears of it."""
    commit, metrics, totals = SqliteStore.commit, dict[int, str](), Counter[str]()
    latest = dict[int, int]()

    async def noting_commit(store: SqliteStore, batch: Batch) -> None:
        await commit(store, batch)
        metrics.update((one.id, one.metric) for one in batch.series)
        for series, cells in batch.increments:
            totals[metrics[series]] += sum(amount for cell, amount in cells if cell == 0)
        for series, value in batch.latest:
            totals[metrics[series]] += value - latest.get(series, 0)
            latest[series] = value
        with (directory / NOTES).open("ab", buffering=0) as notes:
            notes.write(json.dumps(totals).encode() + b"\n")

    SqliteStore.commit = noting_commit  # type: ignore[assignment,method-assign]  # the point of this program


if __name__ == "__main__":
    if traced := os.environ.get("TRACE_DIRECTORY"):
        note_commits(Path(traced))
    die_at(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
