"""The page of incidents, over HTTP: what it shows, to whom, and in which form."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from exporter.platforms.interactly import INTERACTLY
from exporter.service.incidents_page import wants_json
from tests.calls.tally import payload
from tests.conftest import Serve
from tests.support.service import Service, running

ASSISTANT = "64ab00000000000000000001"
DENIED = {"type": "llm_error", "code": "authentication_failed", "provider": "openai", "retryable": False}


async def record(service: Service, name: str, call: str, **message: Any) -> None:  # noqa: ANN401 - any JSON value
    """Record a fixture's event of some call."""
    body = payload(name)
    body["message"]["call"]["id"] = call
    body["message"] |= message
    body["message"]["call"]["assistantId"] = body["message"]["assistant"]["_id"]
    await service.recorder.record(INTERACTLY.parse(json.dumps(body).encode()))


@pytest.fixture
async def url(serve: Serve) -> AsyncIterator[str]:
    """Where the page is, of an exporter that has seen a hang that recovered, a critical error and an open hang."""
    async with running() as service:
        await record(service, "hang", "WC-recovered")
        reply = {"messageId": "bot-1", "role": "assistant", "timestamp": 1772702495900}
        await record(service, "conversation-update", "WC-recovered", messages=[reply])
        await record(service, "error-llm-rate-limit", "WC-denied", error=DENIED)
        assistant = {"_id": "64ab00000000000000000002", "name": '<b>Ada</b> & "Co"'}
        await record(service, "hang", "WC-open", assistant=assistant)
        yield f"{await serve(service.app)}/incidents"


async def get(url: str, accept: str = "text/html") -> tuple[str, str]:
    """Content type and text of a page."""
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Accept": accept}) as answer:
        assert answer.status == 200
        return answer.content_type, await answer.text()


async def found(url: str) -> list[dict[str, Any]]:
    """The incidents of the JSON document."""
    kind, text = await get(url, "application/json")
    assert kind == "application/json"
    incidents: list[dict[str, Any]] = json.loads(text)["incidents"]
    return incidents


async def test_json(url: str) -> None:
    """Newest first, each with all that is known of it and null for what is not."""
    incidents = await found(url)
    assert [(each["kind"], each["call_id"]) for each in incidents] == [
        ("hang", "WC-open"),
        ("escalation", "WC-denied"),
        ("error", "WC-denied"),
        ("hang", "WC-recovered"),
    ]
    received = incidents[3].pop("received")
    assert received.endswith("Z")
    assert incidents[3] == {
        "time": "2026-03-05T09:21:30.000Z",
        "kind": "hang",
        "severity": "high",
        "platform": "interactly",
        "assistant_id": ASSISTANT,
        "assistant_name": "Harbor Dental - main",
        "call_id": "WC-recovered",
        "component": "llm",
        "provider": "gemini",
        "model": "gemini-3-flash-preview",
        "error_type": None,
        "sentiment": None,
        "error_code": None,
        "cause": None,
        "messages": 2,
        "outcome": "recovered",
        "recovery_seconds": 5.9,
    }
    assert (incidents[2]["error_code"], incidents[2]["severity"]) == ("authentication_failed", "critical")
    assert incidents[1]["cause"] == "not_retryable"
    assert incidents[0]["outcome"] is None


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        ("", ["WC-open", "WC-denied", "WC-denied", "WC-recovered"]),
        ("?kind=hang", ["WC-open", "WC-recovered"]),
        ("?kind=escalation&platform=interactly", ["WC-denied"]),
        (f"?assistant={ASSISTANT}&kind=hang", ["WC-recovered"]),
        ("?call=WC-denied", ["WC-denied", "WC-denied"]),
        ("?platform=vapi", []),
        ("?kind=", ["WC-open", "WC-denied", "WC-denied", "WC-recovered"]),
        ("?kind=%3Cscript%3E", []),
    ],
)
async def test_filters(url: str, query: str, calls: list[str]) -> None:
    """Kind, platform, assistant and call, alone and together; a value that nothing has finds nothing."""
    assert [each["call_id"] for each in await found(url + query)] == calls
    _, page = await get(url + query)
    for call in ("WC-open", "WC-denied", "WC-recovered"):
        assert (f">{call}</a>" in page) == (call in calls)
    assert "<script>" not in page


async def test_the_page_escapes_what_it_shows(url: str) -> None:
    """An assistant's name is anybody's text; a filter is whatever the link says."""
    _, page = await get(f"{url}?assistant=%22%3E%3Cscript%3E")
    assert "<script>" not in page
    _, page = await get(url)
    assert "&lt;b&gt;Ada&lt;/b&gt; &amp; &quot;Co&quot;" in page
    assert "recovered after 5.9 s" in page


@pytest.mark.parametrize(
    ("accept", "json_wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/json", True),
        ("application/json, text/plain, */*", True),
        ("text/html;q=0.5, application/json;q=0.9", True),
        ("text/html, application/json;q=0.9", False),
        ("application/json;q=x", False),
    ],
)
def test_which_form(accept: str, json_wanted: bool) -> None:
    """JSON where a client would rather have it than HTML."""
    assert wants_json(accept) == json_wanted


async def test_nothing_yet(serve: Serve) -> None:
    """A fresh exporter says that there is none; the landing page leads there."""
    async with running() as service:
        base = await serve(service.app)
        assert "None that are known." in (await get(f"{base}/incidents"))[1]
        assert await found(f"{base}/incidents") == []
        assert 'href="/incidents"' in (await get(base))[1]
