"""The exporter, made to die: ``python -m tests.crash.driver POINT NUMBER serve ...``.

POINT says where it kills itself with SIGKILL, NUMBER at which time that it comes there.
"""

import os
import signal
import sys
from itertools import count

from exporter.cli import main
from exporter.recording import recorder
from exporter.recording.recorder import Recorder
from exporter.store.base import Batch
from exporter.store.sqlite import SqliteStore

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


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
