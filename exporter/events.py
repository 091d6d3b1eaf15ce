"""The vocabulary: what can happen in a call, whatever the platform.

A platform turns one webhook body into one `Event` with its facts; the fold turns facts into increments. No string of
a payload gets in here but the documented label sources: ids of calls (for exemplars) and assistants, assistant names,
providers, models, error codes and tool names. Identities are 63-bit hashes, amounts whole billionths (`Nanounits`).
"""

from hashlib import blake2b
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Nanounits: TypeAlias = int
"""Seconds, dollars or a ratio in whole billionths, so that sums are exact."""

Component: TypeAlias = Literal["llm", "stt", "tts", "transport", "platform"]
CostComponent: TypeAlias = Literal["platform", "telephony", "llm", "stt", "tts", "analysis", "other"]
CallType: TypeAlias = Literal["web", "phone", "websocket", "unknown"]
Direction: TypeAlias = Literal["inbound", "outbound", "unknown"]
Outcome: TypeAlias = Literal["ok", "error", "unreached", "unknown"]
EndedBy: TypeAlias = Literal["assistant", "customer", "system", "unknown"]
Role: TypeAlias = Literal["welcome", "user", "assistant", "tool", "system", "other"]
Retryable: TypeAlias = Literal["true", "false", "unknown"]
Severity: TypeAlias = Literal["critical", "high", "medium"]
AtFault: TypeAlias = Literal["vapi", "provider", "customer", "none", "unknown"]
"""Whose fault a call's end was; the customer is who runs the assistant, or who was called."""
Group: TypeAlias = Literal[
    "stt", "llm", "tts", "eou", "player", "audio", "skipped", "response", "confidence", "transfer"
]
Feeling: TypeAlias = Literal["negative", "neutral", "positive"]
Stage: TypeAlias = Literal["response", "llm", "tts", "tts_cached", "stt_latency", "stt_confidence", "eou"]

UNKNOWN: Final = "unknown"
OTHER: Final = "other"
TRANSIENT: Final = "transient"
"""Assistant of a call that has no assistant of its own, only a configuration (Vapi)."""
ALL: Final = "all"
"""Assistant of every call where the configuration folds assistants together."""


def identity(*parts: object) -> int:
    """A 63-bit identity of the parts, stable across restarts, from which no text can be read back."""
    joined = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(joined, digest_size=8).digest()) >> 1


class Assistant(Struct, frozen=True, gc=False):
    """What one payload tells about an assistant; an empty string where it is silent."""

    id: str = ""
    name: str = ""
    llm_provider: str = ""
    llm_model: str = ""
    stt_provider: str = ""
    tts_provider: str = ""
    subscribed: frozenset[str] | None = None
    """Events that the assistant's own configuration sends here; None where the payload does not say."""


class Rejected(Struct, frozen=True, gc=False):
    """A value that cannot be and was left out. ``field`` and ``reason`` are constants of the platform's module."""

    field: str
    reason: str


class Stt(Struct, frozen=True, gc=False):
    """Transcription of one user message; latency is never below 0."""

    confidence: Nanounits | None = None
    latency: Nanounits | None = None
    audio: Nanounits | None = None


class Llm(Struct, frozen=True, gc=False):
    """LLM latencies of one assistant message."""

    response: Nanounits | None = None
    queue: Nanounits | None = None


class Tts(Struct, frozen=True, gc=False):
    """Speech generation of one assistant message."""

    generation: Nanounits | None = None
    queue: Nanounits | None = None
    audio: Nanounits | None = None
    cached: bool = False


class Audio(Struct, frozen=True, gc=False):
    """Audio of one turn. ``received`` and ``lost`` are the call's cumulative amounts at that message."""

    delay: Nanounits | None = None
    received: Nanounits | None = None
    delayed: int | None = None
    lost: int | None = None


class Sentiment(Struct, frozen=True, gc=False):
    """How a user message sounds, and how sure the analyser is of that, in Nanounits of a ratio."""

    feeling: Feeling
    confidence: Nanounits


class ToolUse(Struct, frozen=True, gc=False):
    """A tool call or its result, paired by key."""

    key: int
    tool: str
    result: bool = False


class Message(Struct, frozen=True, gc=False):
    """One message of the conversation with what was measured of it."""

    key: int
    role: Role
    time_ms: int | None = None
    elapsed_ms: int | None = None
    """Position on the call's own clock, which is finer than ``time_ms``."""
    turn: int | None = None
    """Key of the user message that this one answers."""
    response: Nanounits | None = None
    """What the caller waited for it, where the message itself says so."""
    stt: Stt | None = None
    confidence: Nanounits | None = None
    """Transcription confidence where a report, not the message, tells the rest of ``stt``."""
    llm: Llm | None = None
    tts: Tts | None = None
    eou: Nanounits | None = None
    player: Nanounits | None = None
    audio: Audio | None = None
    skipped: int | None = None
    tools: tuple[ToolUse, ...] = ()
    sentiment: Sentiment | None = None
    rejected: tuple[tuple[Group, Rejected], ...] = ()


class UserTurn(Struct, frozen=True, array_like=True, gc=False):
    """A message of the user as its reply needs it."""

    key: int
    time_ms: int | None
    elapsed_ms: int | None
    eou: int | None


class Beginning(Struct, frozen=True, gc=False):
    """How a history begins, as later updates repeat it byte by byte.

    It only saves work: a message counts by its key.
    """

    first: int
    """Digest of its first bytes, by which it is looked up."""
    length: int
    digest: int
    """Digest of the first ``length`` bytes."""
    messages: int
    users: tuple[UserTurn, ...]
    """The latest messages of the user in it."""


class Status(Struct, frozen=True, gc=False):
    """The call reached a status. ``opens`` is false for one that is only planned."""

    status: str
    opens: bool = True


class Ended(Struct, frozen=True, gc=False):
    """The call ended."""

    outcome: Outcome = "unknown"
    ended_by: EndedBy = "unknown"
    reason: str = UNKNOWN
    fault: AtFault = "unknown"


class Duration(Struct, frozen=True, gc=False):
    """Length of the ended call."""

    seconds: Nanounits


class Conversation(Struct, frozen=True, gc=False):
    """The conversation so far, without a beginning that is counted already."""

    messages: tuple[Message, ...]
    earlier: tuple[UserTurn, ...] = ()
    """Messages of the user before those, which they answer."""
    beginning: Beginning | None = None
    """How the next update begins, if it can be recognised; to be relied on once the event is durable."""


class Hang(Struct, frozen=True, gc=False):
    """The assistant did not reply in time; ``messages`` is the length of the conversation where the payload has it."""

    messages: int | None = None


class Error(Struct, frozen=True, gc=False):
    """A service behind the call failed."""

    component: Component
    error_type: str
    code: str = UNKNOWN
    provider: str = ""
    retryable: Retryable = "unknown"
    severity: Severity = "medium"
    once: bool = False
    """Known from the call's end, so it counts once a call however many events tell of it."""


class Speech(Struct, frozen=True, gc=False):
    """Someone began or ceased to speak at the event's own time; an assistant's end of speech is no fact."""

    role: Literal["user", "assistant"]
    started: bool


class Interruption(Struct, frozen=True, gc=False):
    """Speech was cut off; known by ``key``, else by the event's own time."""

    interrupted: Literal["assistant", "user"]
    key: int | None = None


class ToolsAnswered(Struct, frozen=True, gc=False):
    """The application behind the relay answered these tool calls, all within the same time."""

    uses: tuple[ToolUse, ...]
    seconds: Nanounits


class Transfer(Struct, frozen=True, gc=False):
    """The call is being transferred, as a live event tells it."""

    status: str = UNKNOWN


class Cost(Struct, frozen=True, gc=False):
    """The call's cost of a component so far; an empty provider is the assistant's own."""

    component: CostComponent
    dollars: Nanounits
    provider: str = ""


class TotalCost(Struct, frozen=True, gc=False):
    """Total cost of the call so far; ``unnamed`` says that it has more than the costs that are named beside it."""

    dollars: Nanounits
    unnamed: bool = False


class Tokens(Struct, frozen=True, gc=False):
    """LLM tokens of the call so far; ``input`` leaves the cached ones out."""

    kind: Literal["input", "output", "cached"]
    count: int
    provider: str = ""
    model: str = ""


class Characters(Struct, frozen=True, gc=False):
    """Characters turned into speech in the call so far."""

    count: int


class Transcribed(Struct, frozen=True, gc=False):
    """Speech transcribed in the call so far, in Nanounits of seconds."""

    audio: Nanounits
    provider: str = ""


class ReportedMessages(Struct, frozen=True, gc=False):
    """Messages of the whole conversation by role, of a platform that gives them no identity."""

    counts: tuple[tuple[Role, int], ...]


class ReportedSentiments(Struct, frozen=True, gc=False):
    """Sentiments of the user messages of a whole conversation, of a platform that gives them no identity."""

    sentiments: tuple[Sentiment, ...]


class ReportedTransfers(Struct, frozen=True, gc=False):
    """Statuses of all transfers of the call, in order."""

    statuses: tuple[str, ...]


class Evaluation(Struct, frozen=True, gc=False):
    """Success evaluation of the call; ``none`` where this report has none, which a fuller one may bring."""

    evaluation: str


class ReportedFailures(Struct, frozen=True, gc=False):
    """Errors and retries of a component that the report itself counts."""

    component: Component
    errors: int = 0
    retries: int = 0


class Distribution(Struct, frozen=True, gc=False):
    """Counts between ascending lower bounds, not cumulative; the last interval is open. Amounts in Nanounits."""

    lower: tuple[Nanounits, ...]
    counts: tuple[int, ...]
    total: Nanounits


class ReportedStage(Struct, frozen=True, gc=False):
    """Measurements of a stage from the call's report: single values, or a distribution where it has no more."""

    stage: Stage
    values: tuple[Nanounits, ...] | Distribution


class ReportedAudio(Struct, frozen=True, gc=False):
    """Audio of the whole call."""

    received: Nanounits | None = None
    dropped: int | None = None


class ReportedInterruptions(Struct, frozen=True, gc=False):
    """Speech cut off in the whole call, and assistant messages never spoken."""

    assistant: int | None = None
    user: int | None = None
    skipped: int | None = None


class ReportedCount(Struct, frozen=True, gc=False):
    """What a report shows to have happened: so many ``event`` events, or messages, should have come."""

    event: str
    count: int


Fact: TypeAlias = (
    Status
    | Ended
    | Duration
    | Conversation
    | Hang
    | Error
    | Speech
    | Interruption
    | ToolsAnswered
    | Transfer
    | Cost
    | TotalCost
    | Tokens
    | Characters
    | Transcribed
    | ReportedMessages
    | ReportedSentiments
    | ReportedTransfers
    | Evaluation
    | ReportedFailures
    | ReportedStage
    | ReportedAudio
    | ReportedInterruptions
    | ReportedCount
)


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One webhook body, understood."""

    platform: str
    kind: str
    """The platform's own name of the event, from a closed list."""
    call: int | None = None
    """Identity of the call; None where the event has none and counts at each delivery."""
    call_id: str = ""
    """Only for exemplars; empty where the payload names no call, so that nothing of a call's life is counted."""
    time_ms: int | None = None
    """The event's own time, milliseconds since the epoch."""
    assistant: Assistant = Assistant()
    call_type: CallType = "unknown"
    direction: Direction = "unknown"
    facts: tuple[Fact, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    needs_answer: bool = False
    """The platform acts on the answer, so that an empty 200 would break the call."""
    answer_seconds: float | None = None
    """How long the platform itself waits for the answer; None where nothing is documented."""
    tools: tuple[ToolUse, ...] = ()
    """Tool calls that the answer is the result of."""
