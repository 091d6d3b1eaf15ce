"""Which event of the queue is due when. Kept in memory: whatever an earlier process left is due at once."""

from collections import Counter, defaultdict
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

from msgspec import Struct

Destination: TypeAlias = tuple[str, str]
"""Platform and target: what waits for one application does not hold up what waits for another."""


class Scheduled(Struct, gc=False):
    """An event that waits for its delivery.

    Attributes:
        id: its number; a later event has a higher one.
        platform: who sent it.
        target: the URL of a further target; empty for the application that answers.
        attempts: deliveries that were begun.
        size: bytes of its body.
    """

    id: int
    platform: str
    target: str
    attempts: int
    size: int

    @property
    def destination(self) -> Destination:
        """Whom it waits for."""
        return self.platform, self.target


class Schedule:
    """Events in the order in which they are due; a claimed one is not due until it is postponed.

    Attributes:
        events: how many there are by platform, claimed ones included.
        bytes: of all their bodies.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.bytes = 0
        self._all: dict[int, Scheduled] = {}
        self._due: defaultdict[Destination, list[int]] = defaultdict(list)
        self._later: list[tuple[float, int]] = []

    def add(self, *events: Scheduled) -> None:
        """Let further events be due at once."""
        for waiting in events:
            self._all[waiting.id] = waiting
            self.events[waiting.platform] += 1
            self.bytes += waiting.size
            heappush(self._due[waiting.destination], waiting.id)

    def claim(self, now: float, slots: Callable[[Destination], int]) -> list[Scheduled]:
        """Take what is due at Unix time ``now``, oldest first, for each destination so many."""
        while self._later and self._later[0][0] <= now:
            self.release(heappop(self._later)[1])
        claimed = []
        for destination, due in self._due.items():
            for _ in range(min(slots(destination), len(due))):
                number = heappop(due)
                if number in self._all:
                    claimed.append(self._all[number])
        return claimed

    def next_due(self) -> float | None:
        """Unix time at which the next postponed event is due."""
        return self._later[0][0] if self._later else None

    def release(self, number: int) -> None:
        """Let a claimed event be due at once."""
        if number in self._all:
            heappush(self._due[self._all[number].destination], number)

    def postpone(self, number: int, due: float) -> None:
        """Let a claimed event be due at Unix time ``due``."""
        if number in self._all:
            heappush(self._later, (due, number))

    def remove(self, number: int) -> None:
        """Forget an event."""
        if waiting := self._all.pop(number, None):
            self.events[waiting.platform] -= 1
            self.bytes -= waiting.size

    def clear(self) -> None:
        """Forget all events."""
        for number in [*self._all]:
            self.remove(number)
