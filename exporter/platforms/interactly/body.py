"""What a body of Interactly says."""

from collections.abc import Callable, Iterator
from typing import Final

from exporter.errors import InvalidEvent
from exporter.events import (
    OTHER,
    UNKNOWN,
    Assistant,
    CallType,
    Component,
    Duration,
    Ended,
    EndedBy,
    Error,
    Event,
    Fact,
    Hang,
    Nanounits,
    Outcome,
    Rejected,
    ReportedCount,
    Retryable,
    Status,
    identity,
)
from exporter.platforms.history import History, conversation_start, length
from exporter.platforms.history_cache import Cut, HistoryCache
from exporter.platforms.interactly import report, wire
from exporter.platforms.interactly.messages import message
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
    severity,
    text,
    truth,
)

NAME: Final = "interactly"
_UPDATE: Final = "conversation-update"
EVENTS: Final = frozenset({"status-update", _UPDATE, "end-of-call-report", "hang", "error"})

_HISTORY: Final = History(wire.Messages, message)
_COMPONENTS: Final[dict[str, Component]] = {"llm_error": "llm", "stt_error": "stt", "tts_error": "tts"}
_CALL_TYPES: Final[dict[str, CallType]] = {"web": "web", "phone": "phone", "websocket": "websocket"}
_RETRYABLE: Final[dict[bool | None, Retryable]] = {True: "true", False: "false"}
_ENDED_BY: Final[dict[str, tuple[Outcome, EndedBy, str]]] = {
    "bot": ("ok", "assistant", "assistant_ended"),
    "assistant": ("ok", "assistant", "assistant_ended"),
    "user": ("ok", "customer", "customer_ended"),
    "system": ("unknown", "system", "system_ended"),
}
_NOT_CONNECTED: Final[dict[str, tuple[Outcome, str]]] = {
    "failed": ("error", "failed"),
    "busy": ("unreached", "busy"),
    "no-answer": ("unreached", "no_answer"),
}


_OLD_STATUSES: Final = {
    "in-progress": "ongoing",
    "ringing": "queued",
    "completed": "finished",
    "busy": "finished",
    "no-answer": "finished",
}


def parse(body: bytes, cache: HistoryCache | None) -> Event:
    """What a webhook body says.

    Raises:
        InvalidEvent: not JSON, not an object, or no known envelope.
    """
    cut = cache.cut(body) if cache else None
    return (_growing(cut, cache) if cut and cache else None) or _event(body, cache)


def _growing(cut: Cut, cache: HistoryCache) -> Event | None:
    """The conversation-update that a body is of which a part is known; None where it is anything else."""
    envelope, rejected = decode(cut.body, wire.Body)
    raw = envelope.message
    if raw is None or raw.type != _UPDATE or not raw.call:
        return None
    conversation = _HISTORY.new(cut, identity(NAME, _call_id(raw.call)), bytes(raw.messages), cache)
    return _as_event(raw, raw.call, (conversation,), Values(), rejected) if conversation else None


def _event(body: bytes, cache: HistoryCache | None) -> Event:
    envelope, rejected = decode(body, wire.Body)
    raw = envelope.message
    if raw is None or not isinstance(raw.type, str):
        if isinstance(envelope.event, str):
            return Event(platform=NAME, kind=OTHER)
        raise InvalidEvent("message.type is missing, and there is no top-level event either")
    if raw.type not in EVENTS:
        return Event(platform=NAME, kind=OTHER)
    values, call = Values(), raw.call or wire.Call()
    said = _conversation(raw, call, cache) if raw.type == _UPDATE else _FACTS[raw.type](raw, call, values)
    return _as_event(raw, call, tuple(said), values, rejected)


def _as_event(
    raw: wire.Message, call: wire.Call, facts: tuple[Fact, ...], values: Values, rejected: tuple[Rejected, ...]
) -> Event:
    time_ms = values.time_ms(raw.timestamp, "message.timestamp")
    assistant = _assistant(raw.assistant or wire.Assistant(), call)
    call_id = _call_id(call)
    return Event(
        platform=NAME,
        kind=text(raw.type),
        call=identity(NAME, call_id) if call_id else _nameless(raw, assistant, time_ms, facts),
        call_id=call_id,
        time_ms=time_ms,
        assistant=assistant,
        call_type=_CALL_TYPES.get(text(call.call_type), UNKNOWN),
        direction=direction(call.direction),
        facts=facts,
        rejected=(*rejected, *values.rejected),
    )


def _call_id(call: wire.Call) -> str:
    return identifier(call.id)


def _nameless(raw: wire.Message, assistant: Assistant, time_ms: int | None, facts: tuple[Fact, ...]) -> int | None:
    """Identity of a call by how its conversation begins, or of the event itself."""
    if raw.type == _UPDATE:
        return identity(NAME, assistant.id, *conversation_start(facts))
    code = identifier(raw.error.code) if raw.error else ""
    return None if time_ms is None else identity(NAME, assistant.id, raw.type, time_ms, code)


def _assistant(raw: wire.Assistant, call: wire.Call) -> Assistant:
    speech = (raw.config.speech if raw.config else None) or wire.Speech()
    voices = speech.tts_data or []
    voice = next((voice for voice in voices if truth(voice.default)), voices[0] if voices else wire.Tts())
    return Assistant(
        id=label(call.assistant_id) or label(raw.id),
        name=name(raw.name),
        llm_provider=provider(raw.assistant_provider),
        llm_model=label(raw.assistant_model),
        stt_provider=provider(speech.stt.vendor) if speech.stt else "",
        tts_provider=provider(voice.vendor),
        subscribed=_subscribed(raw.assistant_server) if raw.assistant_server else None,
    )


def _subscribed(server: wire.AssistantServer) -> frozenset[str] | None:
    if server.messages is None:
        return None
    return EVENTS.intersection(map(text, server.messages)) if truth(server.enabled) is not False else frozenset()


def _conversation(raw: wire.Message, call: wire.Call, cache: HistoryCache | None) -> Iterator[Fact]:
    """Even an empty one tells that its call goes on."""
    conversation = _HISTORY.whole(bytes(raw.messages), cache if _call_id(call) else None)
    if conversation.messages or _call_id(call):
        yield conversation


def _hang(raw: wire.Message, _: wire.Call, __: Values) -> Iterator[Fact]:
    yield Hang(length(raw.messages))


def _error(raw: wire.Message, _: wire.Call, __: Values) -> Iterator[Fact]:
    fault = raw.error or wire.Error()
    error_type, code = text(fault.type), label(fault.code) or UNKNOWN
    retryable = _RETRYABLE.get(truth(fault.retryable), UNKNOWN)
    known = error_type in _COMPONENTS
    yield Error(
        component=_COMPONENTS.get(error_type, "platform"),
        error_type=error_type if known else OTHER if error_type else UNKNOWN,
        code=code,
        provider=provider(fault.provider),
        retryable=retryable,
        severity=severity(code, retryable),
    )


def _status_update(raw: wire.Message, call: wire.Call, values: Values) -> Iterator[Fact]:
    status, connection = _status(raw, call), text(call.phone_call_status)
    terminal = status in {"finished", "failed"}
    if status or connection == "failed":
        yield Status(status or "failed")
    if connection == "failed" and not terminal and status:
        yield Status("failed")
    if terminal or connection == "failed":
        yield _ended(raw, call)
        length_ms = values.measured(call.assistant_call_duration, "call.assistantCallDuration", maximum=WEEK)
        if length_ms is not None:
            yield Duration(length_ms)


def _status(raw: wire.Message, call: wire.Call) -> str:
    """The call's status; until 2026 it stood beside the call, in words that the connection still has."""
    beside = text(raw.status)
    return text(call.status) or _OLD_STATUSES.get(beside, beside)


def _report(raw: wire.Message, call: wire.Call, values: Values) -> Iterator[Fact]:
    yield _ended(raw, call)
    if (seconds := _duration(call, values)) is not None:
        yield Duration(seconds)
    yield from report.facts(raw, call, values)
    stats = call.metrics.call_stats if call.metrics else None
    if stats:
        failed = [part.errors for part in (stats.llm_stats, stats.stt_stats) if part]
        yield ReportedCount("error", sum(count for count in map(_whole, failed)))
    yield ReportedCount(_UPDATE, length(raw.messages) or 0)
    yield ReportedCount("status-update", 1)


def _whole(value: object) -> int:
    return Values().count(value, "errors") or 0


def _ended(raw: wire.Message, call: wire.Call) -> Ended:
    status, connection = _status(raw, call), text(call.phone_call_status)
    outcome, ended_by, reason = _ENDED_BY.get(text(call.call_end_trigger_by), (UNKNOWN, UNKNOWN, UNKNOWN))
    failure = _NOT_CONNECTED.get(connection) or _NOT_CONNECTED.get(text(raw.status))
    if status == "failed":
        failure = _NOT_CONNECTED["failed"]
    if failure:
        outcome, reason = failure
    return Ended(outcome, ended_by, reason, "none" if outcome == "ok" else UNKNOWN)


def _duration(call: wire.Call, values: Values) -> Nanounits | None:
    """Seconds as the cost states them, else end minus start, else the assistant's own count."""
    stated = values.measured(call.cost.call_duration, "cost.callDuration", SECONDS, WEEK) if call.cost else None
    return (
        stated
        or values.between(call.start_at, call.end_at, "call.endAt")
        or values.measured(call.assistant_call_duration, "call.assistantCallDuration", MS, WEEK)
    )


_FACTS: Final[dict[str, Callable[[wire.Message, wire.Call, Values], Iterator[Fact]]]] = {
    "status-update": _status_update,
    "end-of-call-report": _report,
    "hang": _hang,
    "error": _error,
}
COUNTED: Final = frozenset(_FACTS) | {_UPDATE}
