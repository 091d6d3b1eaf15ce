"""What only Interactly's bodies have."""

from typing import Any

from msgspec import Struct, field

from exporter.platforms.json_decoding import decoded

_CAMPAIGNS_AND_WORKFLOWS = ("campaign_", "workflow_", "call_status")
"""How the names of its top-level events begin."""


class _Call(Struct, rename="camel", gc=False):
    team_id: Any = None
    call_type: Any = None
    phone_call_status: Any = None


class _Assistant(Struct, gc=False):
    id: Any = field(default=None, name="_id")


class _Message(Struct, gc=False):
    call: _Call | None = None
    assistant: _Assistant | None = None


class _Body(Struct, gc=False):
    message: _Message | None = None
    event: Any = None


def recognises(body: bytes) -> bool:
    """Whether a recorded body is surely Interactly's."""
    envelope = decoded(body, _Body) or _Body()
    if envelope.message is None:
        return isinstance(envelope.event, str) and envelope.event.startswith(_CAMPAIGNS_AND_WORKFLOWS)
    call, assistant = envelope.message.call or _Call(), envelope.message.assistant or _Assistant()
    signs = (call.team_id, call.call_type, call.phone_call_status, assistant.id)
    return any(sign is not None for sign in signs)
