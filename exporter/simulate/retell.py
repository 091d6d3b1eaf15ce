"""Retell's webhooks of one call: its start where somebody talked, its end, and the analysis that repeats the end."""

from collections.abc import Iterator, Sequence
from random import Random
from statistics import quantiles
from typing import Any, Final

from exporter.simulate.model import UNREACHED, Body, Call, Reason, SpokenPart, Turn

_ENDED: Final[dict[Reason, str]] = {
    "assistant": "agent_hangup",
    "customer": "user_hangup",
    "abandoned": "user_hangup",
    "silence": "inactivity",
    "forwarded": "call_transfer",
    "busy": "dial_busy",
    "no-answer": "dial_no_answer",
    "voicemail": "voicemail_reached",
}
_FAILED: Final = {"llm": "error_llm_websocket_lost_connection", "stt": "error_asr", "tts": "error_retell"}
_ANALYSIS_MS: Final = 2500
_CENTS_A_MINUTE: Final = {"us_telephony": 1.5, "elevenlabs_tts": 7.0}


def events(call: Call, _: Random) -> list[tuple[int, Body]]:
    """Every event of the call with its own time (Unix milliseconds), in order of time."""
    talked = call.reason not in UNREACHED
    ended_ms = call.media_ms + call.end
    told = _ended(call, talked=talked)
    analysed = {**told, "call_analysis": _analysis(call)}
    started = [(call.media_ms, {"event": "call_started", "call": _call(call, "ongoing")})] if talked else []
    return [
        *started,
        (ended_ms, {"event": "call_ended", "call": told}),
        (ended_ms + _ANALYSIS_MS, {"event": "call_analyzed", "call": analysed}),
    ]


def _call(call: Call, status: str) -> Body:
    phone = call.assistant.channel == "phone"
    numbers = {"from_number": call.person.number, "to_number": "+15595550103", "direction": call.assistant.direction}
    return {
        "call_id": call.id,
        "call_type": "phone_call" if phone else "web_call",
        "agent_id": call.assistant.id,
        "agent_name": call.assistant.name,
        **(numbers if phone else {}),
        "call_status": status,
        "start_timestamp": call.media_ms,
        "retell_llm_dynamic_variables": {"caller_name": call.person.name},
    }


def _ended(call: Call, *, talked: bool) -> Body:
    failed = call.reason == "failed"
    status = "error" if failed else "ended" if talked else "not_connected"
    told = _call(call, status) | {"disconnection_reason": _reason(call) if failed else _ENDED[call.reason]}
    if not talked:
        return told
    said = list(_transcript(call))
    return told | {
        "end_timestamp": call.media_ms + call.end,
        "duration_ms": call.end,
        "transcript_object": said,
        "transcript_with_tool_calls": [*said, *_tools(call)],
        "latency": _latency(call.turns),
        "call_cost": _cost(call),
    }


def _reason(call: Call) -> str:
    return _FAILED["stt" if call.error and call.error.type == "stt_error" else "llm" if call.error else "tts"]


def _analysis(call: Call) -> Body:
    good = {"Excellent": True, "Good": True, "Fair": False, "Poor": False, "true": True, "false": False}
    return {"call_successful": good.get(call.evaluation), "in_voicemail": call.reason == "voicemail"}


def _transcript(call: Call) -> Iterator[Body]:
    if call.welcome:
        yield _said("agent", call.welcome)
    for turn in call.turns:
        yield {"role": "user", "content": turn.text, "words": _words(turn.text, turn.start, turn.end)}
        for part in turn.reply.parts if turn.reply else ():
            yield _said("agent", part)


def _said(role: str, part: SpokenPart) -> Body:
    return {"role": role, "content": part.text, "words": _words(part.text, part.play, part.end)}


def _words(text: str, start: int, end: int) -> list[Body]:
    words = text.split()
    each = (end - start) / len(words)
    return [
        {
            "word": word,
            "start": round((start + number * each) / 1000, 3),
            "end": round((start + (number + 1) * each) / 1000, 3),
        }
        for number, word in enumerate(words)
    ]


def _tools(call: Call) -> Iterator[Body]:
    for used in (reply.tool for reply in call.replies):
        if used:
            common = {"tool_call_id": used.id}
            asked = {**common, "role": "tool_call_invocation", "name": used.name, "arguments": "{}"}
            yield {**asked, "time_sec": used.called / 1000}
            answered = {**common, "role": "tool_call_result", "successful": True, "content": "{}"}
            yield {**answered, "time_sec": used.returned / 1000}


def _latency(turns: Sequence[Turn]) -> Body:
    """Milliseconds by stage: every value, and what Retell makes of them."""
    firsts = [(turn, turn.reply, turn.reply.parts[0]) for turn in turns if turn.reply]
    stages = {
        "e2e": [first.start - turn.end for turn, _, first in firsts],
        "llm": [reply.llm_queue_ms + first.llm_ms for _, reply, first in firsts],
        "tts": [first.queue_ms + first.tts_ms for _, _, first in firsts],
        "asr": [turn.stt_lag_ms for turn in turns],
    }
    return {stage: _summary(values) for stage, values in stages.items() if values}


def _summary(values: list[int]) -> dict[str, Any]:
    ranks = quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    summary: dict[str, Any] = {f"p{rank}": ranks[rank - 1] for rank in (50, 90, 95, 99)}
    return summary | {"max": max(values), "min": min(values), "num": len(values), "values": values}


def _cost(call: Call) -> Body:
    """US cents, by product."""
    minutes, assistant = call.end / 60_000, call.assistant
    tokens_in = sum(reply.input_tokens for reply in call.replies)
    tokens_out = sum(reply.output_tokens for reply in call.replies)
    llm = (tokens_in * assistant.input_price + tokens_out * assistant.output_price) / 10_000
    lines = {name: rate * minutes for name, rate in _CENTS_A_MINUTE.items()}
    lines[assistant.llm_model.replace("-", "_").replace(".", "_")] = llm
    products = [{"product": name, "cost": cents} for name, cents in lines.items()]
    return {"product_costs": products, "combined_cost": sum(lines.values()), "total_duration_seconds": call.end // 1000}
