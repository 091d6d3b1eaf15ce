"""Waiting for what nobody announces."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

_SECONDS: Final = 60.0
"""How long is waited: far longer than anything takes on a busy machine, because only what is broken takes as long."""


def until(what: str, look: Callable[[], T | None], seconds: float = _SECONDS) -> T:
    """What ``look`` gives once that is true; fails with ``what`` when it does not come."""
    for pause in _pauses(seconds):
        if seen := look():
            return seen
        time.sleep(pause)
    raise AssertionError(f"waited in vain: {what}")


async def reached(what: str, look: Callable[[], T | None], seconds: float = _SECONDS) -> T:
    """As `until`, while the event loop goes on."""
    for pause in _pauses(seconds):
        if seen := look():
            return seen
        await asyncio.sleep(pause)
    raise AssertionError(f"waited in vain: {what}")


def _pauses(seconds: float) -> Iterator[float]:
    """Seconds between looks, longer and longer: a look may be a scrape."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while time.monotonic() < deadline:
        yield pause
        pause = min(pause * 1.2, 0.25)
