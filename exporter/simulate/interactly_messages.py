"""Interactly's conversation of one call: every message with its metrics, in the documented shapes.

The audio clock runs in frames of 16 ms. Counts of delayed packets may be negative, as in the documented sample.
"""

from random import Random
from typing import Final

from exporter.simulate.model import Body, Call, SpokenPart, Turn

FRAME_MS: Final = 16
_SUFFIX: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def frames(ms: int) -> int:
    """Milliseconds of audio received by that moment: whole frames."""
    return (ms // FRAME_MS + 1) * FRAME_MS


def history(call: Call, rng: Random) -> list[Body]:
    """All messages of the call in order, each with its time (Unix milliseconds)."""
    if call.welcome is None:
        return []
    return _Historian(call, rng).messages(call.welcome)


class _Historian:
    def __init__(self, call: Call, rng: Random) -> None:
        self._call = call
        self._rng = rng
        self._turn_end = 0
        self._received = 0
        self._delayed = rng.randint(-2, 0)
        self._lost = 0

    def messages(self, welcome: SpokenPart) -> list[Body]:
        messages = [self._welcome(welcome)]
        for number, turn in enumerate(self._call.turns, 1):
            messages.append(self._user(f"user-{number}", turn))
            if turn.reply:
                first, *rest = turn.reply.parts
                messages.append(self._assistant(f"user-{number}", first, turn.reply.llm_queue_ms))
                messages.extend(self._assistant(f"user-{number}", part, 0) for part in rest)
        return messages

    def _welcome(self, part: SpokenPart) -> Body:
        return {
            "messageId": "welcome-1",
            "role": "assistant",
            "text": part.text,
            "timestamp": self._call.media_ms + part.start,
            "metrics": {
                "timeline": {"totalElapsedTimeMs": part.start},
                "audio": {"totalAudioReceivedMs": frames(part.start)},
                "llm": {},
                "tts": _tts(part),
                "interactlyPlayer": {"waitTimeMs": part.tts_ms},
            },
        }

    def _user(self, message_id: str, turn: Turn) -> Body:
        offset, self._turn_end = turn.end - self._turn_end, turn.end
        return {
            "messageId": message_id,
            "role": "user",
            "text": turn.text,
            "timestamp": self._call.media_ms + turn.heard,
            "metrics": {
                "timeline": {"offsetFromPreviousTurnMs": offset, "totalElapsedTimeMs": turn.end},
                "audio": self._audio(turn),
                "stt": {
                    "timestampMs": self._call.media_ms + turn.end,
                    "startOffsetMs": turn.start,
                    "endOffsetMs": turn.end,
                    "durationMs": turn.end - turn.start,
                    "vadMs": turn.end - turn.start - self._rng.randint(200, 700),
                    "relativeLatencyMs": turn.stt_lag_ms,
                    "confidence": turn.confidence,
                },
                "interactlyEOU": {
                    "turnDetectionTimeMs": turn.detection_ms,
                    "queueLatencyMs": turn.heard - turn.end - turn.detection_ms,
                },
            },
            "skippedAssistantMessages": [{"text": text} for text in turn.cut_off],
        }

    def _audio(self, turn: Turn) -> Body:
        delayed = self._rng.randint(20, 60) if self._call.noisy else self._rng.choice((-1, 0, 0, 0, 1, 1, 2, 12))
        self._delayed = max(-2, min(2, self._delayed + self._rng.randint(-1, 1)))
        self._lost += self._rng.randint(2, 15) if self._call.noisy else self._rng.choice((0, 0, 0, 0, 0, 0, 0, 1))
        received = frames(turn.end)
        offset, self._received = received - self._received, received
        return {
            "delayedPacketsPerTurnCount": delayed,
            "delayedPacketsCumulativeCount": self._delayed,
            "lostPacketsCumulativeCount": self._lost,
            "audioDelayPerTurnMs": delayed * 13,
            "audioDelayCumulativeMs": self._delayed * 13,
            "offsetFromPreviousTurnMs": offset,
            "totalAudioReceivedMs": received,
        }

    def _assistant(self, turn_id: str, part: SpokenPart, llm_queue_ms: int) -> Body:
        at = self._call.media_ms + part.start
        answered = at - part.tts_ms - part.queue_ms
        suffix = "".join(self._rng.choices(_SUFFIX, k=10))
        return {
            "messageId": f"{turn_id}-{suffix}-{answered + 1}",
            "role": "assistant",
            "text": part.text,
            "timestamp": at,
            "metrics": {
                "timeline": {"totalElapsedTimeMs": part.start},
                "audio": {"totalAudioReceivedMs": frames(part.start)},
                "llm": {
                    "timestampMs": answered,
                    "queueLatencyMs": llm_queue_ms,
                    "responseLatencyMs": part.llm_ms,
                },
                "tts": _tts(part),
                "interactlyPlayer": {"waitTimeMs": part.tts_ms},
            },
        }


def _tts(part: SpokenPart) -> Body:
    return {
        "audioDurationMs": part.audio_ms,
        "queueLatencyMs": part.queue_ms,
        "generationTimeMs": part.tts_ms,
        "isCachePlaying": part.cached,
    }
