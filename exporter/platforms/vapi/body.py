"""What a body of Vapi says.

Nothing is counted of transcripts and model output (the conversation-update holds the messages), of chats and sessions
(no calls), of uploads, deleted records, changed languages and what a server is own to do with a call.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Raw

from exporter.errors import InvalidEvent
from exporter.events import (
    OTHER,
    TRANSIENT,
    UNKNOWN,
    Assistant,
    CallType,
    Direction,
    Ended,
    Event,
    Fact,
    Hang,
    Interruption,
    Rejected,
    ReportedCount,
    Speech,
    Status,
    Transfer,
    identity,
)
from exporter.platforms.history import History, conversation_start, length
from exporter.platforms.history_cache import Cut, HistoryCache
from exporter.platforms.json_decoding import decode
from exporter.platforms.values import Values, identifier, label, name, provider, text
from exporter.platforms.vapi import report, wire
from exporter.platforms.vapi.ended import ending
from exporter.platforms.vapi.messages import asked_tools, message

NAME: Final = "vapi"
_HISTORY: Final = History(wire.Messages, message)
_UPDATE: Final = "conversation-update"
NEED_ANSWER: Final = frozenset(
    {
        "assistant-request",
        "tool-calls",
        "function-call",
        "transfer-destination-request",
        "handoff-destination-request",
        "knowledge-base-request",
        "voice-request",
        "call.endpointing.request",
        "campaign.predial",
    }
)
"""Types on whose answer the call depends; function-call is what tool-calls were once called."""
_ANSWER_SECONDS: Final = {"assistant-request": 7.5, "knowledge-base-request": 10.0}
"""How long Vapi waits whatever ``server.timeoutSeconds`` says (docs.vapi.ai, server events, knowledge bases)."""
_UNCOUNTED: Final = frozenset(
    {
        "assistant.speechStarted",
        "assistant.started",
        "call.artifact.upload",
        "call.delete.failed",
        "call.deleted",
        "chat.created",
        "chat.deleted",
        "language-change-detected",
        "metadata",
        "model-output",
        "phone-call-control",
        "session.created",
        "session.deleted",
        "session.updated",
        "tool-calls-result",
        "transcript",
        "voice-input",
        "workflow.node.started",
    }
)
_ALIASES: Final = {'transcript[transcriptType="final"]': "transcript", "language-changed": "language-change-detected"}
_CALL_TYPES: Final[dict[str, tuple[CallType, Direction]]] = {
    "inboundPhoneCall": ("phone", "inbound"),
    "outboundPhoneCall": ("phone", "outbound"),
    "webCall": ("web", UNKNOWN),
    "vapi.websocketCall": ("websocket", UNKNOWN),
}
_STATUSES: Final = {"in-progress": "ongoing", "forwarding": "forwarded", "ended": "finished"}
"""Vapi's names of statuses where they are not the contract's."""
SIMULATION: Final = "simulation."
"""How the types of its simulations begin, which are no calls."""
_PLANNED: Final = frozenset({"scheduled", "deletion-failed"})
"""Statuses of a call that does not take place now, or no more."""
_NOT_FOUND: Final = Ended("unknown", "system", "not_found", "unknown")


def parse(body: bytes, cache: HistoryCache | None) -> Event:
    """What a webhook body says.

    Raises:
        InvalidEvent: not JSON, not an object, or no known envelope.
    """
    cut = cache.cut(body) if cache else None
    return (_growing(cut, cache) if cut and cache else None) or _event(body, cache)


def _growing(cut: Cut, cache: HistoryCache) -> Event | None:
    """The conversation-update that a body is of which a part is known; None where it is anything else."""
    raw, rejected = _unwrap(cut.body)
    if raw.type != _UPDATE or not raw.call:
        return None
    conversation = _HISTORY.new(cut, identity(NAME, _call_id(raw.call)), bytes(_messages(raw)), cache)
    return _as_event(raw, raw.call, (conversation,), Values(), rejected) if conversation else None


def _event(body: bytes, cache: HistoryCache | None) -> Event:
    raw, rejected = _unwrap(body)
    kind = _kind(raw)
    if kind not in EVENTS:
        return Event(platform=NAME, kind=OTHER)
    values, call = Values(), raw.call or wire.Call()
    said: Iterator[Fact] = iter(())
    if kind == _UPDATE:
        said = _conversation(raw, call, cache)
    elif kind in _FACTS:
        said = _FACTS[kind](raw, call, values)
    return _as_event(raw, call, tuple(said), values, rejected)


def _as_event(
    raw: wire.Message, call: wire.Call, facts: tuple[Fact, ...], values: Values, rejected: tuple[Rejected, ...]
) -> Event:
    kind = _kind(raw)
    time_ms = values.time_ms(raw.timestamp, "message.timestamp")
    assistant = _assistant(raw, call)
    call_type, direction = _CALL_TYPES.get(text(call.type), (UNKNOWN, UNKNOWN))
    return Event(
        platform=NAME,
        kind=kind,
        call=_call_key(raw, call, assistant, time_ms, facts),
        call_id=_call_id(call),
        time_ms=time_ms,
        assistant=assistant,
        call_type=call_type,
        direction=direction,
        facts=facts,
        rejected=(*rejected, *values.rejected),
        needs_answer=kind in NEED_ANSWER,
        answer_seconds=_ANSWER_SECONDS.get(kind),
        tools=asked_tools(raw.tool_call_list or raw.tool_calls) if kind == "tool-calls" else (),
    )


def _kind(raw: wire.Message) -> str:
    name = text(raw.type)
    return _ALIASES.get(name, name)


def _unwrap(body: bytes) -> tuple[wire.Message, tuple[Rejected, ...]]:
    """The message, in its envelope or bare; a simulation's body is a message of a type that is not ours."""
    envelope, rejected = decode(body, wire.Body)
    if envelope.message and isinstance(envelope.message.type, str):
        return envelope.message, rejected
    bare = text(envelope.type)
    if bare.startswith(SIMULATION):
        return wire.Message(type=bare), ()
    if _ALIASES.get(bare, bare) in EVENTS:
        return decode(body, wire.Message)
    raise InvalidEvent("message.type is missing, and there is no known top-level type either")


def _call_id(call: wire.Call) -> str:
    return identifier(call.id)


def _call_key(
    raw: wire.Message, call: wire.Call, assistant: Assistant, time_ms: int | None, facts: tuple[Fact, ...]
) -> int | None:
    """Identity of the call, or of the event itself where it names none."""
    if call_id := _call_id(call):
        return identity(NAME, call_id)
    if raw.type == _UPDATE and facts:
        return identity(NAME, assistant.id, *conversation_start(facts))
    return None if time_ms is None else identity(NAME, assistant.id, _kind(raw), time_ms, text(raw.status))


def _assistant(raw: wire.Message, call: wire.Call) -> Assistant:
    """The assistant of the message; ``transient`` where a call has a configuration but no assistant of its own."""
    own = raw.assistant or call.assistant or wire.Assistant()
    known = label(call.assistant_id) or label(own.id) or label(call.squad_id)
    model, voice, transcriber = (service or wire.Service() for service in (own.model, own.voice, own.transcriber))
    return Assistant(
        id=known or (TRANSIENT if raw.call or raw.assistant else ""),
        name=name(own.name),
        llm_provider=provider(model.provider),
        llm_model=label(model.model),
        stt_provider=provider(transcriber.provider),
        tts_provider=provider(voice.provider),
        subscribed=_subscribed(own.server_messages),
    )


def _subscribed(names: list[Any] | None) -> frozenset[str] | None:
    return None if names is None else EVENTS.intersection(_ALIASES.get(name, name) for name in map(text, names))


def _messages(raw: wire.Message) -> Raw:
    """The conversation so far: the message's own, else the artifact's copy of it."""
    return raw.messages if bytes(memoryview(raw.messages)[:1]) == b"[" or not raw.artifact else raw.artifact.messages


def _status_update(raw: wire.Message, call: wire.Call, _: Values) -> Iterator[Fact]:
    status = text(raw.status)
    if status:
        yield Status(_STATUSES.get(status, status), opens=status not in _PLANNED)
    if status == "ended":
        yield from _ended(raw, call)
    elif status == "not-found":
        yield _NOT_FOUND


def _ended(raw: wire.Message, call: wire.Call) -> Iterator[Fact]:
    ended, error = ending(raw.ended_reason or call.ended_reason)
    yield ended
    if error:
        yield error


def _report(raw: wire.Message, call: wire.Call, values: Values) -> Iterator[Fact]:
    yield from _ended(raw, call)
    yield from report.facts(raw, call, values)
    yield ReportedCount(_UPDATE, length(_messages(raw)) or 0)
    yield ReportedCount("status-update", 1)


def _conversation(raw: wire.Message, call: wire.Call, cache: HistoryCache | None) -> Iterator[Fact]:
    """Even an empty one tells that its call goes on."""
    if _call_id(call) or length(_messages(raw)):
        yield _HISTORY.whole(bytes(_messages(raw)), cache if _call_id(call) else None)


def _hang(raw: wire.Message, _: wire.Call, __: Values) -> Iterator[Fact]:
    yield Hang(length(_messages(raw)))


def _speech(raw: wire.Message, call: wire.Call, _: Values) -> Iterator[Fact]:
    """Only the moments that bound a wait, and only where their call and time are known."""
    if not _call_id(call) or raw.timestamp is None:
        return
    match raw.role, raw.status:
        case "user", "started" | "stopped":
            yield Speech("user", started=raw.status == "started")
        case "assistant", "started":
            yield Speech("assistant", started=True)


def _interruption(raw: wire.Message, _: wire.Call, __: Values) -> Iterator[Fact]:
    turn = identifier(raw.turn_id)
    yield Interruption("assistant", identity(turn) if turn else None)


def _transfer(_: wire.Message, __: wire.Call, ___: Values) -> Iterator[Fact]:
    yield Transfer()


_FACTS: Final[dict[str, Callable[[wire.Message, wire.Call, Values], Iterator[Fact]]]] = {
    "status-update": _status_update,
    "end-of-call-report": _report,
    "hang": _hang,
    "speech-update": _speech,
    "user-interrupted": _interruption,
    "transfer-update": _transfer,
}
COUNTED: Final = frozenset(_FACTS) | {_UPDATE}
EVENTS: Final = NEED_ANSWER | _UNCOUNTED | COUNTED
