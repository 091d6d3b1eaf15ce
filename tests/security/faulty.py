"""An exporter with defects that hold what a client sent: ``python -m tests.security.faulty serve ...``.

A body that names one of `FAULTS` raises there, with the body as the exception's text, argument and context.
"""

import sys
from typing import Any, Final, NoReturn

from exporter.calls.fold import Folded
from exporter.cli import main
from exporter.events import Event
from exporter.platforms.history_cache import HistoryCache
from exporter.platforms.platform import Platform
from exporter.recording import calls_in_memory
from exporter.store.sqlite import SqliteStore

FAULTS: Final = ("parse", "fold", "commit")


def _raise(content: object) -> NoReturn:
    try:
        dict[object, object]()[content]
    except KeyError as cause:
        raise RuntimeError(f"no idea what to do with {content!r}", content) from cause
    raise AssertionError


def break_everything() -> None:
    """Put the defects in."""
    read: dict[int, bytes] = {}
    _break_parse(read)
    fold, commit = calls_in_memory.Draft.fold, SqliteStore.commit

    def faulty_fold(self: calls_in_memory.Draft, event: Event, now: float, received: float | None = None) -> Folded:
        body = read[id(event)]
        if b"fault-fold" in body:
            _raise(body)
        if b"fault-commit" in body:
            read[0] = body
        return fold(self, event, now, received)

    async def faulty_commit(self: SqliteStore, batch: Any) -> None:  # noqa: ANN401 - whatever it takes
        if 0 in read:
            _raise(read.pop(0))
        await commit(self, batch)

    calls_in_memory.Draft.fold = faulty_fold  # type: ignore[method-assign]  # the point of this program
    SqliteStore.commit = faulty_commit  # type: ignore[method-assign]  # the point of this program


def _break_parse(read: dict[int, bytes]) -> None:
    parse = Platform.parse

    def faulty_parse(self: Platform, body: bytes, cache: HistoryCache | None = None) -> Event:
        if b"fault-parse" in body:
            _raise(body)
        event = parse(self, body, cache)
        read[id(event)] = body
        return event

    Platform.parse = faulty_parse  # type: ignore[method-assign]  # the point of this program


if __name__ == "__main__":
    break_everything()
    sys.exit(main(sys.argv[1:]))
