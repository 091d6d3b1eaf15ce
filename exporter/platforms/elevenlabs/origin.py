"""What only ElevenLabs' bodies have."""

from typing import Any

from msgspec import Raw, Struct

from exporter.platforms.elevenlabs.body import EVENTS
from exporter.platforms.json_decoding import decoded
from exporter.platforms.values import text


class _Body(Struct, gc=False):
    type: Any = None
    data: Raw = Raw(b"")


def recognises(body: bytes) -> bool:
    """Whether a recorded body is surely ElevenLabs'."""
    envelope = decoded(body, _Body) or _Body()
    return text(envelope.type) in EVENTS and bool(envelope.data)
