"""Which alerts are true now: a bounded number of calls for each assistant and alert, the rest in one that counts them.

Everything follows from the incidents, which are durable. So a start finds what is still true, and a storm costs no more
alerts than its bound.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from msgspec.structs import replace

from exporter.alerting.alert import AlertLinks, annotations, concerns, ends_at, labels, name_of
from exporter.calls.incident import HangEnd, Incident
from exporter.config import Alertmanager

CALLS_OF_ONE: Final = 10
"""Calls of one assistant for which an alert of one name and severity is active at once."""
CALLS_IN_ALL: Final = 200
RETAIN_SECONDS: Final = 900.0
"""For so long an alert that ended is remembered, to tell an Alertmanager that was away."""
_REMEMBERED: Final = 2000

_PLURALS: Final = {"hang": "hangs", "sentiment": "negative messages"}

Key: TypeAlias = tuple[tuple[str, str], ...]
"""The labels of an alert, which identify it."""
_Group: TypeAlias = tuple[str, str, str, str]
"""Name, severity, platform, assistant."""


@dataclass(slots=True)
class PushedAlert:
    """An alert that is true, or was until a while ago.

    Attributes:
        labels: by name.
        incident: the latest that it stands for, whose outcome is its own; of earlier ones nothing is kept.
        starts: Unix time at which it began.
        ends: Unix time at which it ends or ended; None while that is open.
        heard: Unix time at which another process told of its last change, which pushes it; 0 for an earlier process,
            None where this one counted it.
        further: how many incidents it counts beside the latest; None for the alert of a single call.
        changes: rises whenever what it says changes.
    """

    labels: dict[str, str]
    incident: Incident
    starts: float
    ends: float | None
    heard: float | None
    further: int | None = None
    changes: int = 0

    def is_over(self, now: float) -> bool:
        """Whether it ended before Unix time ``now``."""
        return self.ends is not None and self.ends <= now


@dataclass(slots=True)
class Board:
    """The alerts.

    Attributes:
        settings: labels, and when an error is over.
        links: where the alerts' links lead.
        name: the name of a platform's assistant, empty where it is not known.
        dropped: told of each incident that gets no alert of its own.
        clock: Unix time in seconds.
        listed: whether the incident of an id is; of others that share a store, no process hears the outcome of one that
            is not.
    """

    settings: Alertmanager
    links: AlertLinks
    name: Callable[[str, str], str]
    dropped: Callable[[], None]
    clock: Callable[[], float] = time.time
    listed: Callable[[int], object] = lambda _: True
    _alerts: dict[Key, PushedAlert] = field(default_factory=dict)
    _by_incident: dict[int, Key] = field(default_factory=dict)
    _calls: dict[Key, PushedAlert] = field(default_factory=dict)
    _counts: Counter[_Group] = field(default_factory=Counter)
    _next_end: float = math.inf

    def restore(self, incidents: Iterable[Incident]) -> None:
        """Take what an earlier process left, in any order."""
        for incident in sorted(incidents, key=lambda each: each.number):
            self._take(incident, heard=0.0)

    def take(self, incidents: Sequence[Incident], ends: Sequence[HangEnd] = (), *, own: bool = True) -> None:
        """Take new incidents, and new outcomes of known ones.

        Args:
            incidents: new, or with a new outcome.
            ends: of those that are listed no more.
            own: this process counted them.
        """
        heard = None if own else self.clock()
        for incident in incidents:
            self._take(incident, heard)
        for end in ends:
            key = self._by_incident.get(end.id)
            alert = self._alerts.get(key) if key else None
            if alert and alert.further is None:
                now = self.clock()
                self._take(
                    replace(alert.incident, outcome=end.outcome, recovery_ms=end.recovery_ms, settled=now), heard
                )

    def alerts(self, now: float) -> dict[Key, PushedAlert]:
        """What is true at Unix time ``now``, and what ended a while ago."""
        for key in [key for key, alert in self._alerts.items() if alert.is_over(now - RETAIN_SECONDS)]:
            self._forget(key)
        return self._alerts

    def active(self, now: float) -> int:
        """How many are true at Unix time ``now``."""
        return sum(not alert.is_over(now) for alert in self._alerts.values())

    def is_known(self, alert: PushedAlert) -> bool:
        """Whether its outcome would be heard, so that it may be told again."""
        return alert.ends is not None or bool(self.listed(alert.incident.id))

    def annotations(self, alert: PushedAlert, now: float) -> dict[str, str]:
        """What an alert says at Unix time ``now``."""
        incident = alert.incident
        said = annotations(incident, self.name(incident.platform, incident.assistant), now)
        if alert.further is not None:
            what = _PLURALS.get(incident.kind, "errors")
            said["summary"] = f"{alert.further + 1} further {what} of a voice assistant have no alert of their own."
            said["description"] = f"{alert.further + 1} further {what}, the latest: {said['description']}"
        return said | self.links.of(incident)

    def _take(self, incident: Incident, heard: float | None) -> None:
        if not concerns(incident):
            return
        ends = ends_at(incident, self.settings.resolve_after)
        if key := self._by_incident.get(incident.id):
            self._update(key, incident, ends, heard)
            return
        if ends is not None and ends <= self.clock() - RETAIN_SECONDS:
            return
        if heard is None and incident.settled > incident.received:
            # An outcome of an incident that was too old or one too many.
            return
        found = labels(incident, self.settings.labels)
        key = tuple(sorted(found.items()))
        known = self._alerts.get(key)
        if known and (incident.number < known.incident.number or not known.is_over(self.clock())):
            self._update(key, incident, ends, heard)
        elif self._is_room(incident):
            alert = PushedAlert(found, incident, incident.received, ends, heard)
            self._put(key, alert, incident)
            self._calls[key] = alert
            self._counts[_group(incident)] += 1
            self._expect(alert)
        elif not heard or incident.settled <= incident.received:
            # Another process's incident was counted when it told of it, not once more at its outcome.
            self._count(incident, heard)

    def _update(self, key: Key, incident: Incident, ends: float | None, heard: float | None) -> None:
        alert = self._alerts[key]
        if alert.further is not None or incident.number < alert.incident.number:
            return
        self._tell_of(incident, key, alert)
        alert.ends, alert.heard = ends, heard
        alert.changes += 1
        self._expect(alert)

    def _expect(self, alert: PushedAlert) -> None:
        """Count the active calls anew when this alert ends."""
        if alert.ends is not None:
            self._next_end = min(self._next_end, alert.ends)

    def _put(self, key: Key, alert: PushedAlert, incident: Incident) -> None:
        if key in self._alerts:
            self._forget(key)
        self._alerts[key] = alert
        self._tell_of(incident, key, alert)
        over = (key for key, alert in self._alerts.items() if alert.ends is not None)
        if len(self._alerts) > _REMEMBERED and (oldest := next(over, None)):
            self._forget(oldest)

    def _forget(self, key: Key) -> None:
        self._by_incident.pop(self._alerts.pop(key).incident.id, None)

    def _tell_of(self, incident: Incident, key: Key, alert: PushedAlert) -> None:
        """Let the alert be about this incident, and find it by no other."""
        self._by_incident.pop(alert.incident.id, None)
        self._by_incident[incident.id] = key
        alert.incident = incident

    def _is_room(self, incident: Incident) -> bool:
        # As it was when the incident came: what an earlier process left is judged as that process judged it.
        group, now = _group(incident), incident.received
        if now >= self._next_end:
            self._calls = {key: alert for key, alert in self._calls.items() if not alert.is_over(now)}
            self._counts = Counter(_group(alert.incident) for alert in self._calls.values())
            self._next_end = math.inf
            for alert in self._calls.values():
                self._expect(alert)
        return len(self._calls) < CALLS_IN_ALL and self._counts[group] < CALLS_OF_ONE

    def _count(self, incident: Incident, heard: float | None) -> None:
        """Count an incident into the one alert of its assistant."""
        if heard is None:
            self.dropped()
        name, severity, platform, assistant = _group(incident)
        own = {"alertname": name, "severity": severity, "platform": platform, "assistant_id": assistant}
        found = {**self.settings.labels, **own}
        key = tuple(sorted(found.items()))
        ends = incident.received + self.settings.resolve_after
        if (known := self._alerts.get(key)) and not known.is_over(self.clock()):
            known.further = (known.further or 0) + 1
            known.ends, known.heard = ends, heard
            self._tell_of(incident, key, known)
        else:
            self._put(key, PushedAlert(found, incident, incident.received, ends, heard, further=0), incident)


def _group(incident: Incident) -> _Group:
    return name_of(incident), incident.severity, incident.platform, incident.assistant
