"""The fields of Interactly's payloads that are measured. Numbers are taken as they come and judged later."""

from typing import Any, TypeAlias

from msgspec import Raw, Struct, field

from exporter.platforms.json_decoding import Listed


class _Wire(Struct, rename="camel", gc=False):
    pass


class Timeline(_Wire):
    total_elapsed_time_ms: Any = None


class AudioMetrics(_Wire):
    audio_delay_per_turn_ms: Any = None
    total_audio_received_ms: Any = None
    delayed_packets_per_turn_count: Any = None
    lost_packets_cumulative_count: Any = None


class SttMetrics(_Wire):
    confidence: Any = None
    relative_latency_ms: Any = None
    duration_ms: Any = None


class LlmMetrics(_Wire):
    response_latency_ms: Any = None
    queue_latency_ms: Any = None


class TtsMetrics(_Wire):
    generation_time_ms: Any = None
    queue_latency_ms: Any = None
    audio_duration_ms: Any = None
    is_cache_playing: Any = None


class EouMetrics(_Wire):
    turn_detection_time_ms: Any = None


class PlayerMetrics(_Wire):
    wait_time_ms: Any = None


class Metrics(_Wire):
    timeline: Timeline | None = None
    audio: AudioMetrics | None = None
    stt: SttMetrics | None = None
    llm: LlmMetrics | None = None
    tts: TtsMetrics | None = None
    eou: EouMetrics | None = field(default=None, name="interactlyEOU")
    player: PlayerMetrics | None = field(default=None, name="interactlyPlayer")


class WireMessage(_Wire):
    message_id: Any = None
    role: Any = None
    timestamp: Any = None
    metrics: Metrics | None = None
    skipped_assistant_messages: Listed[Raw] | None = None


Messages: TypeAlias = list[WireMessage]


class CostAnalysis(_Wire):
    total: Any = None


class Cost(_Wire):
    call_duration: Any = None
    interactly_cost: Any = None
    phone_cost: Any = None
    tts_vendor_cost: Any = None
    stt_vendor_cost: Any = None
    llm_vendor_cost: Any = None
    total_cost: Any = None
    tts_gen_chars_total: Any = None
    input_tokens_total: Any = None
    output_tokens_total: Any = None
    analysis: CostAnalysis | None = None


class UserAudio(_Wire):
    cumulative_duration: Any = None
    dropped_chunks_count: Any = None


class Turns(_Wire):
    skipped: Any = None


class TurnsStats(_Wire):
    bot_response_time: Listed[Any] | None = None
    barge_in_count: Any = None


class TtsStats(_Wire):
    response_time_distribution: dict[str, Any] | None = None
    latency_total: Any = None
    cache_requests: Any = None
    cache_latency_total: Any = None
    api_latency_total: Any = None
    errors: Any = None
    retries: Any = None


class LlmStats(_Wire):
    response_time_distribution: dict[str, Any] | None = None
    response_latency_total: Any = None
    errors: Any = None
    input_tokens: Any = None
    output_tokens: Any = None


class SttStats(_Wire):
    response_time_distribution: dict[str, Any] | None = None
    response_latency_total: Any = None
    response_count: Any = None
    confidence_avg: Any = None
    connection_retries: Any = None
    errors: Any = None


class CallStats(_Wire):
    user_audio: UserAudio | None = None
    turns: Turns | None = None
    turns_stats: TurnsStats | None = None
    tts_stats: TtsStats | None = None
    llm_stats: LlmStats | None = None
    stt_stats: SttStats | None = None


class CallMetrics(_Wire):
    call_stats: CallStats | None = None


class Analysis(_Wire):
    success_evaluation: Any = None


class Call(_Wire):
    id: Any = None
    assistant_id: Any = None
    call_type: Any = None
    direction: Any = None
    status: Any = None
    phone_call_status: Any = None
    call_end_trigger_by: Any = None
    start_at: Any = None
    end_at: Any = None
    assistant_call_duration: Any = None
    analysis: Analysis | None = None
    cost: Cost | None = None
    metrics: CallMetrics | None = None


class Stt(_Wire):
    vendor: Any = None


class Tts(_Wire):
    vendor: Any = None
    default: Any = None


class Speech(_Wire):
    stt: Stt | None = None
    tts_data: Listed[Tts] | None = None


class Config(_Wire):
    speech: Speech | None = None


class AssistantServer(_Wire):
    enabled: Any = None
    messages: Listed[Any] | None = None


class Assistant(_Wire):
    id: Any = field(default=None, name="_id")
    name: Any = None
    assistant_provider: Any = None
    assistant_model: Any = None
    assistant_server: AssistantServer | None = None
    config: Config | None = None


class PhoneProvider(_Wire):
    name: Any = None


class Phone(_Wire):
    provider: PhoneProvider | None = None


class Error(_Wire):
    type: Any = None
    code: Any = None
    provider: Any = None
    retryable: Any = None


class Message(_Wire):
    type: Any = None
    timestamp: Any = None
    status: Any = None
    call: Call | None = None
    assistant: Assistant | None = None
    messages: Raw = Raw(b"null")
    phone: Phone | None = None
    analysis: Analysis | None = None
    error: Error | None = None


class Body(_Wire):
    message: Message | None = None
    event: Any = None
