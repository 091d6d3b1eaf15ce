"""Latencies of each turn of an ElevenLabs conversation, in seconds.

An entry for a tool call repeats the numbers of the message beside it digit for digit, so between two entries of the
user a value of one name counts once. What the caller waits is a reply's time only after the caller has spoken: before,
it is the welcome, and after an entry of silence a prompt.
"""

from collections.abc import Iterator
from typing import Final

from exporter.events import Nanounits, ReportedStage, Stage
from exporter.platforms.elevenlabs import wire
from exporter.platforms.values import SECONDS, Values, text

_SILENCE: Final = b'"..."'
_STAGES: Final[tuple[tuple[Stage, str, str], ...]] = (
    ("response", "agent", "convai_ttf_audio_since_silence"),
    ("llm", "agent", "convai_llm_service_ttfb"),
    ("tts", "agent", "convai_tts_service_ttfb"),
    ("stt_latency", "user", "convai_asr_trailing_service_latency"),
    ("eou", "agent", "convai_turn_silence_before_initiation"),
)
"""Stages, who of the entries has them, and their names."""


def is_said(entry: wire.Entry) -> bool:
    """Whether somebody said something; noise and silence of the user are an entry of three dots."""
    raw = memoryview(entry.message)
    return len(raw) > len(_SILENCE) or bytes(raw) not in {b"", b"null", b'""', _SILENCE}


def latencies(entries: list[wire.Entry], values: Values) -> Iterator[ReportedStage]:
    """The stages of which anything was measured."""
    for stage, role, name in _STAGES:
        taken = tuple(_of_stage(stage, role, name, entries, values))
        if taken:
            yield ReportedStage(stage, taken)


def _of_stage(stage: Stage, role: str, name: str, entries: list[wire.Entry], values: Values) -> Iterator[Nanounits]:
    counted: set[Nanounits] = set()
    spoken = False
    for entry in entries:
        if text(entry.role) == "user":
            counted, spoken = set(), is_said(entry)
        if text(entry.role) != role or (stage == "response" and not spoken):
            continue
        value = _latency(stage, _elapsed(entry, name), name, values)
        if value is not None and value not in counted:
            counted.add(value)
            yield value


def _elapsed(entry: wire.Entry, name: str) -> object:
    """The value, which stands under metrics, or beside them in the documentation's sample."""
    turn = entry.conversation_turn_metrics
    for place in (turn and turn.metrics, turn):
        measured: wire.Elapsed | None = getattr(place, name, None)
        if measured:
            return measured.elapsed_time
    return None


def _latency(stage: Stage, value: object, name: str, values: Values) -> Nanounits | None:
    if stage == "eou":
        return values.amount(value, name, SECONDS)
    if stage != "stt_latency":
        return values.measured(value, name, SECONDS)
    latency = values.signed(value, name, SECONDS)
    return None if latency is None else max(0, latency)
