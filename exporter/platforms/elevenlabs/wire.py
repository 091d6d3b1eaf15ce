"""The fields of ElevenLabs' payloads that are measured. Numbers are taken as they come and judged later."""

from typing import Any

from msgspec import Raw, Struct, field

from exporter.platforms.json_decoding import Listed

_NOTHING = Raw(b"")


class _Wire(Struct, gc=False):
    pass


class Elapsed(_Wire):
    elapsed_time: Any = None


class Measured(_Wire):
    convai_ttf_audio_since_silence: Elapsed | None = None
    convai_llm_service_ttfb: Elapsed | None = None
    convai_tts_service_ttfb: Elapsed | None = None
    convai_asr_trailing_service_latency: Elapsed | None = None
    convai_turn_silence_before_initiation: Elapsed | None = None


class TurnMetrics(Measured):
    metrics: Measured | None = None
    convai_asr_provider: Any = None


class Result(_Wire):
    result_type: Any = None


class ToolResult(_Wire):
    request_id: Any = None
    tool_name: Any = None
    tool_latency_secs: Any = None
    result: Result | None = None


class Entry(_Wire):
    role: Any = None
    message: Raw = _NOTHING
    interrupted: Any = None
    tool_results: Listed[ToolResult] | None = None
    conversation_turn_metrics: TurnMetrics | None = None


class Amount(_Wire):
    tokens: Any = None


class ModelUsage(_Wire):
    input: Amount | None = None
    input_cache_read: Amount | None = None
    input_cache_write: Amount | None = None
    output_total: Amount | None = None


class Generation(_Wire):
    model_usage: dict[str, ModelUsage] | None = None


class LlmUsage(_Wire):
    irreversible_generation: Generation | None = None


class TtsUsage(_Wire):
    total_characters: Any = None


class AsrUsage(_Wire):
    total_audio_input_seconds: Any = None


class Charging(_Wire):
    llm_price: Any = None
    platform_price: Any = None
    llm_usage: LlmUsage | None = None
    tts_usage: TtsUsage | None = None
    asr_usage: AsrUsage | None = None


class PhoneCall(_Wire):
    direction: Any = None


class Error(_Wire):
    code: Any = None
    reason: Any = None
    error_type: Any = None


class Line(_Wire):
    sip_status_code: Any = None
    sip_response_code: Any = field(default=None, name="SipResponseCode")
    call_status: Any = field(default=None, name="CallStatus")


class Metadata(_Wire):
    start_time_unix_secs: Any = None
    call_duration_secs: Any = None
    cost_fiat: Any = None
    charging: Charging | None = None
    phone_call: PhoneCall | None = None
    conversation_initiation_source: Any = None
    termination_reason: Any = None
    error: Error | None = None
    text_only: Any = None
    whatsapp: Raw = _NOTHING
    sms: Raw = _NOTHING
    async_metadata: Raw = _NOTHING
    body: Line | None = None


class Analysis(_Wire):
    call_successful: Any = None


class Data(_Wire):
    agent_id: Any = None
    agent_name: Any = None
    conversation_id: Any = None
    status: Any = None
    failure_reason: Any = None
    metadata: Metadata | None = None
    transcript: Listed[Entry] | None = None
    analysis: Analysis | None = None


class Body(_Wire):
    type: Any = None
    event_timestamp: Any = None
    data: Data | None = None
