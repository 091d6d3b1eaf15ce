"""Costs and performance of Vapi's end-of-call report: they add up, and each turn's stages make up its latency."""

from random import Random
from statistics import fmean
from typing import Final

from exporter.simulate.model import Body, Call, Turn

_VAPI: Final = 0.05
_TRANSPORT: Final = {"phone": 0.014, "web": 0.0}
_STT: Final = 0.01
_TTS: Final = 0.05  # for 1000 characters
_STAGES: Final = ("modelLatency", "voiceLatency", "transcriberLatency", "endpointingLatency", "turnLatency")


def performance(call: Call, rng: Random) -> Body:
    """The report's `artifact.performanceMetrics`, in milliseconds."""
    turns = [_latencies(turn, rng) for turn in call.turns if turn.reply]
    averages = {f"{stage}Average": fmean(turn[stage] for turn in turns) for stage in _STAGES} if turns else {}
    return {
        "turnLatencies": turns,
        **averages,
        "fromTransportLatencyAverage": rng.randint(20, 60),
        "toTransportLatencyAverage": rng.randint(20, 60),
        "numUserInterrupted": 0,
        "numAssistantInterrupted": sum(part.cut for part in call.parts),
    }


def _latencies(turn: Turn, rng: Random) -> dict[str, int]:
    if turn.reply is None:
        return {}
    first, transcriber = turn.reply.parts[0], rng.randint(80, 200)
    return {
        "modelLatency": turn.reply.llm_queue_ms + first.llm_ms,
        "voiceLatency": first.queue_ms + first.tts_ms,
        "transcriberLatency": transcriber,
        "endpointingLatency": turn.heard - turn.end - transcriber,
        "turnLatency": first.start - turn.end,
    }


def costs(call: Call, duration_ms: int) -> list[Body]:
    """The report's `costs`: one entry for each service, US dollars."""
    assistant, minutes = call.assistant, duration_ms / 60_000
    tokens_in = sum(reply.input_tokens for reply in call.replies)
    tokens_out = sum(reply.output_tokens for reply in call.replies)
    characters = sum(len(part.text) for part in call.parts if not part.cached)
    model = {"provider": assistant.llm_provider, "model": assistant.llm_model}
    transport = "twilio" if assistant.channel == "phone" else "daily"
    model_cost = (tokens_in * assistant.input_price + tokens_out * assistant.output_price) / 1_000_000
    speech = {"provider": assistant.stt_vendor, "model": assistant.stt_model}
    voice = {"provider": assistant.tts_vendor, "voiceId": "exampleVoice01", "model": assistant.tts_model}
    return [
        {
            "type": "transport",
            "provider": transport,
            "minutes": minutes,
            "cost": _TRANSPORT[assistant.channel] * minutes,
        },
        {"type": "transcriber", "transcriber": speech, "minutes": minutes, "cost": _STT * minutes},
        {
            "type": "model",
            "model": model,
            "promptTokens": tokens_in,
            "completionTokens": tokens_out,
            "cachedPromptTokens": tokens_in // 3,
            "cost": model_cost,
        },
        {"type": "voice", "voice": voice, "characters": characters, "cost": _TTS * characters / 1000},
        {"type": "vapi", "subType": "normal", "minutes": minutes, "cost": _VAPI * minutes},
        _analysis("summary", 420, 48),
        _analysis("successEvaluation", 390, 4),
    ]


def _analysis(kind: str, tokens_in: int, tokens_out: int) -> Body:
    return {
        "type": "analysis",
        "analysisType": kind,
        "model": {"provider": "openai", "model": "gpt-4.1-mini"},
        "promptTokens": tokens_in,
        "completionTokens": tokens_out,
        "cost": (tokens_in * 0.4 + tokens_out * 1.6) / 1_000_000,
    }


def breakdown(entries: list[Body]) -> Body:
    """The report's `costBreakdown`: the same costs in fixed fields."""
    transport, speech, model, voice, platform, summary, evaluation = entries
    return {
        "transport": transport["cost"],
        "stt": speech["cost"],
        "llm": model["cost"],
        "tts": voice["cost"],
        "vapi": platform["cost"],
        "chat": 0,
        "total": sum(entry["cost"] for entry in entries),
        "llmPromptTokens": model["promptTokens"],
        "llmCompletionTokens": model["completionTokens"],
        "llmCachedPromptTokens": model["cachedPromptTokens"],
        "ttsCharacters": voice["characters"],
        "analysisCostBreakdown": {
            "summary": summary["cost"],
            "summaryPromptTokens": summary["promptTokens"],
            "summaryCompletionTokens": summary["completionTokens"],
            "successEvaluation": evaluation["cost"],
            "successEvaluationPromptTokens": evaluation["promptTokens"],
            "successEvaluationCompletionTokens": evaluation["completionTokens"],
        },
    }
