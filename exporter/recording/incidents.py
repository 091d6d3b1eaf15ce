"""The last hangs, errors and escalations, one by one: bounded, durable with the batch that brought them.

Each lies in a slot that the next one but `KEPT` takes over. So the store never holds more of them than there are slots,
and nothing has to be deleted.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
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

_log = logging.getLogger(__name__)


class Incidents:
    """The incidents in memory.

    Attributes:
        watchers: whom to tell of changes.
    """

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []
        self._slots: list[Incident | None] = [None] * KEPT
        self._by_id: dict[int, Incident] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._by_id)

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
                gone = self._slots[_SLOTS[key]] if key in _SLOTS else None
                if gone:
                    self._forget(gone)
            elif key in _SLOTS:
                taken.append(decode_as(Incident, blob))
                self._put(taken[-1])
            else:
                others.append((key, blob))
        return others, taken

    def latest(self) -> list[Incident]:
        """All of them, newest first."""
        return sorted(self._by_id.values(), key=lambda incident: -incident.number)

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

    def _put(self, incident: Incident) -> None:
        slot = incident.number % KEPT
        if before := self._slots[slot]:
            self._by_id.pop(before.id, None)
        self._slots[slot] = self._by_id[incident.id] = incident
        self._next = max(self._next, incident.number + 1)

    def _forget(self, incident: Incident) -> None:
        if self._by_id.pop(incident.id, None):
            self._slots[incident.number % KEPT] = None


class IncidentsDraft:
    """What a batch changes; nothing of it shows before `adopt`."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._changed: dict[int, Incident] = {}
        self._ends: list[HangEnd] = []
        self._forgotten: list[Incident] = []
        self._next = incidents._next  # noqa: SLF001 - the two belong together

    @property
    def changed(self) -> bool:
        """Whether there is anything to keep or to tell: what ended is found by who knows it, perhaps not yet here."""
        return bool(self._changed or self._forgotten or self._ends)

    def add(self, incidents: Iterable[Incident], ends: Iterable[HangEnd], now: float) -> None:
        """Add what an event reports that was received at Unix time ``now``."""
        for incident in incidents:
            number, self._next = self._next, self._next + 1
            found = incident.id or identity("incident", "number", number, now)
            settled = now if incident.outcome else 0.0
            self._changed[found] = replace(incident, id=found, received=now, settled=settled, number=number)
        for end in ends:
            hang = self._changed.get(end.id, self._incidents.get(end.id))
            if hang is not None:
                self._changed[end.id] = replace(hang, outcome=end.outcome, recovery_ms=end.recovery_ms, settled=now)
            else:
                self._ends.append(end)

    def forget_before(self, time: float) -> None:
        """Forget what was received before a Unix time."""
        self._forgotten = [incident for incident in self._incidents.latest() if incident.received < time]
        for incident in self._forgotten:
            self._changed.pop(incident.id, None)

    def everything(self) -> None:
        """Take all of them into the draft, for a store that lost them."""
        self._changed = {incident.id: incident for incident in self._incidents.latest()} | self._changed

    def encoded(self) -> dict[int, bytes | None]:
        """What changed, for the store."""
        forgotten: dict[int, bytes | None] = {_KEYS[each.number % KEPT]: None for each in self._forgotten}
        latest = sorted(self._changed.values(), key=lambda incident: incident.number)
        return forgotten | {_KEYS[each.number % KEPT]: encode(each) for each in latest}

    def adopt(self) -> None:
        """The batch is kept: the memory takes the draft over, and whoever watches is told."""
        for incident in self._forgotten:
            self._incidents._forget(incident)  # noqa: SLF001 - the two belong together
        changed = sorted(self._changed.values(), key=lambda incident: incident.number)
        for incident in changed:
            self._incidents._put(incident)  # noqa: SLF001 - the two belong together
        if changed or self._ends:
            self._incidents.notify(changed, self._ends)
