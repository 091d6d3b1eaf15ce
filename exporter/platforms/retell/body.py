"""What a body of Retell says.

A call starts with call_started and ends with the first of call_ended and call_analyzed, which carry the same end; one
that never connected has no start of its own. Nothing is counted of a transcript on its way, which the end brings whole.
"""

from collections.abc import Iterator
from typing import Final

from exporter.errors import InvalidEvent
from exporter.events import (
    OTHER,
    UNKNOWN,
    Assistant,
    CallType,
    Event,
    Fact,
    ReportedTransfers,
    Status,
    Transfer,
    identity,
)
from exporter.platforms.history_cache import HistoryCache
from exporter.platforms.json_decoding import decode
from exporter.platforms.retell import report, wire
from exporter.platforms.retell.reasons import ending
from exporter.platforms.values import Values, direction, identifier, label, name, text

NAME: Final = "retell"
NEED_ANSWER: Final = frozenset({"call_inbound"})
_UNCOUNTED: Final = frozenset(
    {"chat_analyzed", "chat_ended", "chat_started", "transcript_updated", "transfer_ended", "transfer_started"}
)
_TRANSFERS: Final = {"transfer_bridged": "connected", "transfer_cancelled": "cancelled"}
COUNTED: Final = frozenset({"call_started", "call_ended", "call_analyzed", *_TRANSFERS})
EVENTS: Final = COUNTED | _UNCOUNTED | NEED_ANSWER
_CALL_TYPES: Final[dict[str, CallType]] = {"web_call": "web", "phone_call": "phone"}


def parse(body: bytes, _: HistoryCache | None) -> Event:
    """What a webhook body says.

    Raises:
        InvalidEvent: not JSON, not an object, or no known envelope.
    """
    envelope, rejected = decode(body, wire.Body)
    kind = text(envelope.event)
    if not kind:
        raise InvalidEvent("event is missing")
    if kind not in EVENTS:
        return Event(platform=NAME, kind=OTHER)
    values, call = Values(), envelope.call or envelope.data or wire.Call()
    call_id = identifier(call.call_id)
    time_ms = _time_ms(kind, call, values)
    facts = tuple(_facts(kind, call, values)) if kind in COUNTED else ()
    return Event(
        platform=NAME,
        kind=kind,
        call=identity(NAME, call_id) if call_id else _nameless(kind, call, time_ms),
        call_id=call_id,
        time_ms=time_ms,
        assistant=Assistant(id=label(call.agent_id), name=name(call.agent_name)),
        call_type=_CALL_TYPES.get(text(call.call_type), UNKNOWN),
        direction=direction(call.direction),
        facts=facts,
        rejected=(*rejected, *values.rejected),
        needs_answer=kind in NEED_ANSWER,
        answer_seconds=10.0 if kind in NEED_ANSWER else None,
    )


def _time_ms(kind: str, call: wire.Call, values: Values) -> int | None:
    """When the event was; the analysis and transfers have no time of their own."""
    match kind:
        case "call_started":
            return values.time_ms(call.start_timestamp, "call.start_timestamp")
        case "call_ended":
            return values.time_ms(call.end_timestamp, "call.end_timestamp")
        case _:
            return None


def _nameless(kind: str, call: wire.Call, time_ms: int | None) -> int | None:
    return None if time_ms is None else identity(NAME, label(call.agent_id), kind, time_ms)


def _facts(kind: str, call: wire.Call, values: Values) -> Iterator[Fact]:
    if kind == "call_started":
        yield Status("ongoing")
    elif kind in _TRANSFERS:
        yield Transfer(_TRANSFERS[kind])
    else:
        yield from _ended(call)
        yield from report.facts(call, values)
        if kind == "call_analyzed":
            yield report.evaluation(call.call_analysis)


def _ended(call: wire.Call) -> Iterator[Fact]:
    ended, error = ending(call.disconnection_reason, text(call.call_status))
    yield Status("failed" if ended.outcome == "error" else "finished")
    yield ended
    if error:
        yield error
    if call.disconnection_reason == "call_transfer":
        yield ReportedTransfers((UNKNOWN,))
