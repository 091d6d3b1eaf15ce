"""What only Retell's bodies have."""

from typing import Any

from msgspec import Raw, Struct

from exporter.platforms.json_decoding import decoded
from exporter.platforms.retell.body import EVENTS
from exporter.platforms.values import text


class _Body(Struct, gc=False):
    event: Any = None
    call: Raw = Raw(b"")
    data: Raw = Raw(b"")
    chat: Raw = Raw(b"")
    call_inbound: Raw = Raw(b"")


def recognises(body: bytes) -> bool:
    """Whether a recorded body is surely Retell's."""
    envelope = decoded(body, _Body) or _Body()
    content = (envelope.call, envelope.data, envelope.chat, envelope.call_inbound)
    return text(envelope.event) in EVENTS and any(map(bool, content))
