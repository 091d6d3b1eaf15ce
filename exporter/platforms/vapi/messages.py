"""One message of a conversation-update: its identity and what was measured of it."""

from typing import Final

from exporter.events import OTHER, Message, Nanounits, Role, ToolUse, identity
from exporter.platforms.values import Values, identifier, label, text
from exporter.platforms.vapi import wire

_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "user": "user",
    "bot": "assistant",
    "assistant": "assistant",
    "tool_calls": "tool",
    "tool_call_result": "tool",
    "tool": "tool",
    "function": "tool",
}


def message(raw: wire.WireMessage) -> Message | None:
    """What one message says; None without a time to know it by.

    Vapi's messages have no ids: role and time are the identity, with the tool calls' ids where results share a time.
    """
    time_ms = Values().time_ms(raw.time)
    if time_ms is None:
        return None
    role, tools, values = text(raw.role), _tools(raw), Values()
    return Message(
        key=identity(role, time_ms, *(use.key for use in tools)),
        role=_ROLES.get(role, OTHER),
        time_ms=time_ms,
        confidence=_confidence(raw.metadata, values) if role == "user" else None,
        tools=tools,
        rejected=tuple(("confidence", rejected) for rejected in values.rejected[:1]),
    )


def _tools(raw: wire.WireMessage) -> tuple[ToolUse, ...]:
    """The tool calls of a message, or the one whose result it is; names come as function.name or as name."""
    if result_of := identifier(raw.tool_call_id):
        return (ToolUse(identity("tool", result_of), label(raw.name), result=True),)
    return asked_tools(raw.tool_calls)


def asked_tools(calls: list[wire.ToolCall] | None) -> tuple[ToolUse, ...]:
    """The tool calls of a list, those with an id to know them by."""
    asked = ((identifier(call.id), call.function or call) for call in calls or ())
    return tuple(ToolUse(identity("tool", name), label(called.name)) for name, called in asked if name)


def _confidence(metadata: wire.Metadata | None, values: Values) -> Nanounits | None:
    """One observation a message: the mean confidence of its words, those without one left out."""
    words = (metadata.word_level_confidence if metadata else None) or ()
    taken = [values.ratio(word.confidence, "wordLevelConfidence.confidence") for word in words]
    known = [confidence for confidence in taken if confidence is not None]
    return round(sum(known) / len(known)) if known else None
