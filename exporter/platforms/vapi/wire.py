"""The fields of Vapi's messages that are measured. Numbers are taken as they come and judged later."""

from typing import Any, TypeAlias

from msgspec import Raw, Struct

from exporter.platforms.json_decoding import Listed

_NULL = Raw(b"null")


class _Wire(Struct, rename="camel", gc=False):
    pass


class Word(_Wire):
    confidence: Any = None


class Metadata(_Wire):
    word_level_confidence: Listed[Word] | None = None


class Function(_Wire):
    name: Any = None


class ToolCall(_Wire):
    id: Any = None
    name: Any = None
    function: Function | None = None


class WireMessage(_Wire):
    role: Any = None
    time: Any = None
    metadata: Metadata | None = None
    tool_calls: Listed[ToolCall] | None = None
    tool_call_id: Any = None
    name: Any = None


Messages: TypeAlias = list[WireMessage]


class Service(_Wire):
    provider: Any = None
    model: Any = None


class Cost(_Wire):
    type: Any = None
    provider: Any = None
    transcriber: Service | None = None
    model: Service | None = None
    voice: Service | None = None
    minutes: Any = None
    characters: Any = None
    prompt_tokens: Any = None
    completion_tokens: Any = None
    cached_prompt_tokens: Any = None
    cost: Any = None


class AnalysisCosts(_Wire):
    summary: Any = None
    structured_data: Any = None
    success_evaluation: Any = None
    structured_output: Any = None


class CostBreakdown(_Wire):
    transport: Any = None
    stt: Any = None
    llm: Any = None
    tts: Any = None
    vapi: Any = None
    chat: Any = None
    voicemail_detection_cost: Any = None
    knowledge_base_cost: Any = None
    total: Any = None
    llm_prompt_tokens: Any = None
    llm_completion_tokens: Any = None
    llm_cached_prompt_tokens: Any = None
    tts_characters: Any = None
    analysis_cost_breakdown: AnalysisCosts | None = None


class TurnLatency(_Wire):
    model_latency: Any = None
    voice_latency: Any = None
    transcriber_latency: Any = None
    endpointing_latency: Any = None
    turn_latency: Any = None


class PerformanceMetrics(_Wire):
    turn_latencies: Listed[TurnLatency] | None = None
    num_user_interrupted: Any = None
    num_assistant_interrupted: Any = None


class Transfer(_Wire):
    status: Any = None


class Artifact(_Wire):
    messages: Raw = _NULL
    transfers: Listed[Transfer] | None = None
    performance_metrics: PerformanceMetrics | None = None


class Analysis(_Wire):
    success_evaluation: Any = None


class Assistant(_Wire):
    id: Any = None
    name: Any = None
    model: Service | None = None
    voice: Service | None = None
    transcriber: Service | None = None
    server_messages: Listed[Any] | None = None


class Transport(_Wire):
    provider: Any = None


class Call(_Wire):
    id: Any = None
    type: Any = None
    assistant_id: Any = None
    squad_id: Any = None
    assistant: Assistant | None = None
    transport: Transport | None = None
    phone_call_provider: Any = None
    started_at: Any = None
    ended_at: Any = None
    ended_reason: Any = None
    cost: Any = None
    costs: Listed[Cost] | None = None
    cost_breakdown: CostBreakdown | None = None
    analysis: Analysis | None = None


class Message(_Wire):
    type: Any = None
    tool_call_list: Listed[ToolCall] | None = None
    tool_calls: Listed[ToolCall] | None = None
    timestamp: Any = None
    call: Call | None = None
    assistant: Assistant | None = None
    artifact: Artifact | None = None
    messages: Raw = _NULL
    status: Any = None
    role: Any = None
    turn_id: Any = None
    ended_reason: Any = None
    started_at: Any = None
    ended_at: Any = None
    duration_seconds: Any = None
    duration_ms: Any = None
    cost: Any = None
    costs: Listed[Cost] | None = None
    cost_breakdown: CostBreakdown | None = None
    analysis: Analysis | None = None
    performance_metrics: PerformanceMetrics | None = None


class Body(_Wire):
    message: Message | None = None
    type: Any = None
