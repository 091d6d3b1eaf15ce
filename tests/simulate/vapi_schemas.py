"""Vapi's informational server messages as its published schemas describe them, as far as a simulated call uses them.

Fields that are on the wire but in no schema say so. Anything else that a body carries is an error.
"""

from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType, field

Object: TypeAlias = dict[str, Any]
Absent: TypeAlias = UnsetType


class Shape(Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """An object with no fields but the known ones."""


class Call(Shape, kw_only=True):
    """The schema requires id, orgId, createdAt and updatedAt."""

    id: str
    org_id: str
    created_at: str
    updated_at: str
    type: Literal["inboundPhoneCall", "outboundPhoneCall", "webCall"]
    status: Literal["queued", "ringing", "in-progress", "forwarding", "ended"]
    assistant_id: str
    customer: Object
    monitor: Object
    transport: Object
    phone_call_provider: Literal["twilio", "vonage", "vapi", "telnyx"] | Absent = UNSET
    phone_call_transport: Literal["sip", "pstn"] | Absent = UNSET
    phone_number_id: str | Absent = UNSET
    started_at: str | Absent = UNSET
    ended_at: str | Absent = UNSET
    ended_reason: str | Absent = UNSET


class Spoken(Shape, kw_only=True):
    """BotMessage and UserMessage."""

    role: Literal["bot", "user"]
    message: str
    time: float
    end_time: float
    seconds_from_start: float
    duration: float
    source: str | Absent = UNSET
    is_filtered: bool | Absent = UNSET
    detected_threats: list[str] | Absent = UNSET
    metadata: Object | Absent = UNSET


class System(Shape, kw_only=True):
    """SystemMessage."""

    role: Literal["system"]
    message: str
    time: float
    seconds_from_start: float


class ToolCalls(Shape, kw_only=True):
    """ToolCallMessage."""

    role: Literal["tool_calls"]
    tool_calls: list[Object]
    message: str
    time: float
    seconds_from_start: float


class ToolResult(Shape, kw_only=True):
    """ToolCallResultMessage."""

    role: Literal["tool_call_result"]
    tool_call_id: str
    name: str
    result: str
    time: float
    seconds_from_start: float


SAID = {"bot": Spoken, "user": Spoken, "system": System, "tool_calls": ToolCalls, "tool_call_result": ToolResult}


class OpenAIMessage(Struct, kw_only=True):
    """Only content and role are described."""

    content: str | None
    role: Literal["assistant", "function", "user", "system", "tool"]


class TurnLatency(Shape, kw_only=True):
    """Milliseconds."""

    model_latency: float
    voice_latency: float
    transcriber_latency: float
    endpointing_latency: float
    turn_latency: float


class PerformanceMetrics(Shape, kw_only=True):
    """The averages are absent where there is no turn."""

    turn_latencies: list[TurnLatency]
    model_latency_average: float | Absent = UNSET
    voice_latency_average: float | Absent = UNSET
    transcriber_latency_average: float | Absent = UNSET
    endpointing_latency_average: float | Absent = UNSET
    turn_latency_average: float | Absent = UNSET
    from_transport_latency_average: float
    to_transport_latency_average: float
    num_user_interrupted: int
    num_assistant_interrupted: int


class Artifact(Shape, kw_only=True):
    """What the call left behind."""

    messages: list[Object]
    formatted: list[OpenAIMessage] = field(name="messagesOpenAIFormatted")
    transcript: str | Absent = UNSET
    performance_metrics: PerformanceMetrics | Absent = UNSET
    transfers: list[Object] | Absent = UNSET


class Cost(Shape, tag_field="type", kw_only=True):
    """Every cost has one."""

    cost: float


class Transport(Cost, tag="transport", kw_only=True):
    """TransportCost."""

    provider: Literal["daily", "vapi.websocket", "twilio", "vonage", "telnyx", "vapi.sip"]
    minutes: float


class Transcriber(Cost, tag="transcriber", kw_only=True):
    """TranscriberCost."""

    transcriber: Object
    minutes: float


class Model(Cost, tag="model", kw_only=True):
    """ModelCost."""

    model: Object
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int


class Voice(Cost, tag="voice", kw_only=True):
    """VoiceCost."""

    voice: Object
    characters: int


class Platform(Cost, tag="vapi", kw_only=True):
    """VapiCost."""

    sub_type: Literal["normal", "overage"]
    minutes: float


class AnalysisCost(Cost, tag="analysis", kw_only=True):
    """AnalysisCost."""

    analysis_type: Literal["summary", "structuredData", "successEvaluation", "structuredOutput"]
    model: Object
    prompt_tokens: int
    completion_tokens: int


class AnalysisCostBreakdown(Shape, kw_only=True):
    """The analysis costs in fixed fields."""

    summary: float
    summary_prompt_tokens: int
    summary_completion_tokens: int
    success_evaluation: float
    success_evaluation_prompt_tokens: int
    success_evaluation_completion_tokens: int


class CostBreakdown(Shape, kw_only=True):
    """US dollars, tokens and characters."""

    transport: float
    stt: float
    llm: float
    tts: float
    vapi: float
    chat: float
    total: float
    llm_prompt_tokens: int
    llm_completion_tokens: int
    llm_cached_prompt_tokens: int
    tts_characters: int
    analysis_cost_breakdown: AnalysisCostBreakdown


class Analysis(Shape, kw_only=True):
    """Empty where nobody talked."""

    summary: str | Absent = UNSET
    success_evaluation: str | Absent = UNSET


class ServerMessage(Shape, tag_field="type", kw_only=True):
    """What all messages share; a web call has no phone number."""

    timestamp: int
    assistant: Object
    customer: Object
    call: Call
    phone_number: Object | Absent = UNSET


class Hang(ServerMessage, tag="hang", kw_only=True):
    """ServerMessageHang."""


class StatusUpdate(ServerMessage, tag="status-update", kw_only=True):
    """ServerMessageStatusUpdate."""

    status: Literal["queued", "ringing", "in-progress", "forwarding", "ended"]
    ended_reason: str | Absent = UNSET
    destination: Object | Absent = UNSET


class SpeechUpdate(ServerMessage, tag="speech-update", kw_only=True):
    """ServerMessageSpeechUpdate."""

    status: Literal["started", "stopped"]
    role: Literal["assistant", "user"]
    turn: int


class Transcript(ServerMessage, tag="transcript", kw_only=True):
    """ServerMessageTranscript."""

    role: Literal["assistant", "user"]
    transcript_type: Literal["partial", "final"]
    transcript: str
    is_filtered: bool


class UserInterrupted(ServerMessage, tag="user-interrupted", kw_only=True):
    """ServerMessageUserInterrupted."""

    turn_id: str


class TransferUpdate(ServerMessage, tag="transfer-update", kw_only=True):
    """ServerMessageTransferUpdate."""

    destination: Object


class ConversationUpdate(ServerMessage, tag="conversation-update", kw_only=True):
    """ServerMessageConversationUpdate."""

    messages: list[Object]
    formatted: list[OpenAIMessage] = field(name="messagesOpenAIFormatted")
    artifact: Artifact


class EndOfCallReport(ServerMessage, tag="end-of-call-report", kw_only=True):
    """ServerMessageEndOfCallReport; the fields at the end are on the wire but not in the schema."""

    ended_reason: str
    artifact: Artifact
    analysis: Analysis
    cost: float
    costs: list[Transport | Transcriber | Model | Voice | Platform | AnalysisCost]
    ended_at: str
    started_at: str | Absent = UNSET
    cost_breakdown: CostBreakdown
    duration_ms: int
    duration_seconds: float
    summary: str
    transcript: str
    recording_url: str


Message: TypeAlias = (
    Hang
    | StatusUpdate
    | SpeechUpdate
    | Transcript
    | UserInterrupted
    | TransferUpdate
    | ConversationUpdate
    | EndOfCallReport
)
