"""What came in during the last minutes, for the landing page: counts and refusals, never content."""

from collections import Counter, deque
from typing import Final, NamedTuple, TypeAlias

MINUTES: Final = 15
"""How far the counts reach back."""

Key: TypeAlias = tuple[str, str, str]
"""Platform, event and outcome; each from a closed list."""


class Rejection(NamedTuple):
    """A request that was answered with an error.

    Attributes:
        time: Unix time in seconds.
        platform: the platform it was meant for, ``unknown`` where the path names none.
        status: HTTP status of the answer.
        reason: the answer's message.
    """

    time: float
    platform: str
    status: int
    reason: str


class RecentActivity:
    """Counts of the last minutes by platform, event and outcome, and the last rejections."""

    def __init__(self) -> None:
        self.rejections: deque[Rejection] = deque(maxlen=20)
        self._minutes: deque[tuple[int, Counter[Key]]] = deque(maxlen=MINUTES)

    def count(self, key: Key, now: float, events: int = 1) -> None:
        """Count events, or a refused request, at Unix time ``now``."""
        minute = int(now // 60)
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append((minute, Counter()))
        self._minutes[-1][1][key] += events

    def totals(self, now: float, minutes: int) -> Counter[Key]:
        """Counts of the last ``minutes`` minutes, the running one included."""
        total: Counter[Key] = Counter()
        for minute, counts in self._minutes:
            if minute > now // 60 - minutes:
                total += counts
        return total
