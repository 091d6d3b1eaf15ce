"""Incidents: hangs, errors, escalations and negative messages to look at one by one, each with its call."""

from typing import Literal, TypeAlias

from msgspec import Struct

from exporter.events import Severity, identity

Kind: TypeAlias = Literal["hang", "error", "escalation", "sentiment"]


class Incident(Struct, frozen=True, array_like=True, gc=False):
    """One incident. The fold makes it; when it was received is added where it is recorded.

    It is kept as an array: new fields go to the end and have a default, and are a new layout of `state_codec`.

    Attributes:
        id: identifies it; 0 where the event has no identity.
        kind: what it is.
        severity: as documented.
        component: what failed; empty where nothing did.
        provider: of the component.
        model: of the LLM, ``unknown`` where another component failed.
        what: the error's type, or the sentiment; empty for a hang.
        code: the error's code; empty for a hang.
        cause: why an error escalated.
        messages: how long the conversation was at a hang, where that is known.
        outcome: of a hang; empty while it is open.
        recovery_ms: from a hang to the reply that ended it.
        platform: who reported it.
        assistant: label value of the assistant.
        call_id: the platform's id of the call; empty where there is none, or one that no label could be.
        time_ms: the event's own time, where it has one.
        received: Unix time of receipt in seconds.
        settled: Unix time at which its outcome was received; 0 before.
        number: counts the incidents in the order of their receipt.
    """

    id: int
    kind: Kind
    severity: Severity
    component: str
    provider: str
    model: str
    what: str = ""
    code: str = ""
    cause: str = ""
    messages: int | None = None
    outcome: str = ""
    recovery_ms: int | None = None
    platform: str = ""
    assistant: str = ""
    call_id: str = ""
    time_ms: int | None = None
    received: float = 0.0
    settled: float = 0.0
    number: int = 0


class HangEnd(Struct, frozen=True, gc=False):
    """The outcome of a hang that was open.

    Attributes:
        id: of the incident.
        outcome: what became of it.
        recovery_ms: from the hang to the reply that ended it.
    """

    id: int
    outcome: str
    recovery_ms: int | None = None


def hang_id(call: int | None, time_ms: int | None) -> int:
    """The id of the incident of a hang."""
    return 0 if call is None else identity("incident", call, "hang", time_ms)
