"""What happened in one invented call, whatever the platform.

Times are whole milliseconds on the call's own clock, which starts with the media; `Call.media_ms` places it in the
world. The payload writers only tell what is written here, so both platforms' numbers reconcile by construction.
"""

from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from msgspec import Struct

PlatformName: TypeAlias = Literal["interactly", "vapi", "retell", "elevenlabs", "events"]
ServiceComponent: TypeAlias = Literal["llm", "stt", "tts"]
Body: TypeAlias = dict[str, Any]
Reason: TypeAlias = Literal[
    "assistant", "customer", "silence", "forwarded", "failed", "abandoned", "busy", "no-answer", "voicemail"
]

PLATFORMS: tuple[PlatformName, ...] = ("interactly", "vapi")
"""Whose traffic is sent unless others are asked for."""
EVERY_PLATFORM: tuple[PlatformName, ...] = (*PLATFORMS, "retell", "elevenlabs", "events")
TOLD_AT_THE_END: frozenset[PlatformName] = frozenset({"vapi", "retell", "elevenlabs"})
"""Platforms that have no event for an error: one that a call meets ends it, and the end tells of it."""
UNREACHED: frozenset[Reason] = frozenset({"busy", "no-answer", "voicemail"})

HANG_MS = 5000
"""A platform sends `hang` when no reply came for this long after the caller's speech (Interactly, hang page)."""


class Delivery(Struct, frozen=True):
    """One webhook of a call, by its id: sent at ``at_ms`` (Unix time), never before the time that its body states."""

    platform: PlatformName
    at_ms: int
    body: Body
    call: str


class Assistant(Struct, frozen=True):
    """An invented assistant. Latencies are medians in milliseconds, prices US dollars per million tokens."""

    platform: PlatformName
    id: str
    name: str
    channel: Literal["phone", "web"]
    direction: Literal["inbound", "outbound"]
    llm_provider: str
    llm_model: str
    stt_vendor: str
    stt_model: str
    tts_vendor: str
    tts_model: str
    llm_ms: int
    tts_ms: int
    detection_ms: int
    input_price: float
    output_price: float
    weight: int
    tools: tuple[str, ...] = ()
    rubric: Literal["DescriptiveScale", "PassFail", "NumericScale"] = "DescriptiveScale"


class Person(Struct, frozen=True):
    """An invented caller."""

    name: str
    number: str


class ServiceError(Struct, frozen=True):
    """An error of a service as Interactly's error event states it; an empty provider is the assistant's own."""

    type: Literal["llm_error", "stt_error"]
    code: str
    message: str
    retryable: bool
    details: Body
    provider: str = ""


class SpokenPart(Struct, frozen=True):
    """One spoken piece of a reply: generated at ``start``, played from ``play`` to ``end``."""

    text: str
    start: int
    play: int
    end: int
    audio_ms: int
    tts_ms: int
    cached: bool
    queue_ms: int = 0
    llm_ms: int = 0
    cut: bool = False
    """A barge-in stopped it before its audio was over."""


class UsedTool(Struct, frozen=True):
    """A tool that the assistant called in the middle of a reply."""

    id: str
    name: str
    called: int
    returned: int


class Reply(Struct, frozen=True):
    """An answer of the assistant: the parts that were spoken and the texts that a barge-in left unspoken."""

    parts: tuple[SpokenPart, ...]
    unspoken: tuple[str, ...]
    llm_queue_ms: int
    input_tokens: int
    output_tokens: int
    tool: UsedTool | None = None


class Turn(Struct, frozen=True):
    """What the caller said and the outcome of it.

    ``heard`` is when the platform knew the turn to be over: ``end`` plus detection and its queue.
    """

    text: str
    start: int
    end: int
    heard: int
    detection_ms: int
    confidence: float
    stt_lag_ms: int
    cut_off: tuple[str, ...] = ()
    """Texts of the previous reply that this turn kept from being spoken."""
    failures: tuple[int, ...] = ()
    """When a service failed; which one, the call's error tells."""
    hang_at: int | None = None
    reply: Reply | None = None
    tts_errors: int = 0


class Call(Struct, frozen=True):
    """One call from creation to its end."""

    assistant: Assistant
    person: Person
    id: str
    created_ms: int
    media_ms: int
    welcome: SpokenPart | None
    turns: tuple[Turn, ...]
    end: int
    reason: Reason
    evaluation: str
    error: ServiceError | None = None
    ended_reason: str = ""
    """Vapi's word for a failure of a provider; empty where none ended the call."""
    noisy: bool = False
    """The caller's audio is bad: packets get lost and chunks dropped."""

    @property
    def parts(self) -> list[SpokenPart]:
        """Everything the assistant said, in order."""
        spoken = [part for turn in self.turns if turn.reply for part in turn.reply.parts]
        return [self.welcome, *spoken] if self.welcome else spoken

    @property
    def replies(self) -> list[Reply]:
        """The assistant's answers, in order."""
        return [turn.reply for turn in self.turns if turn.reply]


def iso(ms: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC with milliseconds, as both platforms write it."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
