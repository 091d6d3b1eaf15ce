"""Vapi: its server messages, and client messages without their envelope (OpenAPI document of August 2026)."""

from typing import Final

from exporter.platforms.platform import Platform
from exporter.platforms.vapi.body import COUNTED, EVENTS, NAME, NEED_ANSWER, parse
from exporter.platforms.vapi.origin import recognises
from exporter.platforms.vapi.said import said

VAPI: Final = Platform(
    name=NAME,
    secret_headers=("x-vapi-secret",),
    events=EVENTS,
    counted=COUNTED,
    needs_answer=NEED_ANSWER,
    reported=frozenset({"conversation-update", "status-update"}),
    colour="#E69F00",
    decode=parse,
    recognises=recognises,
    said=said,
)
