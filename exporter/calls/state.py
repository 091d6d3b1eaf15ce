"""What is remembered of a call and of an assistant: the durable half of the fold.

States are values: the fold copies before it changes, containers included. They hold hashes, numbers and label values,
never text of a conversation. What a store keeps of a field has the number that is written beside it, append-only as
`exporter.calls.state_codec` says.
"""

from msgspec import Struct, field

from exporter.calls.overlay import Masks, Objects
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
JUDGED = 1 << 27
"""The sentiment of this user message was counted."""


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


class Seen(Masks):
    """What was counted, by key of message, event or tool call; values are the bits above."""

    __slots__ = ()


class OpenHangs(Objects[OpenHang]):
    """Hangs of which nothing came yet, by their key in `Seen`."""

    __slots__ = ()


class CallState(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Everything remembered of one call.

    Attributes:
        assistant: label value of its assistant, empty until known, the same for the call's life from then on.
        seen: what was counted.
        opened: it is a call by its own id, and more than planned.
        ending: what the end of the call meant to its open hangs; empty before the end.
        live: groups that messages or live events delivered first.
        reported: groups that the call's report delivered first.
        totals: cumulative amounts already counted, by name.
        sequels: the latest replies and errors.
        speech: the latest moments at which someone began or ceased to speak, in order of time.
        tools: halves of tool calls, by the call's key.
        user: the latest message of the user, whose reply usually comes in the next update.
    """

    platform: str = field(name="0")
    assistant: str = field(default="", name="1")
    llm_provider: str = field(default="", name="2")
    llm_model: str = field(default="", name="3")
    stt_provider: str = field(default="", name="4")
    tts_provider: str = field(default="", name="5")
    call_type: str = field(default="unknown", name="6")
    direction: str = field(default="unknown", name="7")
    opened: bool = field(default=False, name="8")
    started: bool = field(default=False, name="9")
    ending: str = field(default="", name="10")
    expired: bool = field(default=False, name="11")
    hung: bool = field(default=False, name="12")
    statuses: tuple[str, ...] = field(default=(), name="13")
    seen: Seen = field(default=Seen(), name="14")
    live: int = field(default=0, name="15")
    reported: int = field(default=0, name="16")
    messages: int = field(default=0, name="17")
    errors: int = field(default=0, name="18")
    totals: dict[str, int] = field(default_factory=dict, name="19")
    retryable: dict[str, int] = field(default_factory=dict, name="20")
    escalated: tuple[str, ...] = field(default=(), name="21")
    hangs: OpenHangs = field(default=OpenHangs(), name="22")
    sequels: tuple[Sequel, ...] = field(default=(), name="23")
    speech: tuple[SpeechMark, ...] = field(default=(), name="24")
    tools: dict[int, ToolMark] = field(default_factory=dict, name="25")
    user: UserTurn | None = field(default=None, name="26")
    last_event: float = field(default=0.0, name="28")

    @property
    def ended(self) -> bool:
        """Whether the call's end was counted."""
        return bool(self.ending)


class AssistantState(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The latest known configuration of an assistant; an empty string is unknown.

    Attributes:
        time_ms: the event's own time of what is known, so that an event that comes late changes nothing.
        subscribed: the events that its own configuration sends here; None until seen.
        introduced: whether its event counters exist at 0 for this configuration.
    """

    platform: str = field(name="0")
    id: str = field(name="1")
    name: str = field(default="", name="2")
    llm_provider: str = field(default="", name="3")
    llm_model: str = field(default="", name="4")
    stt_provider: str = field(default="", name="5")
    tts_provider: str = field(default="", name="6")
    subscribed: tuple[str, ...] | None = field(default=None, name="7")
    time_ms: int = field(default=0, name="8")
    introduced: bool = field(default=False, name="9")
    last_event: float = field(default=0.0, name="10")
