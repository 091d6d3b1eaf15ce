"""Cost and statistics of Interactly's end-of-call report: sums of what the call's messages state.

Rates are those of the one documented report: 0.01 dollars a minute for the platform, 0.0077 for transcription, 0.09
for 1000 spoken characters, 0.0165 for each begun minute of telephony.
"""

from bisect import bisect_right
from collections.abc import Sequence
from random import Random
from typing import Final

from exporter.simulate.interactly_messages import frames
from exporter.simulate.model import Body, Call, SpokenPart

_LLM_BOUNDS: Final = (0, 100, 300, 600, 1000, 1500, 2000, 5000, 10000)
_SPEECH_BOUNDS: Final = (0, 100, 200, 300, 600, 1000, 3000, 5000, 10000)
_CONFIDENCE_BOUNDS: Final = (0, 0.1, 0.3, 0.5, 0.7, 0.9)


def cost(call: Call, duration_ms: int) -> Body:
    """The report's `call.cost`; dollars, seconds, characters and tokens."""
    minutes = duration_ms / 60_000
    characters = sum(len(part.text) for part in call.parts if not part.cached)
    tokens_in = sum(reply.input_tokens for reply in call.replies)
    tokens_out = sum(reply.output_tokens for reply in call.replies)
    platform, phone = 0.01 * minutes, 0.0165 * -(-duration_ms // 60_000)
    speech, transcription = 0.09 * characters / 1000, 0.0077 * minutes
    llm = (tokens_in * call.assistant.input_price + tokens_out * call.assistant.output_price) / 1_000_000
    return {
        "analysis": {"total": 0},
        "callDuration": duration_ms / 1000,
        "ttsGenCharsTotal": characters,
        "inputTokensTotal": tokens_in,
        "outputTokensTotal": tokens_out,
        "interactlyCost": platform,
        "phoneCost": phone,
        "ttsVendorCost": speech,
        "sttVendorCost": transcription,
        "llmVendorCost": llm,
        "totalCost": platform + phone + speech + transcription + llm,
    }


def call_stats(call: Call, rng: Random) -> Body:
    """The report's `call.metrics.callStats`; milliseconds, but for played and generated audio, which are seconds."""
    failures = sum(len(turn.failures) for turn in call.turns)
    speech_fails = call.error is not None and call.error.type == "stt_error"
    barge_ins = [part for part in call.parts if part.cut]
    return {
        "userAudio": _user_audio(call, rng),
        "turns": {
            "user": len(call.turns),
            "bot": len(call.parts),
            "played": len(call.parts),
            "interrupted": len(barge_ins),
            "skipped": sum(len(reply.unspoken) for reply in call.replies),
        },
        "turnsStats": _turns_stats(call, len(barge_ins)),
        "ttsStats": _tts_stats(call),
        "llmStats": _llm_stats(call, 0 if speech_fails else failures),
        "sttStats": _stt_stats(call, failures if speech_fails else 0),
    }


def _user_audio(call: Call, rng: Random) -> Body:
    total = frames(call.end)
    intervals: list[Body] = []
    for start in range(0, total, 8000):
        count = rng.randint(20, 60) if call.noisy else rng.choice((0, 0, 1, 2, 12, 30))
        average = rng.randint(60, 110) if count else 0
        length = min(8000, total - start)
        interval = {"max": average + 13 * bool(count), "count": count, "avg": average, "duration": length}
        intervals.append({**interval, "cumulativeDuration": start + length})
    chunks = sum(interval["count"] for interval in intervals)
    latency = sum(interval["count"] * interval["avg"] for interval in intervals)
    return {
        "delayedChunksCount": chunks,
        "latencyAvg": _mean(latency, chunks),
        "latencyTotal": latency,
        "latencyIntervals": intervals,
        "cumulativeDuration": total,
        "droppedChunksCount": rng.randint(40, 200) if call.noisy else 0,
    }


def _turns_stats(call: Call, barge_ins: int) -> Body:
    bot = [_bot_turn("welcome-1", part) for part in call.parts[:1]]
    user, waits = [], []
    for number, turn in enumerate(call.turns, 1):
        user.append({"start": turn.start, "end": turn.end, "messageId": f"user-{number}"})
        if turn.reply:
            bot.extend(_bot_turn(f"user-{number}", part) for part in turn.reply.parts)
            waits.append(turn.reply.parts[0].play - turn.end)
    return {
        "userTurns": user,
        "botTurns": bot,
        "botResponseTime": waits,
        "bargeInCount": barge_ins,
        "bargeInTimeAvg": 250 if barge_ins else 0,
    }


def _bot_turn(user_message_id: str, part: SpokenPart) -> Body:
    return {
        "start": part.play,
        "end": part.end,
        "interrupted": part.cut,
        "playedDuration": (part.end - part.play) / 1000,
        "audioDuration": part.audio_ms / 1000,
        "userMessageId": user_message_id,
        "stopSpeakingReason": None,
    }


def _tts_stats(call: Call) -> Body:
    cached = [part.tts_ms for part in call.parts if part.cached]
    generated = [part.tts_ms for part in call.parts if not part.cached]
    errors = sum(turn.tts_errors for turn in call.turns)
    every = cached + generated
    return {
        "responseTimeDistribution": _distribution(_SPEECH_BOUNDS, every),
        "totalRequests": len(every),
        "latencyAvg": _mean(sum(every), len(every)),
        "latencyTotal": sum(every),
        "errors": errors,
        "retries": errors,
        "apiRequests": len(generated),
        "apiLatencyTotal": sum(generated),
        "apiLatencyAvg": _mean(sum(generated), len(generated)),
        "cacheRequests": len(cached),
        "cacheLatencyTotal": sum(cached),
        "cacheLatencyAvg": _mean(sum(cached), len(cached)),
    }


def _llm_stats(call: Call, errors: int) -> Body:
    replies = call.replies
    latencies = [reply.parts[0].llm_ms for reply in replies]
    tokens_in = sum(reply.input_tokens for reply in replies)
    tokens_out = sum(reply.output_tokens for reply in replies)
    return {
        "responseCount": len(replies),
        "responseLatencyTotal": sum(latencies),
        "responseLatencyAvg": _mean(sum(latencies), len(replies)),
        "errors": errors,
        "hangups": 0,
        "responseTimeDistribution": _distribution(_LLM_BOUNDS, latencies),
        "inputTokens": tokens_in,
        "outputTokens": tokens_out,
        "inputTokensAvg": _mean(tokens_in, len(replies)),
        "outputTokensAvg": _mean(tokens_out, len(replies)),
    }


def _stt_stats(call: Call, errors: int) -> Body:
    lags = [turn.stt_lag_ms for turn in call.turns]
    confidences = [turn.confidence for turn in call.turns]
    return {
        "responseTimeDistribution": _distribution(_SPEECH_BOUNDS, lags),
        "responseCount": len(lags),
        "responseLatencyAvg": _mean(sum(lags), len(lags)),
        "relativeLatencyAvg": _mean(sum(lags), len(lags)),
        "responseLatencyTotal": sum(lags),
        "confidenceAvg": _mean(sum(confidences), len(confidences)),
        "connectionRetries": 0,
        "errors": errors,
        "confidenceDistribution": _distribution(_CONFIDENCE_BOUNDS, confidences),
        "eouProbabilityDistribution": _distribution(_CONFIDENCE_BOUNDS, ()),
    }


def _distribution(bounds: Sequence[float], values: Sequence[float]) -> dict[str, int]:
    """How many values lie in each interval, by its lower bound, not cumulative; what is below 0 lies in the first."""
    counts = dict.fromkeys(map(str, bounds), 0)
    for value in values:
        counts[str(bounds[max(bisect_right(bounds, value) - 1, 0)])] += 1
    return counts


def _mean(total: float, count: int) -> float:
    return total / count if count else 0
