"""The fields of our own events; event.schema.json describes them to senders."""

from typing import Any

from msgspec import Struct

from exporter.platforms.json_decoding import Listed


class Assistant(Struct, gc=False):
    id: Any = None
    name: Any = None
    llm_provider: Any = None
    llm_model: Any = None
    stt_provider: Any = None
    tts_provider: Any = None


class Message(Struct, gc=False):
    id: Any = None
    role: Any = None
    interrupted: Any = None
    response_seconds: Any = None
    llm_seconds: Any = None
    tts_seconds: Any = None
    tts_audio_seconds: Any = None
    tts_cached: Any = None
    stt_seconds: Any = None
    stt_audio_seconds: Any = None
    stt_confidence: Any = None
    turn_detection_seconds: Any = None


class Error(Struct, gc=False):
    component: Any = None
    code: Any = None
    provider: Any = None
    retryable: Any = None


class Cost(Struct, gc=False):
    component: Any = None
    provider: Any = None
    dollars: Any = None


class Fields(Struct, gc=False):
    type: Any = None
    call_id: Any = None
    time: Any = None
    call_type: Any = None
    direction: Any = None
    assistant: Assistant | None = None
    message: Message | None = None
    error: Error | None = None
    costs: Listed[Cost] | None = None
    total_dollars: Any = None
    outcome: Any = None
    ended_by: Any = None
    reason: Any = None
    duration_seconds: Any = None


class Body(Fields):
    specversion: Any = None
    data: Fields | None = None
