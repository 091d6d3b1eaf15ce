"""What only this position can see: how long the application takes for tools."""

import json

import pytest
from aiohttp import web

from tests.platforms.vapi_bodies import message
from tests.relay.application import application, fine, post
from tests.relay.conftest import KEY, Exporter, config, counted
from tests.support.servers import free_port

TOOLS = json.dumps(message("tool-calls")).encode()
HANG = json.dumps(message("hang")).encode()
COUNT = "voice_tool_call_seconds_count"


async def test_tool_calls_are_measured(exporter: Exporter) -> None:
    """The application's latency is the tool's, once for each tool call, and durable like everything that counts."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        for _ in range(2):
            assert (await post(front.url, TOOLS, KEY)).body == b'{"assistantId": "ada-example"}'
        await counted(front, "voice_exporter_webhooks_total", 1, event="tool-calls", outcome="duplicate")
        assert front.service.sample(COUNT, tool="find_slot", platform="vapi") == 1
        assert 0 < front.service.sample("voice_tool_call_seconds_sum", tool="find_slot") < 10
        assert front.service.sample("voice_calls_started_total") == 1


@pytest.mark.parametrize("status", [400, 500])
async def test_an_error_is_no_result(exporter: Exporter, status: int) -> None:
    """An application that refuses or fails has called no tool; the event is counted all the same."""

    async def answering(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status) if len(behind.seen) == 1 else await fine(request)

    async with application(answering) as behind:
        front = await exporter(config(behind.url))
        await post(front.url, TOOLS, KEY)
        await counted(front, "voice_exporter_webhooks_total", 1, event="tool-calls", outcome="ignored")
        assert front.service.sample(COUNT) == 0
        await post(front.url, TOOLS, KEY)
        await counted(front, COUNT, 1)


async def test_no_answer_is_no_result(exporter: Exporter) -> None:
    """Nor has one that is not there."""
    front = await exporter(config(f"http://127.0.0.1:{free_port()}/"))
    assert (await post(front.url, TOOLS, KEY)).status == 502
    await counted(front, "voice_exporter_webhooks_total", 1, event="tool-calls", outcome="ignored")
    assert front.service.sample(COUNT) == 0


async def test_other_events_measure_no_tool(exporter: Exporter) -> None:
    """Only tool-calls do."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        await post(front.url, HANG, KEY)
        await post(front.url, json.dumps(message("tool-calls", type="assistant-request")).encode(), KEY)
        await counted(front, "voice_exporter_webhooks_total", 1, event="assistant-request", outcome="ignored")
        assert front.service.sample(COUNT) == 0
