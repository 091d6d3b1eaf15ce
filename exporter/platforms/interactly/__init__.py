"""Interactly: its five webhook events (docs.interactly.ai, pages status-update to error)."""

from typing import Final

from exporter.platforms.interactly.body import COUNTED, EVENTS, NAME, parse
from exporter.platforms.interactly.origin import recognises
from exporter.platforms.interactly.said import said
from exporter.platforms.platform import Platform

INTERACTLY: Final = Platform(
    name=NAME,
    # Its documents spell the header in two ways.
    secret_headers=("x-interactly-secret", "x-interactly.ai-secret"),
    events=EVENTS,
    counted=COUNTED,
    needs_answer=frozenset(),
    reported=frozenset({"conversation-update", "status-update", "error"}),
    colour="#0072B2",
    decode=parse,
    recognises=recognises,
    said=said,
)
