"""The calls and assistants that are known, and the draft in which a batch of events changes them."""

from collections import Counter, OrderedDict
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import msgspec

from exporter.calls import state_codec
from exporter.calls.fold import Folded, expire, fold
from exporter.calls.incident import Incident
from exporter.calls.state import AssistantState, CallState
from exporter.calls.step import Settings
from exporter.config import Config
from exporter.events import ALL, Event, identity
from exporter.metrics.catalogue import CALLS_EVICTED
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import NANO, Increment
from exporter.recording.clock import Clock, Noted
from exporter.recording.incidents import Incidents
from exporter.store.base import CallRow

_KEYS: Final = 100
"""Messages, hangs and tool calls that a call may have before it takes the place of a further call."""
_REFRESH: Final = 3600.0
"""Seconds after which times of last use are written again though nothing else changed."""
_TOUCH: Final = 60.0
"""As long, in seconds, for the last event of a call in a shared store: there it is written with each call."""
_USAGE_KEY: Final = identity("usage of label values")
"""Where a store keeps, among the assistants, when label values were last used."""
_CLOCK_KEY: Final = identity("clock")
"""Where it keeps, among them, what the clocks showed."""


class CallsInMemory:
    """Everything remembered of calls and assistants, bounded and in the order of expiry.

    Attributes:
        open: calls that may still go on, least recently active first.
        done: calls that ended or expired, kept to know late duplicates, least recently active first.
        assistants: by platform and label value.
        size: places that the calls take of the ``calls.max_tracked``.
        in_use: open calls by their assistant's label value.
        incidents: the last hangs, errors and escalations.
        noted: what the store has of the clocks.
    """

    def __init__(self, config: Config, labels: LabelLimits) -> None:
        self.open: OrderedDict[int, CallState] = OrderedDict()
        self.done: OrderedDict[int, CallState] = OrderedDict()
        self.assistants: dict[tuple[str, str], AssistantState] = {}
        self.labels = labels
        self.incidents = Incidents()
        self.size = 0
        self.in_use: Counter[str] = Counter()
        self.usage_kept = 0.0
        self.noted: Noted | None = None
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take a new configuration."""
        self.config = config
        self.settings = Settings(
            max_retries=config.calls.max_retries,
            timezone=config.timezone,
            alert_above=round(config.sentiment.alert_above * NANO),
        )

    def load(self, calls: list[tuple[int, bytes]], assistants: Iterable[tuple[int, bytes]]) -> None:
        """Restore what a store kept; of the calls nothing is left in the list, so that each is in memory once.

        Raises:
            StorageError: this release can't read it.
        """
        states = []
        while calls:
            key, record = calls.pop()
            states.append((key, state_codec.decode_call(record)))
        states.reverse()
        for key, state in sorted(states, key=lambda call: call[1].last_event):
            self.put(key, state)
        others = self.incidents.load(assistants)
        for key, blob in others:
            if key not in {_USAGE_KEY, _CLOCK_KEY}:
                assistant = state_codec.decode_assistant(blob)
                self.assistants[assistant.platform, assistant.id] = assistant

    def follow(self, changed: Mapping[int, bytes | None], *, anew: bool = False) -> list[Incident]:
        """Take assistants and incidents that another process changed; the incidents among them that are news.

        Args:
            changed: those, by key.
            anew: the store has no other incidents.

        Raises:
            StorageError: this release can't read one.
        """
        forgotten = {key for key, blob in changed.items() if blob is None}
        self.assistants = (
            {name: state for name, state in self.assistants.items() if identity("assistant", *name) not in forgotten}
            if forgotten
            else self.assistants
        )
        others, incidents = self.incidents.replace(changed) if anew else self.incidents.follow(changed)
        for key, blob in others:
            if key not in {_USAGE_KEY, _CLOCK_KEY}:
                assistant = state_codec.decode_assistant(blob)
                self.assistants[assistant.platform, assistant.id] = assistant
        return incidents

    def load_usage(self, assistants: Iterable[tuple[int, bytes]]) -> dict[str, dict[str, float]]:
        """When label values were last used, as a store kept it; nothing where it did not.

        Raises:
            StorageError: this release can't read it.
        """
        for key, blob in assistants:
            if key == _USAGE_KEY:
                return state_codec.decode_as(dict[str, dict[str, float]], blob)
        return {}

    def resume(self, clock: Clock, assistants: Iterable[tuple[int, bytes]]) -> None:
        """Let steady time go on from what a store kept; what an earlier release kept of the future was used just now.

        Raises:
            StorageError: this release can't read it.
        """
        self.noted = next((state_codec.decode_as(Noted, blob) for key, blob in assistants if key == _CLOCK_KEY), None)
        calls = [state for calls in (self.open, self.done) for state in islice(reversed(calls.values()), 1)]
        clock.resume(self.noted, max((state.last_event for state in calls), default=0.0))
        now = clock.steady()
        for calls_of_a_kind in (self.open, self.done):
            for state in reversed(calls_of_a_kind.values()):
                if state.last_event <= now:
                    break
                state.last_event = now

    def records(self) -> Iterator[tuple[int, bytes | None]]:
        """Every call, as a store keeps it; meanwhile none may change."""
        for calls in (self.done, self.open):
            for key, state in calls.items():
                yield key, state_codec.encode(state)

    def lend(self, calls: Iterable[tuple[int, bytes]]) -> None:
        """Take calls that were borrowed from a shared store, in their order.

        Raises:
            StorageError: this release can't read one.
        """
        for key, record in calls:
            self.put(key, state_codec.decode_call(record))

    def give_back(self) -> None:
        """Forget all calls: what was borrowed may change elsewhere from now on."""
        self.open.clear()
        self.done.clear()
        self.in_use.clear()
        self.size = 0

    def rows(self, *, later: float) -> dict[int, CallRow | None]:
        """Every call, as a shared store keeps it, its last event so many seconds later."""
        rows: dict[int, CallRow | None] = {}
        for calls in (self.done, self.open):
            for key, state in calls.items():
                state.last_event += later
                rows[key] = _row(state)
        return rows

    def __len__(self) -> int:
        return len(self.open) + len(self.done)

    def get(self, key: int) -> CallState | None:
        """The call with that key."""
        return self.open.get(key) or self.done.get(key)

    def put(self, key: int, state: CallState) -> None:
        """Remember a call as the most recently active one."""
        self.forget(key)
        state.seen.settle()
        state.hangs.settle()
        if _is_open(state):
            self.open[key] = state
            self.in_use[state.assistant] += 1
        else:
            self.done[key] = state
        self.size += _size(state)

    def forget(self, key: int) -> None:
        """Forget a call."""
        state = self.open.pop(key, None)
        if state:
            self.in_use[state.assistant] -= 1
            if not self.in_use[state.assistant]:
                del self.in_use[state.assistant]
        state = state or self.done.pop(key, None)
        if state:
            self.size -= _size(state)


def _size(state: CallState) -> int:
    return 1 + len(state.seen) // _KEYS


def _is_open(state: CallState) -> bool:
    return state.opened and not (state.ended or state.expired)


def _row(state: CallState) -> CallRow:
    return CallRow(state_codec.encode(state), _is_open(state), state.last_event, state.assistant)


class Draft:
    """What a batch changes in the memory; nothing of it is in the memory before `adopt`.

    Attributes:
        incidents: what it changes of them.
    """

    def __init__(self, memory: CallsInMemory) -> None:
        self._memory = memory
        self._calls: dict[int, CallState | None] = {}
        self._assistants: dict[tuple[str, str], AssistantState | None] = {}
        self._usage: bytes | None = None
        self._usage_kept = memory.usage_kept
        self._noted: Noted | None = None
        self.incidents = memory.incidents.draft()

    def fold(self, event: Event, now: float, received: float | None = None) -> Folded:
        """Fold an event into its call as the draft has it.

        Args:
            event: what happened.
            now: steady time, by which things age.
            received: Unix time, where that is another one.
        """
        state = self._state(event)
        label = state.assistant or self._label(event, now)
        key = (event.platform, label)
        known = self._assistants.get(key) or self._memory.assistants.get(key) or AssistantState(event.platform, label)
        folded = fold(state, event, known, self._memory.settings, now)
        if label and (folded.assistant is not known or now - known.last_event > _REFRESH):
            self._assistants[key] = msgspec.structs.replace(folded.assistant, last_event=now)
        self.incidents.add(folded.incidents, folded.hang_ends, now if received is None else received)
        if event.call is not None:
            self._calls[event.call] = folded.call
        return folded

    def _state(self, event: Event) -> CallState:
        if event.call is None:
            return CallState(event.platform)
        return self._calls.get(event.call) or self._memory.get(event.call) or CallState(event.platform)

    def _label(self, event: Event, now: float) -> str:
        if not event.assistant.id:
            return ""
        if not self._memory.config.labels.assistant_id:
            return ALL
        return self._memory.labels.admit("assistant_id", event.assistant.id, now)

    def tidy(
        self, now: float, limit: int, unix: float | None = None, excess: int | None = None
    ) -> Iterator[list[Increment]]:
        """Expire silent calls and forget ended ones, at most ``limit`` of each; yields what that adds.

        Args:
            now: steady time.
            limit: how many calls of each kind.
            unix: Unix time, where that is another one.
            excess: how many places to free, however recent the calls are; None for those beyond the limit. Only where
                no ended call is left, it is an open one that expires for that.
        """
        calls = self._memory.config.calls
        excess = self._memory.size - calls.max_tracked if excess is None else excess
        ended, evicted = len(self._memory.done), 0
        for key, state in list(islice(self._memory.done.items(), limit)):
            early = state.last_event + calls.retention > now
            if early and excess <= 0:
                break
            self._calls[key] = None
            excess -= _size(state)
            ended -= 1
            evicted += early
        if evicted:
            yield [(CALLS_EVICTED, (), evicted)]
        # The ended ones that are left go in the next round.
        excess -= ended
        for key, state in list(islice(self._memory.open.items(), limit)):
            if state.last_event + calls.idle_timeout > now and excess <= 0:
                break
            folded = expire(state, self._memory.settings, key)
            self._calls[key] = folded.call
            self.incidents.add(folded.incidents, folded.hang_ends, now if unix is None else unix)
            excess -= _size(state)
            yield folded.increments

    def forget_unused_assistants(self, now: float, in_use: Container[str]) -> None:
        """Forget assistants that were unused for the labels' time to live and are not in use by an open call."""
        before = now - self._memory.config.labels.ttl
        for key, assistant in self._memory.assistants.items():
            if assistant.last_event < before and assistant.id not in in_use:
                self._assistants[key] = None

    def keep_usage(self, now: float) -> None:
        """Write down, once an hour, when label values were last used, so that restarts do not renew them."""
        if now - self._memory.usage_kept >= _REFRESH:
            self._usage_kept = now
            self._usage = state_codec.encode(self._memory.labels.usage())

    def keep_clock(self, clock: Clock) -> None:
        """Write down what the clocks show, where the next process would go wrong with what was written before."""
        if not clock.agrees(self._memory.noted):
            self._noted = clock.noted()

    @property
    def touched(self) -> int:
        """How many calls it changes."""
        return len(self._calls)

    @property
    def growth(self) -> int:
        """By how many calls the memory grows."""
        return sum((state is not None) - (self._memory.get(key) is not None) for key, state in self._calls.items())

    @property
    def exclusive(self) -> bool:
        """Whether it changes more than calls and incidents."""
        return bool(self._assistants or self._usage or self._noted)

    @property
    def changed(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self._calls) or self.exclusive or self.incidents.changed

    def everything(self) -> None:
        """Take all but the calls into the draft, for a store that lost it (`CallsInMemory.records` has those)."""
        self._assistants = {**self._memory.assistants, **self._assistants}
        self._noted = self._noted or self._memory.noted
        self._usage = state_codec.encode(self._memory.labels.usage())
        self.incidents.everything()

    def encoded_calls(self) -> dict[int, bytes | None]:
        """What the store has to add to what it has of calls; None for those to be forgotten."""
        records = ((key, None if state is None else self._record(key, state)) for key, state in self._calls.items())
        return {key: record for key, record in records if record or self._calls[key] is None}

    def rows(self) -> dict[int, CallRow | None]:
        """The calls that changed, whole, for a shared store; None for those to be forgotten."""
        return {
            key: None if state is None else _row(state)
            for key, state in self._calls.items()
            if self._is_news(key, state)
        }

    def _is_news(self, key: int, state: CallState | None) -> bool:
        known = self._memory.get(key)
        if state is None or known is None:
            return True
        return state.last_event - known.last_event > _TOUCH or state_codec.encode_change(known, state) is not None

    def _record(self, key: int, state: CallState) -> bytes | None:
        known = self._memory.get(key)
        return state_codec.encode(state) if known is None else state_codec.encode_change(known, state)

    def encoded_assistants(self, *, shared: bool) -> dict[int, bytes | None]:
        """The assistants and incidents that changed, for the store, to which they are records under a number alike."""
        blobs = {
            identity("assistant", *key): None if assistant is None else state_codec.encode(assistant)
            for key, assistant in self._assistants.items()
        }
        if self._usage is not None:
            blobs[_USAGE_KEY] = self._usage
        if self._noted is not None:
            blobs[_CLOCK_KEY] = state_codec.encode(self._noted)
        return blobs | self.incidents.encoded(shared=shared)

    def adopt(self) -> None:
        """The batch is kept: the memory takes the draft over."""
        self._memory.usage_kept = self._usage_kept
        self._memory.noted = self._noted or self._memory.noted
        self.incidents.adopt()
        for key, state in self._calls.items():
            if state is None:
                self._memory.forget(key)
            else:
                self._memory.put(key, state)
        for name, assistant in self._assistants.items():
            if assistant is None:
                self._memory.assistants.pop(name, None)
            else:
                self._memory.assistants[name] = assistant
