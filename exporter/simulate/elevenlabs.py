"""ElevenLabs' webhooks of one call: one when it is over and analysed, or one that says why nobody took it."""

from collections.abc import Iterator
from random import Random
from typing import Final

from exporter.simulate.model import UNREACHED, Body, Call, Reason, SpokenPart, Turn

_TEXTS: Final[dict[Reason, str]] = {
    "assistant": "end_call tool was called.",
    "customer": "Call ended by remote party",
    "abandoned": "Call ended by remote party",
    "silence": "Ended after 30 seconds of silence",
    "forwarded": "Call ended by remote party",
    "failed": "The LLM did not answer",
}
_ANALYSIS_MS: Final = 4000
_PLATFORM_A_MINUTE: Final = 0.08
_FORWARDED: Final = {
    "request_id": "transfer_1",
    "tool_name": "transfer_to_number",
    "is_error": False,
    "type": "system",
    "result": {"result_type": "transfer_to_number_sip_success", "status": "success"},
}


def events(call: Call, _: Random) -> list[tuple[int, Body]]:
    """Every event of the call with its own time (Unix milliseconds), in order of time."""
    at = call.media_ms + call.end + (_ANALYSIS_MS if call.reason not in UNREACHED else 0)
    data = {"agent_id": call.assistant.id, "agent_name": call.assistant.name, "conversation_id": call.id}
    if call.reason in UNREACHED and call.reason != "voicemail":
        metadata = {"type": "twilio", "body": {"CallStatus": call.reason}}
        failure = {**data, "failure_reason": call.reason, "metadata": metadata}
        return [(at, {"type": "call_initiation_failure", "event_timestamp": at // 1000, "data": failure})]
    failed = call.reason == "failed"
    told = {
        **data,
        "status": "failed" if failed else "done",
        "transcript": list(_transcript(call)),
        "metadata": _metadata(call, failed=failed),
        "analysis": None if failed else {"call_successful": _grade(call.evaluation)},
    }
    return [(at, {"type": "post_call_transcription", "event_timestamp": at // 1000, "data": told})]


def _grade(evaluation: str) -> str:
    return {"true": "success", "Excellent": "success", "Good": "success", "": "unknown"}.get(evaluation, "failure")


def _metadata(call: Call, *, failed: bool) -> Body:
    """Times in seconds, prices in US dollars, and the credits that nobody can count."""
    assistant, platform = call.assistant, _PLATFORM_A_MINUTE * call.end / 60_000
    tokens_in = sum(reply.input_tokens for reply in call.replies)
    tokens_out = sum(reply.output_tokens for reply in call.replies)
    paid = {"input": tokens_in * assistant.input_price / 1e6, "output": tokens_out * assistant.output_price / 1e6}
    used = {
        "input": {"tokens": tokens_in, "price": paid["input"]},
        "output_total": {"tokens": tokens_out, "price": paid["output"]},
    }
    usage = {"model_usage": {assistant.llm_model: used}} if call.replies else {"model_usage": {}}
    llm = paid["input"] + paid["output"]
    voicemail = call.reason == "voicemail"
    error = {"code": 1002, "reason": "the LLM did not answer", "error_type": "dependency_error"}
    return {
        "start_time_unix_secs": call.media_ms // 1000,
        "call_duration_secs": -(-call.end // 1000),
        "cost": round(1000 * platform),
        "cost_fiat": llm + platform,
        "charging": {
            "llm_price": llm,
            "platform_price": platform,
            "llm_usage": {"irreversible_generation": usage, "initiated_generation": usage},
            "tts_usage": {"total_characters": sum(len(part.text) for part in call.parts)},
            "asr_usage": {"total_audio_input_seconds": call.end / 1000},
        },
        "phone_call": {"type": "twilio", "direction": assistant.direction} if assistant.channel == "phone" else None,
        "conversation_initiation_source": "twilio" if assistant.channel == "phone" else "react_sdk",
        "termination_reason": "voicemail_detection tool was called." if voicemail else _TEXTS[call.reason],
        "error": error if failed else None,
        "text_only": False,
    }


def _transcript(call: Call) -> Iterator[Body]:
    if call.welcome:
        yield _agent(call.welcome, {"convai_tts_service_ttfb": call.welcome.tts_ms})
    for turn in call.turns:
        metrics = {"metrics": _elapsed({"convai_asr_trailing_service_latency": max(0, turn.stt_lag_ms)})}
        yield _entry("user", turn.text, turn.start, {**metrics, "convai_asr_provider": call.assistant.stt_vendor})
        if turn.reply:
            yield from _reply(turn, turn.reply.parts)
            if used := turn.reply.tool:
                seconds = (used.returned - used.called) / 1000
                result = {
                    "request_id": used.id,
                    "tool_name": used.name,
                    "tool_latency_secs": seconds,
                    "is_error": False,
                }
                yield _entry("agent", None, used.called, None) | {"tool_results": [result]}
    if call.reason == "forwarded":
        yield _entry("agent", None, call.end, None) | {"tool_results": [_FORWARDED]}


def _reply(turn: Turn, parts: tuple[SpokenPart, ...]) -> Iterator[Body]:
    first = parts[0]
    measured = {
        "convai_ttf_audio_since_silence": first.start - turn.end,
        "convai_llm_service_ttfb": first.llm_ms,
        "convai_tts_service_ttfb": first.tts_ms,
        "convai_turn_silence_before_initiation": turn.detection_ms,
    }
    yield _agent(first, measured)
    for part in parts[1:]:
        yield _agent(part, {})


def _agent(part: SpokenPart, measured: dict[str, int]) -> Body:
    turn = {"metrics": _elapsed(measured)} if measured else None
    return _entry("agent", part.text, part.play, turn) | {"interrupted": part.cut}


def _elapsed(measured: dict[str, int]) -> Body:
    return {name: {"elapsed_time": value / 1000} for name, value in measured.items()}


def _entry(role: str, text: str | None, at: int, turn: Body | None) -> Body:
    entry: Body = {"role": role, "message": text, "time_in_call_secs": at // 1000, "conversation_turn_metrics": turn}
    return entry
