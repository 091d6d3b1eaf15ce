"""A process of its own that commits until it is killed, or against a limit on the size of its files.

``python -m tests.store.child forever DIRECTORY`` prints the number of each batch that is kept.
``python -m tests.store.child limited DIRECTORY`` prints what a limited file does to commits, and what lifting it does.
"""

import resource
import sys
from pathlib import Path

import uvloop

from exporter.errors import StorageError
from exporter.store import database
from exporter.store.sqlite import SqliteStore
from tests.store.model import batch, numbered


def say(word: object) -> None:
    """Print it for the parent, at once."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def forever(store: SqliteStore) -> None:
    """Commit numbered batches, after those that are kept, until the end."""
    series = store.load().series
    number = series[0].cells[0] if series else 0
    say(number)
    while True:
        number += 1
        await store.commit(numbered(number))
        say(number)


async def limited(store: SqliteStore) -> None:
    """Reach a limit on the size of files, then lift it."""
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


if __name__ == "__main__":
    database.CHECKPOINT_ROWS = 7
    modes = {"forever": forever, "limited": limited}
    uvloop.run(modes[sys.argv[1]](SqliteStore(Path(sys.argv[2]))))
