"""What only our own events have."""

from typing import Any

from msgspec import Struct

from exporter.platforms.json_decoding import decoded
from exporter.platforms.own.body import EVENTS, PREFIX
from exporter.platforms.values import text


class _Body(Struct, gc=False):
    type: Any = None
    call_id: Any = None
    specversion: Any = None


def recognises(body: bytes) -> bool:
    """Whether a recorded body is surely an event of ours, in its envelope or not."""
    found = decoded(body, _Body) or _Body()
    if found.specversion is not None:
        return text(found.type).startswith(PREFIX)
    return text(found.type) in EVENTS and found.call_id is not None
