"""How large the files become: ``python -m tests.store.growth DIRECTORY [EVENTS]``, a million unless told otherwise."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from exporter.store.database import Database
from tests.store.model import batch, created

EVENTS_OF_A_CALL = 10
EVENTS_OF_A_COMMIT = 16
REMEMBERED = 2000
"""Calls, as if their retention were over after so many others."""


def grow(directory: Path, events: int, looks: int = 20) -> Iterator[int]:
    """Commit so many events of ever new calls and yield the size of all files, in bytes, now and then."""
    database = Database(directory)
    database.load()
    database.commit(batch([created(number, 16) for number in range(1, 1001)]))
    commits = events // EVENTS_OF_A_COMMIT
    for commit in range(commits):
        first = commit * EVENTS_OF_A_COMMIT
        numbers = range(first, first + EVENTS_OF_A_COMMIT)
        states: dict[int, bytes | None] = {key(n // EVENTS_OF_A_CALL): n.to_bytes(8, "big") * 100 for n in numbers}
        states |= {key(n // EVENTS_OF_A_CALL - REMEMBERED): None for n in numbers}
        increments = [(1 + n * 7 % 1000, ((0, n), (1 + n % 15, 1))) for n in numbers]
        database.commit(batch(increments=[*increments, *increments, *increments], calls=states))
        database.tidy()
        if commit % max(1, commits // looks) == 0:
            yield size(directory)
    database.close()
    yield size(directory)


def key(call: int) -> int:
    """A key as random as those of calls are."""
    return call * 0x9E3779B97F4A7C15 % 2**63


def size(directory: Path) -> int:
    """Bytes of all files there."""
    return sum(path.stat().st_size for path in directory.iterdir())


if __name__ == "__main__":
    started = time.monotonic()
    for number, found in enumerate(grow(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)):
        sys.stdout.write(f"{number * 5:3d} % of the events, {time.monotonic() - started:4.0f} s, {found >> 10} KiB\n")
