"""One event being folded: the state under change and the increments so far."""

from copy import copy
from datetime import UTC, tzinfo
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from exporter.calls.incident import HangEnd, Incident
from exporter.calls.state import COUNTED, GROUP_BIT, MAX_SEEN, AssistantState, CallState
from exporter.events import UNKNOWN, Component, Distribution, Event, Group, Nanounits, identity
from exporter.metrics.catalogue import REJECTED_VALUES, RESPONSE, SLOW_REPLIES
from exporter.metrics.label_values import is_free_value
from exporter.metrics.metric import NANO, Increment, Metric

SLOW_REPLY: Final = 5 * NANO
"""What Interactly documents as a hang: no reply for so long."""


class Settings(Struct, frozen=True):
    """What of the configuration the fold depends on."""

    max_retries: int = 3
    timezone: tzinfo = UTC
    alert_above: Nanounits = 800_000_000
    """Confidence above which a negative message is an incident."""


class Step:
    """Collects what an event changes; the handlers of facts work on it.

    Attributes:
        state: a copy of the call's state that may be changed; containers are replaced, never changed in place.
        assistant: what is remembered of the call's assistant.
        increments: what the event adds, in order.
        incidents: what the event reports that is looked at one by one.
        hang_ends: hangs that were open and are no more.
        running: cumulative amounts that the event itself has named so far.
        learned: whether it brought what a later event will be counted with, so that it must be kept.
    """

    __slots__ = (
        "_pa",
        "assistant",
        "event",
        "hang_ends",
        "incidents",
        "increments",
        "learned",
        "running",
        "settings",
        "state",
    )

    def __init__(self, state: CallState, event: Event, assistant: AssistantState, settings: Settings) -> None:
        self.state = copy(state)
        self.event = event
        self.assistant = assistant
        self.settings = settings
        self.increments: list[Increment] = []
        self.incidents: list[Incident] = []
        self.hang_ends: list[HangEnd] = []
        self.running: dict[str, int] = {}
        self.learned = False
        self._pa = (state.platform, state.assistant or UNKNOWN)

    def settle_assistant(self, label: str) -> None:
        """From here on the call belongs to the assistant with that label value."""
        self.state.assistant = label
        self._pa = (self.state.platform, label)

    def add(self, metric: Metric, *labels: str, amount: int | Distribution = 1) -> None:
        """Add to the series of this call's platform and assistant with these further label values."""
        self.increments.append((metric, self._pa + labels, amount))

    def reply(self, waited: Nanounits) -> None:
        """The caller waited for a reply; from `SLOW_REPLY` on it is a slow one."""
        self.add(RESPONSE, amount=waited)
        if waited >= SLOW_REPLY:
            self.add(SLOW_REPLIES)

    def add_to(self, metric: Metric, labels: tuple[str, ...], amount: int = 1) -> None:
        """Add to a series that is not an assistant's."""
        self.increments.append((metric, labels, amount))

    def report(self, incident: Incident) -> None:
        """Report an incident of this call."""
        platform, assistant = self._pa
        call_id = self.event.call_id if is_free_value(self.event.call_id) else ""
        self.incidents.append(
            replace(incident, platform=platform, assistant=assistant, call_id=call_id, time_ms=self.event.time_ms)
        )

    def rise(self, name: str, amount: int) -> int:
        """How far the amounts that this event names for ``name``, in all, exceed what was counted before."""
        self.running[name] = self.running.get(name, 0) + amount
        return self.level(name, self.running[name])

    def level(self, name: str, total: int) -> int:
        """How far the call's total of ``name`` exceeds what was counted before; counts it from here on."""
        before = self.state.totals.get(name, 0)
        if total <= before:
            return 0
        self.state.totals = {**self.state.totals, name: total}
        return total - before

    def once(self, name: str) -> bool:
        """Whether this is the call's first time for ``name``."""
        return self.level(name, 1) == 1

    def first_time(self, *parts: object) -> bool:
        """Whether the call has nothing of this identity yet; always where the event has no call to remember it by."""
        if self.event.call is None:
            return True
        key = identity(*parts)
        if key in self.state.seen or self.is_full(str(parts[0])):
            return False
        self.state.seen = self.state.seen.fork()
        self.state.seen[key] = COUNTED
        return True

    def is_full(self, field: str) -> bool:
        """Whether so much of the call was counted that ``field`` is left out."""
        if len(self.state.seen) < MAX_SEEN:
            return False
        self.add_to(REJECTED_VALUES, (self.state.platform, field, "too_large"))
        return True

    def claim_live(self, group: Group) -> bool:
        """Whether live events may count the group: the report was not there first."""
        bit = GROUP_BIT[group]
        if self.state.reported & bit:
            return False
        self.state.live |= bit
        return True

    def claim_report(self, group: Group) -> bool:
        """Whether the report may count the group: no live event was there first."""
        bit = GROUP_BIT[group]
        if self.state.live & bit:
            return False
        self.state.reported |= bit
        return True

    def provider(self, component: Component | str) -> str:
        """Best known provider of a component: of this call, else of its assistant."""
        name = f"{component}_provider"
        return str(getattr(self.state, name, "") or getattr(self.assistant, name, "") or UNKNOWN)

    def model(self) -> str:
        """Best known LLM model of the call."""
        return self.state.llm_model or self.assistant.llm_model or UNKNOWN
