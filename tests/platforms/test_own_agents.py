"""The example for LiveKit and Pipecat in docs/events.md, run against a real exporter.

Neither framework is installed here. What stands for them has the names and types of LiveKit Agents 1.8.9
(`voice.events`, `llm.chat_context`) and of Pipecat 1.14.0 (`observers.user_bot_latency_observer`).
"""

import asyncio
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.conftest import StartExporter
from tests.support.pages import TEXTS

SECRET = "a secret of this test"


class Session:
    """Registers handlers and emits, as LiveKit's EventEmitter does; handlers are no coroutines."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Any], None]] = {}

    def on(self, event: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Register the decorated handler."""

        def register(handler: Callable[[Any], None]) -> Callable[[Any], None]:
            assert not asyncio.iscoroutinefunction(handler)
            self._handlers[event] = handler
            return handler

        return register

    def emit(self, event: str, **fields: object) -> None:
        """Call the handler."""
        self._handlers[event](SimpleNamespace(type=event, **fields))


class Observer:
    """Registers handlers by a decorator and calls them with itself first, as Pipecat's observers do."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[..., Any]] = {}

    def event_handler(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register the decorated handler."""

        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            self._handlers[name] = handler
            return handler

        return register

    async def call(self, name: str, argument: object) -> None:
        """Call the handler."""
        await self._handlers[name](self, argument)


@pytest.fixture
def url(start_exporter: StartExporter) -> str:
    """An exporter that asks for a secret."""
    return start_exporter(VOICE_EXPORTER_WEBHOOK_SECRET=SECRET).url


@pytest.fixture
def example(url: str) -> dict[str, Any]:
    """The names that the example defines, for that exporter."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXTS["docs/events.md"], re.DOTALL)
    code = code.replace("http://localhost:10060", url).replace("choose-a-long-one", SECRET)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/events.md", "exec"), names)  # noqa: S102 - our own page
    return names


async def sample(url: str, name: str) -> float | None:
    """The value of a sample, by its name and labels."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), None)


async def settled(tasks: set[asyncio.Task[None]]) -> None:
    """What the example began is done."""
    while tasks:
        await asyncio.gather(*tasks)


async def test_livekit(url: str, example: dict[str, Any]) -> None:
    """Messages of a session count once with what LiveKit measured of them, and its end ends the call."""
    session, tasks = Session(), set[asyncio.Task[None]]()
    example["livekit"](session, "room-1", tasks)
    user = SimpleNamespace(
        type="message",
        id="item_1",
        role="user",
        interrupted=False,
        created_at=1_772_702_480.5,
        metrics={"transcription_delay": 0.25, "end_of_turn_delay": 0.5, "stopped_speaking_at": 1_772_702_480.0},
    )
    reply = SimpleNamespace(
        type="message",
        id="item_2",
        role="assistant",
        interrupted=True,
        created_at=1_772_702_487.0,
        metrics={"e2e_latency": 6.5, "llm_node_ttft": 0.75, "tts_node_ttfb": 0.125, "llm_node_tps": 80.0},
    )
    for item in (user, reply, reply, SimpleNamespace(type="agent_handoff", id="item_3")):
        session.emit("conversation_item_added", item=item)
    await settled(tasks)
    pa = 'platform="events",assistant_id="front-desk"'
    assert await sample(url, f"voice_calls_active{{{pa}}}") == 1
    session.emit("close", error=None, reason="user_initiated", created_at=1_772_702_490.0)
    await settled(tasks)

    assert await sample(url, f'voice_messages_total{{{pa},role="user"}}') == 1
    assert await sample(url, f'voice_messages_total{{{pa},role="assistant"}}') == 1
    assert await sample(url, f"voice_response_seconds_sum{{{pa}}}") == 6.5
    assert await sample(url, f"voice_slow_replies_total{{{pa}}}") == 1
    assert await sample(url, f'voice_llm_response_seconds_sum{{{pa},provider="openai",model="gpt-4o-mini"}}') == 0.75
    assert await sample(url, f'voice_tts_generation_seconds_sum{{{pa},provider="unknown",cached="false"}}') == 0.125
    assert await sample(url, f'voice_stt_latency_seconds_sum{{{pa},provider="unknown"}}') == 0.25
    assert await sample(url, f"voice_turn_detection_seconds_sum{{{pa}}}") == 0.5
    assert await sample(url, f'voice_interruptions_total{{{pa},interrupted="assistant"}}') == 1
    assert await sample(url, f"voice_calls_active{{{pa}}}") == 0


async def test_pipecat(url: str, example: dict[str, Any]) -> None:
    """A turn counts what the caller waited and the first request to each service; a greeting has no wait."""
    observer = Observer()
    example["pipecat"](observer, "pipeline-1")
    first = [
        SimpleNamespace(processor="OpenAILLMService#0", model="gpt-4o", duration_secs=0.5),
        SimpleNamespace(processor="CartesiaTTSService#0", model=None, duration_secs=0.25),
        SimpleNamespace(processor="OpenAILLMService#0", model="gpt-4o", duration_secs=3.0),
    ]
    await observer.call(
        "on_latency_breakdown", SimpleNamespace(ttfb=first, measured_from="user_silence", total_secs=1.5)
    )
    await observer.call(
        "on_latency_breakdown", SimpleNamespace(ttfb=[], measured_from="client_connected", total_secs=9.0)
    )
    pa = 'platform="events",assistant_id="front-desk"'
    assert await sample(url, f"voice_response_seconds_count{{{pa}}}") == 1
    assert await sample(url, f"voice_response_seconds_sum{{{pa}}}") == 1.5
    assert await sample(url, f'voice_llm_response_seconds_sum{{{pa},provider="openai",model="gpt-4o-mini"}}') == 0.5
    assert await sample(url, f'voice_tts_generation_seconds_sum{{{pa},provider="unknown",cached="false"}}') == 0.25
    assert await sample(url, f'voice_messages_total{{{pa},role="assistant"}}') == 2
