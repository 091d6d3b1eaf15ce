"""What a body of ElevenLabs says.

Everything comes after the call: its only event opens and ends it. Chats are no calls, and a transcription that comes
once more, without its redactions, adds nothing.
"""

from collections.abc import Iterator
from typing import Final

from exporter.errors import InvalidEvent
from exporter.events import OTHER, UNKNOWN, Assistant, CallType, Direction, Ended, Error, Event, Fact, Status, identity
from exporter.platforms.elevenlabs import report, wire
from exporter.platforms.elevenlabs.ended import ending, not_taken
from exporter.platforms.history_cache import HistoryCache
from exporter.platforms.json_decoding import decode
from exporter.platforms.values import (
    MS,
    SECONDS,
    WEEK,
    Values,
    direction,
    identifier,
    label,
    name,
    provider,
    text,
    truth,
)

NAME: Final = "elevenlabs"
_TRANSCRIPTION: Final = "post_call_transcription"
_NOT_TAKEN: Final = "call_initiation_failure"
COUNTED: Final = frozenset({_TRANSCRIPTION, _NOT_TAKEN})
EVENTS: Final = COUNTED | {
    "agent_qa",
    "post_call_audio",
    "speech_to_text",
    "voice_removal_notice",
    "voice_removal_notice_withdrawn",
    "voice_removed",
}
_NOTHING: Final = frozenset({b"", b"null"})


def parse(body: bytes, _: HistoryCache | None) -> Event:
    """What a webhook body says.

    Raises:
        InvalidEvent: not JSON, not an object, or no known envelope.
    """
    envelope, rejected = decode(body, wire.Body)
    kind = text(envelope.type)
    if not kind:
        raise InvalidEvent("type is missing")
    if kind not in EVENTS:
        return Event(platform=NAME, kind=OTHER)
    if kind not in COUNTED:
        return Event(platform=NAME, kind=kind)
    values, data = Values(), envelope.data or wire.Data()
    metadata = data.metadata or wire.Metadata()
    call_id = identifier(data.conversation_id)
    time_ms = _time_ms(kind, envelope, metadata, values)
    agent = label(data.agent_id)
    return Event(
        platform=NAME,
        kind=kind,
        call=identity(NAME, call_id) if call_id else None if time_ms is None else identity(NAME, agent, kind, time_ms),
        call_id=call_id,
        time_ms=time_ms,
        assistant=_assistant(agent, data, metadata),
        call_type=_call_type(kind, metadata),
        direction=_direction(kind, metadata),
        facts=tuple(_facts(kind, data, values)),
        rejected=(*rejected, *values.rejected),
    )


def _time_ms(kind: str, envelope: wire.Body, metadata: wire.Metadata, values: Values) -> int | None:
    """When the call ended; a call that nobody took has only the time of its event."""
    if kind == _NOT_TAKEN:
        return values.time_ms(envelope.event_timestamp, "event_timestamp")
    began = values.moment(metadata.start_time_unix_secs, "metadata.start_time_unix_secs")
    length = Values().amount(metadata.call_duration_secs, "metadata.call_duration_secs", SECONDS, WEEK)
    return None if began is None else (began + (length or 0)) // MS


def _assistant(agent: str, data: wire.Data, metadata: wire.Metadata) -> Assistant:
    models = list(report.usage(metadata))
    model = label(models[0]) if len(models) == 1 else ""
    turns = (entry.conversation_turn_metrics for entry in data.transcript or ())
    heard = (provider(turn.convai_asr_provider) for turn in turns if turn)
    return Assistant(
        id=agent,
        name=name(data.agent_name),
        llm_provider=report.maker(model),
        llm_model=model,
        stt_provider=next((name for name in heard if name), ""),
        tts_provider="eleven-labs",
    )


def _call_type(kind: str, metadata: wire.Metadata) -> CallType:
    if metadata.phone_call or kind == _NOT_TAKEN:
        return "phone"
    source = text(metadata.conversation_initiation_source)
    return "web" if source.endswith("_sdk") or "widget" in source else UNKNOWN


def _direction(kind: str, metadata: wire.Metadata) -> Direction:
    if kind == _NOT_TAKEN:
        return "outbound"
    return direction(metadata.phone_call.direction) if metadata.phone_call else UNKNOWN


def _facts(kind: str, data: wire.Data, values: Values) -> Iterator[Fact]:
    if kind == _NOT_TAKEN:
        yield from _ended(*not_taken(data), "failed")
    elif data.metadata and not _is_chat(data.metadata):
        seconds = Values().count(data.metadata.call_duration_secs, "metadata.call_duration_secs")
        status = "failed" if data.status == "failed" else "finished"
        yield from _ended(*ending(data, data.metadata, seconds), status)
        yield from report.facts(data, data.metadata, values)


def _ended(ended: Ended, error: Error | None, status: str) -> Iterator[Fact]:
    yield Status(status)
    yield ended
    if error:
        yield error


def _is_chat(metadata: wire.Metadata) -> bool:
    channels = (metadata.whatsapp, metadata.sms, metadata.async_metadata)
    return truth(metadata.text_only) is True or any(bytes(channel) not in _NOTHING for channel in channels)
