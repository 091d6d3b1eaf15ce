"""Retell AI: its webhook events (docs.retellai.com and its SDKs, July 2026)."""

from typing import Final

from exporter.platforms.platform import Platform, SignedHeader
from exporter.platforms.retell.body import COUNTED, EVENTS, NAME, NEED_ANSWER, parse
from exporter.platforms.retell.origin import recognises
from exporter.platforms.retell.said import said

RETELL: Final = Platform(
    name=NAME,
    secret_headers=("x-webhook-secret",),
    signature=SignedHeader("x-retell-signature", timestamp="v", digest="d", signed="{body}{timestamp}", tolerance=300),
    events=EVENTS,
    counted=COUNTED,
    needs_answer=NEED_ANSWER,
    colour="#009E73",
    decode=parse,
    recognises=recognises,
    said=said,
)
