"""Replay: recorded webhook bodies through the code that counts live ones, in the events' own time."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from exporter.config import Config
from exporter.errors import InvalidEvent
from exporter.platforms import PLATFORMS
from exporter.platforms.history_cache import HistoryCache
from exporter.recording.recorder import Recorder
from exporter.replay.bodies import Body
from exporter.replay.origin import platform_of
from exporter.replay.samples import Samples
from exporter.store.memory import MemoryStore

_TIDY_EVERY: Final = 60.0
_FUTURE: Final = 86_400.0
"""Seconds that an event's time may lie ahead of now; beyond that it is a mistake and must not move the clock."""


class Summary(Struct):
    """What was read: bodies by outcome, and those that are no events."""

    counted: int = 0
    duplicate: int = 0
    ignored: int = 0
    invalid: int = 0


class Replay:
    """Feeds bodies to a recorder whose clock is the events' own time.

    Args:
        config: the configuration to count under.
        platform: of all bodies; None to tell by each body's fields.
        complain: takes a line about a body that is no event.
        samples: writes time-stamped samples; None for the final state alone.
    """

    def __init__(
        self, config: Config, platform: str | None, complain: Callable[[str], object], samples: Samples | None = None
    ) -> None:
        self._now = 0.0
        self.summary = Summary()
        self.recorder = Recorder(config, MemoryStore(), clock=lambda: self._now)
        self._platform = platform
        self._complain = complain
        self._samples = samples
        self._histories = HistoryCache()
        self._started = False
        self._tidy_at = 0.0
        self._horizon = time.time() + _FUTURE

    async def begin(self) -> None:
        """Begin to take bodies."""
        self.recorder.load()
        if self._samples:
            self._samples.begin(self.recorder.table)

    async def feed(self, name: str, read: Iterable[Body]) -> None:
        """Count the bodies of a file."""
        for body in read:
            try:
                await self._count(body)
            except InvalidEvent as error:
                self.summary.invalid += 1
                self._complain(f"{name}:{body.line}: {error}")

    async def finish(self) -> None:
        """Write what is left and stop."""
        if self._samples:
            self._samples.end(self.recorder.table, self.recorder.derived())
        await self.recorder.stop()

    async def _count(self, body: Body) -> None:
        event = PLATFORMS[self._platform or platform_of(body.data)].parse(body.data, self._histories)
        if event.time_ms is not None:
            await self._move_to(event.time_ms / 1000)
        if not self._started:
            # Not before the time of the first event is known: series are born then.
            self._started = True
            await self.recorder.start()
        outcome = await self.recorder.record(event)
        self._histories.remember(event)
        setattr(self.summary, outcome, getattr(self.summary, outcome) + 1)

    async def _move_to(self, now: float) -> None:
        """Let time pass; an event older than the ones before it counts at their time."""
        if not self._now < now < self._horizon:
            return
        if self._samples:
            self._samples.advance(now, self.recorder.table, self.recorder.derived())
        self._now = now
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_EVERY
            await self.recorder.tidy()
