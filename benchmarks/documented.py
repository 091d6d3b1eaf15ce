"""The approach of the platform's documentation: json.loads, a loop over all messages, prometheus-client.

As there, a message is measured each time that an update repeats it, so all of it counts again and again.
"""

import json
import sys
from typing import Any, Final

import uvloop
from aiohttp import web
from prometheus_client import Counter, Histogram, generate_latest

_PA: Final = ("platform", "assistant_id")
_EVENTS: Final = Counter("voice_events", "Events.", (*_PA, "event"))
_HANGS: Final = Counter("voice_hangs", "Hangs.", (*_PA, "provider", "model"))
_MESSAGES: Final = Counter("voice_messages", "Messages.", (*_PA, "role"))
_LLM: Final = Histogram("voice_llm_response_seconds", "LLM latency.", (*_PA, "provider", "model"))
_TTS: Final = Histogram("voice_tts_generation_seconds", "TTS latency.", _PA)
_STT: Final = Histogram("voice_stt_latency_seconds", "STT latency.", _PA)
_CONFIDENCE: Final = Histogram("voice_stt_confidence_ratio", "STT confidence.", _PA)
_DELAY: Final = Histogram("voice_audio_delay_seconds", "Audio delay.", _PA)


def count(body: bytes) -> None:
    """Count one event."""
    message = json.loads(body)["message"]
    assistant = message.get("assistant", {})
    pa = ("interactly", message["call"].get("assistantId", ""))
    provider = (assistant.get("assistantProvider", ""), assistant.get("assistantModel", ""))
    _EVENTS.labels(*pa, message["type"]).inc()
    if message["type"] == "hang":
        _HANGS.labels(*pa, *provider).inc()
    if message["type"] == "conversation-update":
        for sent in message["messages"]:
            _measure(sent, pa, provider)


def _measure(sent: dict[str, Any], pa: tuple[str, ...], provider: tuple[str, ...]) -> None:
    _MESSAGES.labels(*pa, sent["role"]).inc()
    metrics = sent.get("metrics", {})
    if "responseLatencyMs" in metrics.get("llm", {}):
        _LLM.labels(*pa, *provider).observe(metrics["llm"]["responseLatencyMs"] / 1000)
    if "generationTimeMs" in metrics.get("tts", {}):
        _TTS.labels(*pa).observe(metrics["tts"]["generationTimeMs"] / 1000)
    if "stt" in metrics:
        _STT.labels(*pa).observe(max(0, metrics["stt"]["relativeLatencyMs"]) / 1000)
        _CONFIDENCE.labels(*pa).observe(metrics["stt"]["confidence"])
    if "audioDelayPerTurnMs" in metrics.get("audio", {}):
        _DELAY.labels(*pa).observe(max(0, metrics["audio"]["audioDelayPerTurnMs"]) / 1000)


async def _take(request: web.Request) -> web.Response:
    count(await request.read())
    return web.Response()


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest())


async def _ready(_request: web.Request) -> web.Response:
    return web.Response()


def main() -> None:
    """Serve on the port that is named on the command line."""
    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/webhook/interactly", _take)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/-/ready", _ready)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
