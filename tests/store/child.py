"""A process of its own that commits until it is killed, or against a limit on the size of its files.

``python -m tests.store.child forever DIRECTORY`` prints the number of each batch that is kept.
``python -m tests.store.child limited DIRECTORY`` prints what a limited file does to commits, and what lifting it does.
``python -m tests.store.child noting DIRECTORY COMMITS DAMAGE`` notes each batch that is kept in a file beside them, and
damages its database before the commit of that number.
"""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import uvloop

from exporter.errors import StorageError, StoreLost
from exporter.store.base import Batch
from exporter.store.database import Database
from exporter.store.sqlite import SqliteStore
from tests.store.model import Model, batch, numbered
from tests.support.power_cuts import NOTES

CHECKPOINT_ROWS = 7


def say(word: object) -> None:
    """Print it for the parent, at once."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def forever(directory: Path) -> None:
    """Commit numbered batches, after those that are kept, until the end."""
    store = SqliteStore(directory, checkpoint_rows=CHECKPOINT_ROWS)
    series = store.load().series
    number = series[0].cells[0] if series else 0
    say(number)
    while True:
        number += 1
        await store.commit(numbered(number))
        say(number)


async def limited(directory: Path) -> None:
    """Reach a limit on the size of files, then lift it."""
    store = SqliteStore(directory, checkpoint_rows=CHECKPOINT_ROWS)
    store.load()
    await store.commit(batch(calls={1: b"before"}))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    for _ in range(2):
        try:
            await store.commit(batch(calls={2: bytes(200_000)}))
        except StorageError as error:
            say(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.commit(batch(calls={3: b"after"}))
    await store.close()


async def noting(directory: Path) -> None:
    """Commit so many batches; note each in the directory once it is kept, and no sooner."""
    database, commits, damage = Database(directory, checkpoint_rows=CHECKPOINT_ROWS), int(sys.argv[3]), int(sys.argv[4])
    series = database.load().series
    first = series[0].cells[0] + 1 if series else 1
    with (database.directory.path / NOTES).open("ab", buffering=0) as notes:
        for number in range(first, first + commits):
            if number == damage:
                replace(database, number - 1)
            database.commit(numbered(number))
            notes.write(b"%d\n" % number)
            database.tidy()
    database.close()


def replace(database: Database, number: int) -> None:
    """Damage the database, let it be noticed, and give the store everything that it lost."""
    database.disconnect()
    with (database.directory.path / "voice-exporter.db").open("r+b") as file:
        file.write(b"damaged!" * 100)
    with suppress(StoreLost):
        database.commit(batch())
    model = Model(*map(numbered, range(1, number + 1))).snapshot()
    database.commit(Batch(model.series, [], [], dict(model.calls), dict(model.assistants), snapshot=True))


if __name__ == "__main__":
    modes = {"forever": forever, "limited": limited, "noting": noting}
    uvloop.run(modes[sys.argv[1]](Path(sys.argv[2])))
