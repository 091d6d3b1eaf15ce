"""ElevenLabs Agents: its post-call webhooks (elevenlabs.io/docs and its SDK, July 2026)."""

from typing import Final

from exporter.platforms.elevenlabs.body import COUNTED, EVENTS, NAME, parse
from exporter.platforms.elevenlabs.origin import recognises
from exporter.platforms.elevenlabs.said import said
from exporter.platforms.platform import Platform, SignedHeader

ELEVENLABS: Final = Platform(
    name=NAME,
    secret_headers=("x-webhook-secret",),
    signature=SignedHeader(
        "elevenlabs-signature", timestamp="t", digest="v0", signed="{timestamp}.{body}", tolerance=1800
    ),
    events=EVENTS,
    counted=COUNTED,
    needs_answer=frozenset(),
    colour="#CC79A7",
    decode=parse,
    recognises=recognises,
    said=said,
)
