"""Two times: the wall clock's, which people set, and a steady one, by which everything ages.

While the process runs, steady time follows the monotonic clock, so a step of the wall clock ages nothing. Across
restarts the wall clock is all there is: steady time goes on from where it was by the time that passed on the wall
clock, and never back. Where the wall clock is evidently not set, at the start or when it was last noted, nobody knows
how long the process was away, and no time passed.
"""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

_STEP: Final = 1.0
"""Seconds by which the wall clock leaves the monotonic one before that is a step."""
_SET_SINCE: Final = 1_704_067_200.0
"""The beginning of 2024, before the exporter existed: a clock that shows less was never set."""


class Noted(Struct, frozen=True):
    """Both times at one moment, for the next process."""

    wall: float
    steady: float


class Clock:
    """The clocks of a process.

    Args:
        wall: seconds since the epoch.
        monotonic: seconds that no step moves.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.wall = wall
        self._monotonic = monotonic
        self._lead = self._wall_lead()
        self._offset = self._lead

    def steady(self) -> float:
        """Seconds for ages. They agree with the wall clock until that is set."""
        return self._monotonic() + self._offset

    def resume(self, noted: Noted | None, latest: float) -> None:
        """Go on after an earlier process, whose latest steady time was ``latest`` at least."""
        now = self.wall()
        if noted is None:
            return
        away = now - noted.wall if min(now, noted.wall) >= _SET_SINCE else 0.0
        self._offset = max(noted.steady + max(away, 0.0), latest) - self._monotonic()

    def step(self) -> float:
        """Seconds that the wall clock was set forward since the last call; 0 where it was not, below 0 for back."""
        step = self._wall_lead() - self._lead
        if abs(step) < _STEP:
            return 0.0
        self._lead += step
        return step

    def noted(self) -> Noted:
        """Both times, now."""
        return Noted(self.wall(), self.steady())

    def agrees(self, noted: Noted | None) -> bool:
        """Whether a process that begins with ``noted`` would find the same steady time."""
        return noted is not None and abs(self.steady() - self.wall() - (noted.steady - noted.wall)) < _STEP

    def _wall_lead(self) -> float:
        return self.wall() - self._monotonic()
