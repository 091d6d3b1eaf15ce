"""What a body of our own event format says: one event of a call, bare or as the data of a CloudEvent.

Every event stands for itself: a message counts by its id, a hang and an error by their time, a cost by how far it rises
in its call. So a sender may repeat and reorder as it likes.
"""

from collections.abc import Callable, Iterator
from typing import Final, get_args

from exporter.errors import InvalidEvent
from exporter.events import (
    OTHER,
    UNKNOWN,
    Assistant,
    CallType,
    Component,
    Conversation,
    Cost,
    CostComponent,
    Duration,
    Ended,
    EndedBy,
    Error,
    Event,
    Fact,
    Hang,
    Interruption,
    Llm,
    Message,
    Outcome,
    Retryable,
    Role,
    Status,
    Stt,
    TotalCost,
    Tts,
    identity,
)
from exporter.label_sets import REASONS
from exporter.platforms.history_cache import HistoryCache
from exporter.platforms.json_decoding import decode
from exporter.platforms.own import wire
from exporter.platforms.values import (
    DOLLARS,
    MAX_DOLLARS,
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

NAME: Final = "events"
PREFIX: Final = "voice."
"""Before the type of an event that comes as a CloudEvent."""
_CALL_TYPES: Final[dict[str, CallType]] = {name: name for name in get_args(CallType)}
_OUTCOMES: Final[dict[str, Outcome]] = {name: name for name in get_args(Outcome)}
_PARTIES: Final[dict[str, EndedBy]] = {name: name for name in get_args(EndedBy)}
_COMPONENTS: Final[dict[str, Component]] = {name: name for name in get_args(Component)}
_COSTS: Final[dict[str, CostComponent]] = {name: name for name in get_args(CostComponent)}
_ROLES: Final[dict[str, Role]] = {name: name for name in get_args(Role)}
_RETRYABLE: Final[dict[bool | None, Retryable]] = {True: "true", False: "false", None: "unknown"}


def parse(body: bytes, _: HistoryCache | None) -> Event:
    """What a webhook body says.

    Raises:
        InvalidEvent: not JSON, not an object, without a type, or without the id of its call.
    """
    envelope, rejected = decode(body, wire.Body)
    fields: wire.Fields = envelope
    kind, time = text(envelope.type), envelope.time
    if envelope.specversion is not None:
        fields, kind = envelope.data or wire.Fields(), kind.removeprefix(PREFIX)
        time = time if fields.time is None else fields.time
    if not kind:
        raise InvalidEvent("type is missing")
    if kind not in EVENTS:
        return Event(platform=NAME, kind=OTHER)
    call_id = identifier(fields.call_id)
    if not call_id:
        raise InvalidEvent("call_id is missing")
    values = Values()
    time_ms = values.time_ms(time, "time")
    return Event(
        platform=NAME,
        kind=kind,
        call=identity(NAME, call_id),
        call_id=call_id,
        time_ms=time_ms,
        assistant=_assistant(fields.assistant or wire.Assistant()),
        call_type=_CALL_TYPES.get(text(fields.call_type), UNKNOWN),
        direction=direction(fields.direction),
        facts=tuple(_FACTS[kind](fields, time_ms, values)),
        rejected=(*rejected, *values.rejected),
    )


def _assistant(raw: wire.Assistant) -> Assistant:
    return Assistant(
        id=label(raw.id),
        name=name(raw.name),
        llm_provider=provider(raw.llm_provider),
        llm_model=label(raw.llm_model),
        stt_provider=provider(raw.stt_provider),
        tts_provider=provider(raw.tts_provider),
    )


def _started(_: wire.Fields, __: int | None, ___: Values) -> Iterator[Fact]:
    yield Status("ongoing")


def _message(fields: wire.Fields, time_ms: int | None, values: Values) -> Iterator[Fact]:
    raw = fields.message or wire.Message()
    role, name = _ROLES.get(text(raw.role), "other"), identifier(raw.id)
    if not name and time_ms is None:
        return
    key = identity("message", name) if name else identity("message", role, time_ms)
    measured = {
        field: values.amount(getattr(raw, field), f"message.{field}", SECONDS)
        for field in ("response_seconds", "llm_seconds", "tts_seconds", "tts_audio_seconds", "stt_audio_seconds")
    }
    waited = values.signed(raw.stt_seconds, "message.stt_seconds", SECONDS)
    confidence = values.ratio(raw.stt_confidence, "message.stt_confidence")
    stt = Stt(confidence, None if waited is None else max(0, waited), measured["stt_audio_seconds"])
    tts = Tts(measured["tts_seconds"], None, measured["tts_audio_seconds"], truth(raw.tts_cached) is True)
    llm = Llm(measured["llm_seconds"])
    yield Conversation(
        (
            Message(
                key=key,
                role=role,
                time_ms=time_ms,
                response=measured["response_seconds"],
                stt=None if stt == Stt() else stt,
                llm=None if llm == Llm() else llm,
                tts=None if tts in {Tts(), Tts(cached=True)} else tts,
                eou=values.amount(raw.turn_detection_seconds, "message.turn_detection_seconds", SECONDS),
            ),
        )
    )
    if truth(raw.interrupted):
        yield Interruption("user" if role == "user" else "assistant", key)


def _hang(_: wire.Fields, __: int | None, ___: Values) -> Iterator[Fact]:
    yield Hang()


def _error(fields: wire.Fields, _: int | None, __: Values) -> Iterator[Fact]:
    raw = fields.error or wire.Error()
    component, code = _COMPONENTS.get(text(raw.component), "platform"), label(raw.code) or UNKNOWN
    retryable = _RETRYABLE[truth(raw.retryable)]
    yield Error(
        component=component,
        error_type=f"{component}_error",
        code=code,
        provider=provider(raw.provider),
        retryable=retryable,
        severity=severity(code, retryable),
    )


def _cost(fields: wire.Fields, _: int | None, values: Values) -> Iterator[Fact]:
    for raw in fields.costs or ():
        dollars = values.amount(raw.dollars, "costs.dollars", DOLLARS, MAX_DOLLARS)
        if dollars is not None:
            yield Cost(_COSTS.get(text(raw.component), "other"), dollars, provider(raw.provider))
    total = values.measured(fields.total_dollars, "total_dollars", DOLLARS, MAX_DOLLARS)
    if total is not None:
        yield TotalCost(total)


def _ended(fields: wire.Fields, time_ms: int | None, values: Values) -> Iterator[Fact]:
    outcome = _OUTCOMES.get(text(fields.outcome), "unknown")
    reason = text(fields.reason)
    yield Status("failed" if outcome == "error" else "finished")
    yield Ended(
        outcome,
        _PARTIES.get(text(fields.ended_by), "unknown"),
        reason if reason in REASONS else OTHER if reason else UNKNOWN,
        "none" if outcome == "ok" else "unknown",
    )
    length = values.measured(fields.duration_seconds, "duration_seconds", SECONDS, WEEK)
    if length is not None:
        yield Duration(length)
    yield from _cost(fields, time_ms, values)


_FACTS: Final[dict[str, Callable[[wire.Fields, int | None, Values], Iterator[Fact]]]] = {
    "call_started": _started,
    "message": _message,
    "hang": _hang,
    "error": _error,
    "cost": _cost,
    "call_ended": _ended,
}
EVENTS: Final = frozenset(_FACTS)
