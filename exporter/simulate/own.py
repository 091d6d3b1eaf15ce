"""One call in our own event format, as an agent of one's own would send it."""

from collections.abc import Iterator
from random import Random
from typing import Final

from exporter.simulate.model import UNREACHED, Body, Call, SpokenPart, Turn

_OUTCOMES: Final = {"failed": "error", "busy": "unreached", "no-answer": "unreached", "voicemail": "unreached"}
_REASONS: Final = {
    "assistant": "assistant_ended",
    "customer": "customer_ended",
    "abandoned": "customer_ended",
    "silence": "silence_timeout",
    "no-answer": "no_answer",
    "failed": "llm_error",
}
_PARTIES: Final = {"assistant": "assistant", "customer": "customer", "abandoned": "customer"}


def events(call: Call, _: Random) -> list[tuple[int, Body]]:
    """Every event of the call with its own time (Unix milliseconds), in order of time."""
    written = [(at, _event(call, at, kind, more)) for at, kind, more in _told(call)]
    return sorted(written, key=lambda event: event[0])


def _event(call: Call, at: int, kind: str, more: Body) -> Body:
    assistant = {
        "id": call.assistant.id,
        "name": call.assistant.name,
        "llm_provider": call.assistant.llm_provider,
        "llm_model": call.assistant.llm_model,
        "stt_provider": call.assistant.stt_vendor,
        "tts_provider": call.assistant.tts_vendor,
    }
    around = {"call_type": call.assistant.channel, "direction": call.assistant.direction, "assistant": assistant}
    return {"type": kind, "call_id": call.id, "time": at, **around, **more}


def _told(call: Call) -> Iterator[tuple[int, str, Body]]:
    media = call.media_ms
    if call.reason not in UNREACHED:
        yield media, "call_started", {}
    if call.welcome:
        yield media + call.welcome.end, "message", _spoken("m-0", "welcome", call.welcome)
    for number, turn in enumerate(call.turns, 1):
        yield media + turn.heard, "message", _heard(number, turn)
        for failure in turn.failures:
            yield media + failure, "error", _error(call)
        if turn.hang_at is not None:
            yield media + turn.hang_at, "hang", {}
        for part, each in enumerate(turn.reply.parts if turn.reply else ()):
            body = _spoken(f"m-{number}-{part}", "assistant", each)
            if part == 0:
                body["message"] |= {
                    "response_seconds": (each.start - turn.end) / 1000,
                    "llm_seconds": each.llm_ms / 1000,
                }
            yield media + each.end, "message", body
    yield media + call.end, "call_ended", _ended(call)


def _heard(number: int, turn: Turn) -> Body:
    return {
        "message": {
            "id": f"u-{number}",
            "role": "user",
            "stt_seconds": max(0, turn.stt_lag_ms) / 1000,
            "stt_audio_seconds": (turn.end - turn.start) / 1000,
            "stt_confidence": turn.confidence,
            "turn_detection_seconds": turn.detection_ms / 1000,
        }
    }


def _spoken(name: str, role: str, part: SpokenPart) -> Body:
    return {
        "message": {
            "id": name,
            "role": role,
            "interrupted": part.cut,
            "tts_seconds": part.tts_ms / 1000,
            "tts_audio_seconds": part.audio_ms / 1000,
            "tts_cached": part.cached,
        }
    }


def _error(call: Call) -> Body:
    error = call.error
    if error is None:
        return {"error": {"component": "llm"}}
    component = error.type.removesuffix("_error")
    return {"error": {"component": component, "code": error.code, "retryable": error.retryable}}


def _ended(call: Call) -> Body:
    replies, assistant = call.replies, call.assistant
    tokens_in, tokens_out = (sum(getattr(each, name) for each in replies) for name in ("input_tokens", "output_tokens"))
    llm = (tokens_in * assistant.input_price + tokens_out * assistant.output_price) / 1_000_000
    return {
        "outcome": _OUTCOMES.get(call.reason, "ok"),
        "ended_by": _PARTIES.get(call.reason, "system"),
        "reason": _REASONS.get(call.reason, call.reason),
        "duration_seconds": 0 if call.reason in UNREACHED else call.end / 1000,
        "costs": [{"component": "llm", "dollars": llm, "provider": assistant.llm_provider}],
        "total_dollars": llm,
    }
