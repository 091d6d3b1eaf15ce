"""What only Vapi's bodies have."""

from typing import Any

from msgspec import Raw, Struct

from exporter.platforms.json_decoding import decoded
from exporter.platforms.values import text
from exporter.platforms.vapi.body import EVENTS, SIMULATION

_SHARED = frozenset({"status-update", "conversation-update", "end-of-call-report", "hang"})
"""Names of events that other platforms have, too."""


class _Call(Struct, rename="camel", gc=False):
    org_id: Any = None
    type: Any = None
    created_at: Any = None


class _Message(Struct, rename="camel", gc=False):
    type: Any = None
    status: Any = None
    ended_reason: Any = None
    artifact: Raw = Raw(b"")
    phone_number: Raw = Raw(b"")
    call: _Call | None = None


class _Body(Struct, gc=False):
    message: _Message | None = None
    type: Any = None
    call_id: Any = None


def recognises(body: bytes) -> bool:
    """Whether a recorded body is surely Vapi's."""
    envelope = decoded(body, _Body) or _Body()
    message = envelope.message
    if message is None:
        bare = text(envelope.type)
        return envelope.call_id is None and (bare in EVENTS or bare.startswith(SIMULATION))
    call = message.call or _Call()
    signs = (message.status, message.ended_reason, message.artifact, message.phone_number, call.org_id, call.type)
    return text(message.type) in EVENTS - _SHARED or bool(call.created_at) or any(map(bool, signs))
