"""Our own event format, for stacks without a platform (docs/events.md): LiveKit, Pipecat, Twilio, home-made ones."""

from typing import Final

from exporter.platforms.own.body import EVENTS, NAME, parse
from exporter.platforms.own.origin import recognises
from exporter.platforms.platform import Platform

OWN: Final = Platform(
    name=NAME,
    secret_headers=("x-webhook-secret",),
    events=EVENTS,
    counted=EVENTS,
    needs_answer=frozenset(),
    colour="#56B4E9",
    decode=parse,
    recognises=recognises,
)
