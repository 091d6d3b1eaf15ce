"""Which platform a recorded body came from: a recording does not say, but the fields of the two differ."""

from typing import Any

import msgspec
from msgspec import Struct

from exporter.platforms import interactly, vapi


class _Call(Struct, rename="camel", gc=False):
    org_id: Any = None
    type: Any = None
    created_at: Any = None


class _Message(Struct, rename="camel", gc=False):
    """What only Vapi's envelopes have, beside the type that both have."""

    type: Any = None
    status: Any = None
    ended_reason: Any = None
    artifact: msgspec.Raw = msgspec.Raw(b"")
    phone_number: msgspec.Raw = msgspec.Raw(b"")
    call: _Call | None = None


class _Body(Struct, gc=False):
    message: _Message | None = None
    type: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def platform_of(body: bytes) -> str:
    """Name of the platform; Interactly's where nothing speaks against it."""
    try:
        envelope = _decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return interactly.NAME
    message = envelope.message
    if message is None:
        return vapi.NAME if isinstance(envelope.type, str) else interactly.NAME
    call = message.call or _Call()
    signs = (message.status, message.ended_reason, message.artifact, message.phone_number, call.org_id, call.type)
    own = isinstance(message.type, str) and message.type in vapi.EVENTS - interactly.EVENTS
    return vapi.NAME if own or call.created_at or any(map(bool, signs)) else interactly.NAME
