"""What is remembered of a call and of an assistant: the durable half of the fold.

States are values: the fold copies before it changes, containers included. They hold hashes, numbers and label values,
never text of a conversation.
"""

from functools import lru_cache

from msgspec import Struct

from exporter.events import Group, UserTurn

GROUPS: tuple[Group, ...] = (
    "stt",
    "llm",
    "tts",
    "eou",
    "player",
    "audio",
    "skipped",
    "response",
    "confidence",
    "transfer",
)
GROUP_BIT: dict[Group, int] = {group: 1 << index for index, group in enumerate(GROUPS)}
"""Bit of a measurement group in `CallState.seen`, `CallState.live` and `CallState.reported`."""

MAX_SEEN = 20_000
"""Keys in `CallState.seen` from which on nothing new of the call counts; no conversation has a tenth of them."""

REJECTED_SHIFT = len(GROUPS)
"""Shifts a group's bit to the one that says its impossible values were counted."""
COUNTED = 1 << 24
"""The message, event or tool call with this key was counted."""
FIRST = 1 << 25
"""The message is the first part of its reply."""
ANSWERED = 1 << 26
"""The first part of the reply to this user message is known."""


@lru_cache(1024)
def shared(mask: int) -> int:
    """The same object for the same bits: there are a few dozen of them, and open calls hold one for each message."""
    return mask


class Cursor(Struct, frozen=True, gc=False):
    """What an earlier version kept of a conversation's bytes; nothing reads it."""

    length: int
    digest: int


class OpenHang(Struct, frozen=True, array_like=True, gc=False):
    """A hang of which nothing came yet."""

    time_ms: int | None
    provider: str


class Sequel(Struct, frozen=True, array_like=True, gc=False):
    """A reply or an error with its own time: what a hang that arrives late would have led to."""

    time_ms: int
    outcome: str


class SpeechMark(Struct, frozen=True, array_like=True, order=True, gc=False):
    """A moment at which someone began or ceased to speak; ``kind`` is one of `exporter.calls.speech`."""

    time_ms: int
    kind: int


class ToolMark(Struct, frozen=True, array_like=True, gc=False):
    """One half of a tool call whose other half did not come yet."""

    time_ms: int
    tool: str
    result: bool


class CallState(Struct, array_like=True):
    """Everything remembered of one call.

    Attributes:
        assistant: label value of its assistant, empty until known, the same for the call's life from then on.
        seen: what was counted, by key of message, event or tool call; values are the bits above.
        opened: it is a call by its own id, and more than planned.
        ending: what the end of the call meant to its open hangs; empty before the end.
        live: groups that messages or live events delivered first.
        reported: groups that the call's report delivered first.
        totals: cumulative amounts already counted, by name.
        sequels: the latest replies and errors.
        speech: the latest moments at which someone began or ceased to speak, in order of time.
        tools: halves of tool calls, by the call's key.
        user: the latest message of the user, whose reply usually comes in the next update.
        cursor: what an earlier version kept; it holds its place.
    """

    platform: str
    assistant: str = ""
    llm_provider: str = ""
    llm_model: str = ""
    stt_provider: str = ""
    tts_provider: str = ""
    call_type: str = "unknown"
    direction: str = "unknown"
    opened: bool = False
    started: bool = False
    ending: str = ""
    expired: bool = False
    hung: bool = False
    statuses: tuple[str, ...] = ()
    seen: dict[int, int] = {}
    live: int = 0
    reported: int = 0
    messages: int = 0
    errors: int = 0
    totals: dict[str, int] = {}
    retryable: dict[str, int] = {}
    escalated: tuple[str, ...] = ()
    hangs: tuple[OpenHang, ...] = ()
    sequels: tuple[Sequel, ...] = ()
    speech: tuple[SpeechMark, ...] = ()
    tools: dict[int, ToolMark] = {}
    user: UserTurn | None = None
    cursor: Cursor | None = None
    last_event: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether the call's end was counted."""
        return bool(self.ending)


class AssistantState(Struct, frozen=True, array_like=True):
    """The latest known configuration of an assistant; an empty string is unknown.

    Attributes:
        time_ms: the event's own time of what is known, so that an event that comes late changes nothing.
        subscribed: the events that its own configuration sends here; None until seen.
        introduced: whether its event counters exist at 0 for this configuration.
    """

    platform: str
    id: str
    name: str = ""
    llm_provider: str = ""
    llm_model: str = ""
    stt_provider: str = ""
    tts_provider: str = ""
    subscribed: tuple[str, ...] | None = None
    time_ms: int = 0
    introduced: bool = False
    last_event: float = 0.0
