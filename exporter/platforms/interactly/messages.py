"""One message of a conversation-update: its identity and what was measured of it."""

from functools import lru_cache
from typing import Final

from exporter.events import OTHER, Audio, Group, Llm, Message, Rejected, Role, Stt, Tts, identity
from exporter.platforms.interactly import wire
from exporter.platforms.values import WEEK, WEEK_MS, Values, identifier, text, truth

_COMMON: Final = len("welcome-100")
_NO_METRICS: Final = wire.Metrics()
_NO_STT: Final = Stt()
_NO_LLM: Final = Llm()
_NO_TTS: Final = (Tts(), Tts(cached=True))
_NO_AUDIO: Final = Audio()
_GROUP_OF: Final[dict[str, Group]] = {
    "timeline": "response",
    "stt": "stt",
    "llm": "llm",
    "tts": "tts",
    "interactlyEOU": "eou",
    "interactlyPlayer": "player",
    "audio": "audio",
}
"""Measurement groups by the first part of a field's name."""
_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "system": "system",
}


def message(raw: wire.WireMessage) -> Message | None:
    """What one message says; None without an id or a time to know it by."""
    message_id, role = identifier(raw.message_id), text(raw.role)
    values = Values()
    time_ms = values.time_ms(raw.timestamp)
    # A time that can't be is none, and no measurement.
    values.rejected.clear()
    if (key := key_of(message_id, role, time_ms)) is None:
        return None
    metrics = raw.metrics or _NO_METRICS
    timeline, eou, player = metrics.timeline, metrics.eou, metrics.player
    elapsed = (
        values.amount(timeline.total_elapsed_time_ms, "timeline.totalElapsedTimeMs", 1, WEEK_MS) if timeline else None
    )
    return Message(
        key=key,
        role="welcome" if message_id.startswith("welcome") else _ROLES.get(role, OTHER),
        time_ms=time_ms,
        elapsed_ms=elapsed,
        turn=_turn(message_id) if role == "assistant" else None,
        stt=_stt(metrics.stt, values) if metrics.stt else None,
        llm=_llm(metrics.llm, values) if metrics.llm else None,
        tts=_tts(metrics.tts, values) if metrics.tts else None,
        eou=values.amount(eou.turn_detection_time_ms, "interactlyEOU.turnDetectionTimeMs") if eou else None,
        player=values.amount(player.wait_time_ms, "interactlyPlayer.waitTimeMs") if player else None,
        audio=_audio(metrics.audio, values) if metrics.audio else None,
        skipped=None if raw.skipped_assistant_messages is None else len(raw.skipped_assistant_messages),
        rejected=_by_group(values.rejected) if values.rejected else (),
    )


def key_of(message_id: str, role: str, time_ms: int | None) -> int | None:
    """Identity of a message: its id, else its role and time."""
    if message_id:
        return _key(message_id)
    return None if time_ms is None else identity(role, time_ms)


def _by_group(rejected: list[Rejected]) -> tuple[tuple[Group, Rejected], ...]:
    return tuple((_GROUP_OF[each.field.partition(".")[0]], each) for each in rejected)


def _turn(message_id: str) -> int | None:
    """Key of the user message that an assistant's message id names: user-3 in ``user-3-WcIrvV6mE7-1772702495604``."""
    user, _, rest = message_id.partition("-")
    number, _, own = rest.partition("-")
    return _key(f"user-{number}") if user == "user" and own else None


def _key(message_id: str) -> int:
    """Identity of a message; for ids that every call has, such as user-3, the same object each time."""
    return _common_key(message_id) if len(message_id) <= _COMMON else identity(message_id)


@lru_cache(1024)
def _common_key(message_id: str) -> int:
    return identity(message_id)


def _stt(stt: wire.SttMetrics, values: Values) -> Stt | None:
    latency = values.signed(stt.relative_latency_ms, "stt.relativeLatencyMs")
    measured = Stt(
        confidence=values.ratio(stt.confidence, "stt.confidence"),
        latency=None if latency is None else max(0, latency),
        audio=values.amount(stt.duration_ms, "stt.durationMs"),
    )
    return None if measured == _NO_STT else measured


def _llm(llm: wire.LlmMetrics, values: Values) -> Llm | None:
    measured = Llm(
        response=values.measured(llm.response_latency_ms, "llm.responseLatencyMs"),
        queue=values.amount(llm.queue_latency_ms, "llm.queueLatencyMs"),
    )
    return None if measured == _NO_LLM else measured


def _tts(tts: wire.TtsMetrics, values: Values) -> Tts | None:
    measured = Tts(
        generation=values.amount(tts.generation_time_ms, "tts.generationTimeMs"),
        queue=values.amount(tts.queue_latency_ms, "tts.queueLatencyMs"),
        audio=values.amount(tts.audio_duration_ms, "tts.audioDurationMs"),
        cached=truth(tts.is_cache_playing) is True,
    )
    return None if measured in _NO_TTS else measured


def _audio(audio: wire.AudioMetrics, values: Values) -> Audio | None:
    """Packet counts are often negative; that means none and is no impossible value."""
    delayed = values.signed(
        audio.delayed_packets_per_turn_count, "audio.delayedPacketsPerTurnCount", unit=1, maximum=WEEK_MS
    )
    lost = values.signed(
        audio.lost_packets_cumulative_count, "audio.lostPacketsCumulativeCount", unit=1, maximum=WEEK_MS
    )
    measured = Audio(
        delay=values.amount(audio.audio_delay_per_turn_ms, "audio.audioDelayPerTurnMs"),
        received=values.amount(audio.total_audio_received_ms, "audio.totalAudioReceivedMs", maximum=WEEK),
        delayed=None if delayed is None else max(0, delayed),
        lost=None if lost is None else max(0, lost),
    )
    return None if measured == _NO_AUDIO else measured
