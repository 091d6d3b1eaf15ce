"""The last hangs, errors and escalations, one by one: bounded, durable with the batch that brought them.

Each lies in a slot that the next one but `KEPT` takes over. So the store never holds more of them than there are slots,
and nothing has to be deleted.

Processes that share a store add to them at the same moment, and learn of each other's in any order. In a slot the one
with the highest number remains, and of that what was known last. So all come to list the same, whatever the order.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from secrets import randbits
from typing import Final, Protocol

from msgspec.structs import replace

from exporter.calls.incident import HangEnd, Incident
from exporter.calls.state_codec import decode_as, encode
from exporter.events import identity
from exporter.logs import cause, log

KEPT: Final = 500


class Watcher(Protocol):
    """Whom to tell of changes."""

    def __call__(self, incidents: Sequence[Incident], ends: Sequence[HangEnd], /, *, own: bool) -> None:
        """Take what is durable now.

        Args:
            incidents: that are new or have a new outcome.
            ends: outcomes of those that are listed no more.
            own: this process counted it, not another one that shares the store.
        """


_KEYS: Final = tuple(identity("incident in slot", slot) for slot in range(KEPT))
"""Where a store keeps each slot, among the assistants."""
_SLOTS: Final = {key: slot for slot, key in enumerate(_KEYS)}
_FORGOTTEN: Final = "forgotten"
"""The outcome of what only says that the incident of its number is to be listed no more."""

_log = logging.getLogger(__name__)


def newer(key: int, one: bytes, other: bytes) -> bytes:
    """Which of two records of a key remains, for a store that gets them in any order; what is no incident comes in its.

    Raises:
        StorageError: this release can't read one.
    """
    if key not in _SLOTS or _rank(decode_as(Incident, other)) > _rank(decode_as(Incident, one)):
        return other
    return one


def _rank(incident: Incident) -> tuple[int, bool, bool]:
    """Of two in the same slot the one of higher rank remains."""
    return incident.number, bool(incident.outcome), incident.outcome == _FORGOTTEN


def _forgotten(incident: Incident) -> Incident:
    return Incident(0, "hang", "medium", "", "", "", outcome=_FORGOTTEN, number=incident.number)


class Incidents:
    """The incidents in memory.

    Attributes:
        watchers: whom to tell of changes.
        log: takes those that this process counted, each once.
        highest: the highest number of one that is known.
    """

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []
        self.log: Callable[[Sequence[Incident]], None] = lambda _: None
        self.highest = 0
        self._slots: list[Incident | None] = [None] * KEPT
        self._by_id: dict[int, Incident] = {}

    def __len__(self) -> int:
        return len(self.latest())

    def load(self, records: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Take what a store kept out of its records; gives those that are no incidents.

        Raises:
            StorageError: this release can't read one.
        """
        others = []
        for key, blob in records:
            if key in _SLOTS:
                self._put(decode_as(Incident, blob))
            else:
                others.append((key, blob))
        return others

    def follow(self, changed: Mapping[int, bytes | None]) -> tuple[list[tuple[int, bytes]], list[Incident]]:
        """Take what another process changed; what is no incident, and the incidents that are new or have an outcome.

        Raises:
            StorageError: this release can't read one.
        """
        others, taken = [], []
        for key, blob in changed.items():
            if blob is None:
                continue
            if key not in _SLOTS:
                others.append((key, blob))
            elif self._put(incident := decode_as(Incident, blob)) and incident.outcome != _FORGOTTEN:
                taken.append(incident)
        return others, taken

    def replace(self, kept: Mapping[int, bytes | None]) -> tuple[list[tuple[int, bytes]], list[Incident]]:
        """As `follow`, for all that the store has: what it lacks is forgotten.

        Raises:
            StorageError: this release can't read one.
        """
        before, self._slots = self._slots, [None] * KEPT
        self._by_id.clear()
        self.highest = 0
        others, taken = self.follow(kept)
        return others, [incident for incident in taken if incident != before[incident.number % KEPT]]

    def latest(self) -> list[Incident]:
        """All of them, newest first."""
        listed = [incident for incident in self._slots if incident and incident.outcome != _FORGOTTEN]
        return sorted(listed, key=lambda incident: -incident.number)

    def get(self, number: int) -> Incident | None:
        """The incident with that id."""
        return self._by_id.get(number)

    def notify(self, changed: Sequence[Incident], ends: Sequence[HangEnd] = (), *, own: bool = True) -> None:
        """Tell whoever watches of changes that are durable."""
        for watcher in self.watchers:
            try:
                watcher(changed, ends, own=own)
            except Exception as error:  # noqa: BLE001 - who looks on must not cost an answer
                log(_log, logging.ERROR, "incidents were not passed on", error=cause(error))

    def draft(self) -> "IncidentsDraft":
        """What a batch may change."""
        return IncidentsDraft(self)

    def _put(self, incident: Incident) -> bool:
        """Put it into its slot; whether it is news there."""
        slot = incident.number % KEPT
        if before := self._slots[slot]:
            if _rank(incident) <= _rank(before):
                return False
            if self._by_id.get(before.id) is before:
                del self._by_id[before.id]
        self._slots[slot] = incident
        if incident.outcome != _FORGOTTEN:
            self._by_id[incident.id] = incident
        self.highest = max(self.highest, incident.number)
        return True


class IncidentsDraft:
    """What a batch changes; nothing of it shows before `adopt`.

    Attributes:
        added: ids of those that are new, in their order; the store numbers them.
    """

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._changed: dict[int, Incident] = {}
        self._ends: list[tuple[HangEnd, float]] = []
        self._forgotten: list[Incident] = []
        self.added: list[int] = []

    @property
    def changed(self) -> bool:
        """Whether there is anything to keep or to tell."""
        return bool(self._changed or self._forgotten or self._ends)

    @property
    def misses(self) -> bool:
        """Whether a hang ended that is not known here: it is listed no more, or another process counted it just now."""
        return bool(self._ends)

    def add(self, incidents: Iterable[Incident], ends: Iterable[HangEnd], now: float) -> None:
        """Add what an event reports that was received at Unix time ``now``."""
        for incident in incidents:
            found = incident.id or randbits(63)
            settled = now if incident.outcome else 0.0
            self._changed[found] = replace(incident, id=found, received=now, settled=settled)
            self.added.append(found)
        for end in ends:
            self._settle(end, now)

    def _settle(self, end: HangEnd, now: float) -> None:
        hang = self._changed.get(end.id, self._incidents.get(end.id))
        if hang is not None:
            self._changed[end.id] = replace(hang, outcome=end.outcome, recovery_ms=end.recovery_ms, settled=now)
        else:
            self._ends.append((end, now))

    def settle(self) -> None:
        """Look again for hangs that ended."""
        ends, self._ends = self._ends, []
        for end, now in ends:
            self._settle(end, now)

    def number(self, numbers: Iterable[int]) -> None:
        """Give those that are new their numbers."""
        for found, number in zip(self.added, numbers, strict=True):
            self._changed[found] = replace(self._changed[found], number=number)

    def forget_before(self, time: float) -> None:
        """Forget what was received before a Unix time."""
        self._forgotten = [incident for incident in self._incidents.latest() if incident.received < time]

    def everything(self) -> None:
        """Take all of them into the draft, for a store that lost them."""
        self._changed = {incident.id: incident for incident in self._incidents.latest()} | self._changed

    def encoded(self, *, shared: bool) -> dict[int, bytes | None]:
        """What changed, for the store; one that others share may get what they know of a forgotten one behind it."""
        forgotten: dict[int, bytes | None] = {
            _KEYS[each.number % KEPT]: encode(_forgotten(each)) if shared else None for each in self._forgotten
        }
        latest = sorted(self._changed.values(), key=lambda incident: incident.number)
        return forgotten | {_KEYS[each.number % KEPT]: encode(each) for each in latest}

    def adopt(self) -> None:
        """The batch is kept: the memory takes the draft over, and whoever watches is told."""
        changed = sorted(self._changed.values(), key=lambda incident: incident.number)
        for incident in (*map(_forgotten, self._forgotten), *changed):
            self._incidents._put(incident)  # noqa: SLF001 - the two belong together
        if self.added:
            self._incidents.log([self._changed[found] for found in self.added])
        if changed or self._ends:
            self._incidents.notify(changed, [end for end, _ in self._ends])
