"""What the platform gets: the application's own answer, as if nobody stood between."""

import gzip
import json
import random
from asyncio import StreamReader, StreamWriter

import pytest
from aiohttp import web
from multidict import CIMultiDict

from exporter.platforms.vapi import VAPI
from exporter.relay.response import WHOLE_BYTES
from tests.platforms.vapi_bodies import message
from tests.relay.application import Answer, Answering, application, fine, post, talking
from tests.relay.conftest import KEY, Exporter, config, failures

REQUEST = json.dumps(message("assistant-request")).encode()
HANG = json.dumps(message("hang")).encode()
PCM = random.Random(7).randbytes(500_000)

ANSWERS = {
    "assistant-request": {"assistant": {"firstMessage": "Grüß Gott", "model": {"provider": "openai"}}},
    "tool-calls": {"results": [{"toolCallId": "call_example0001", "result": '{"free": true}'}]},
    "function-call": {"result": "Tuesday at ten"},
    "transfer-destination-request": {"destination": {"type": "number", "number": "+15595550100"}},
    "handoff-destination-request": {"destination": {"type": "assistant", "assistantName": "Billing Example"}},
    "knowledge-base-request": {"documents": [{"content": "Open until six.", "similarity": 0.93}]},
    "call.endpointing.request": {"timeoutSeconds": 0.4},
    "campaign.predial": {"eligible": False},
}


def essentials(answer: Answer) -> Answer:
    """The answer without its date and without what belongs to a connection."""
    kept = [pair for pair in answer.headers if pair[0] not in {"Date", "Transfer-Encoding"}]
    return answer._replace(headers=kept)


async def same(exporter: Exporter, answering: Answering, body: bytes = REQUEST, *sent: tuple[str, str]) -> Answer:
    """Ask the application directly and through the exporter: both answers are the same. Gives it."""
    async with application(answering) as behind:
        front = await exporter(config(behind.url))
        direct = essentials(await post(behind.url, body, KEY, *sent))
        assert essentials(await post(front.url, body, KEY, *sent)) == direct
        assert [seen.body for seen in behind.seen] == [body, body]
    return direct


@pytest.mark.parametrize("kind", sorted(VAPI.needs_answer - {"voice-request"}))
async def test_each_type_that_needs_an_answer_gets_the_applications(exporter: Exporter, kind: str) -> None:
    """The body goes on byte for byte, and the answer comes back so."""

    async def answering(_: web.Request) -> web.StreamResponse:
        return web.json_response(ANSWERS[kind], headers={"X-Answer": kind})

    body = json.dumps(message("tool-calls" if kind == "tool-calls" else "assistant-request", type=kind)).encode()
    answer = await same(exporter, answering, body)
    assert json.loads(answer.body) == ANSWERS[kind]


async def test_a_voice_request_gets_its_audio(exporter: Exporter) -> None:
    """500 kB of raw PCM come back whole, in pieces as the application makes them."""

    async def answering(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        for start in range(0, len(PCM), 32_000):
            await response.write(PCM[start : start + 32_000])
        return response

    body = json.dumps(message("assistant-request", type="voice-request")).encode()
    assert (await same(exporter, answering, body)).body == PCM


async def test_audio_of_a_stated_length(exporter: Exporter) -> None:
    """A large answer with a Content-Length keeps it."""

    async def answering(_: web.Request) -> web.StreamResponse:
        return web.Response(body=PCM, content_type="audio/L16")

    answer = await same(exporter, answering)
    assert ("Content-Length", "500000") in answer.headers


@pytest.mark.parametrize("length", [0, 1, WHOLE_BYTES, WHOLE_BYTES + 1])
@pytest.mark.parametrize("chunked", [True, False])
async def test_every_length(exporter: Exporter, length: int, *, chunked: bool) -> None:
    """Short or long, of a stated length or not."""

    async def answering(_: web.Request) -> web.StreamResponse:
        response = web.Response(body=PCM[:length], content_type="audio/L16")
        if chunked:
            response.enable_chunked_encoding()
        return response

    await same(exporter, answering)


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 304, 307, 400, 401, 404, 422, 429, 500, 503, 599])
async def test_every_status_comes_back(exporter: Exporter, status: int) -> None:
    """Errors and redirects are the application's to give; nothing is followed or replaced."""

    async def answering(_: web.Request) -> web.StreamResponse:
        body = b"" if status in {204, 304} else b"its own words"
        headers = {"Location": "http://elsewhere.example/", "WWW-Authenticate": "Basic"}
        return web.Response(status=status, reason="Its Own Failure", body=body, headers=headers)

    answer = await same(exporter, answering)
    assert (answer.status, answer.reason) == (status, "Its Own Failure")


async def test_headers_come_back_as_they_are(exporter: Exporter) -> None:
    """Repeated, unusual, long, not ASCII, and the application's own name."""
    headers = CIMultiDict(
        [
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2"),
            ("X-Long", "x" * 20_000),
            ("X-City", "Köln"),
            ("Server", "its-own/1.0"),
            ("Vary", "A"),
            ("Vary", "B"),
        ]
    )

    async def answering(_: web.Request) -> web.StreamResponse:
        return web.Response(text="ok", headers=headers)

    answer = await same(exporter, answering)
    assert [pair for pair in answer.headers if pair in headers.items()] == list(headers.items())


async def test_below_the_webhook_headers_come_back_too(exporter: Exporter) -> None:
    """Paths below a webhook take another way through the exporter, which adds nothing either."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        direct = await post(f"{behind.url}/x", HANG, KEY)
        assert essentials(await post(f"{front.url}/x", HANG, KEY)) == essentials(direct)


async def test_cookies_are_nobodys_but_the_platforms(exporter: Exporter) -> None:
    """What the application sets goes to the platform, and comes back from there alone."""

    async def answering(_: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Set-Cookie": "session=ada"})

    async with application(answering) as behind:
        front = await exporter(config(behind.url.replace("127.0.0.1", "localhost")))
        for _ in range(2):
            assert ("Set-Cookie", "session=ada") in (await post(front.url, HANG, KEY)).headers
        assert ["Cookie" in seen.headers for seen in behind.seen] == [False, False]


async def test_nothing_is_added_to_a_bare_answer(exporter: Exporter) -> None:
    """An answer without content type and server name gets neither; only a date, as RFC 9110 asks."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"}}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Own: 1\r\n\r\nok")

    async with talking(talk) as url:
        answer = await post((await exporter(config(url))).url, b'{"message":{"type":"hang","call":{}}}', KEY)
    assert essentials(answer) == Answer(200, "OK", [("Content-Length", "2"), ("X-Own", "1")], b"ok")


async def test_a_compressed_answer_stays_compressed(exporter: Exporter) -> None:
    """What the platform accepts is asked for, and what comes is not inflated on the way."""
    packed = gzip.compress(b"an answer " * 1000, mtime=0)

    async def answering(request: web.Request) -> web.StreamResponse:
        assert request.headers.getall("Accept-Encoding") == ["gzip;q=0.5"]
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    answer = await same(exporter, answering, REQUEST, ("Accept-Encoding", "gzip;q=0.5"))
    assert answer.body == packed


async def test_a_compressed_event_goes_on_compressed_and_counts(exporter: Exporter) -> None:
    """The application gets the bytes that came; the exporter counts what is in them."""
    packed = gzip.compress(HANG)
    async with application() as behind:
        front = await exporter(config(behind.url))
        assert (await post(front.url, packed, KEY, ("Content-Encoding", "gzip"))).status == 200
        assert behind.seen[0].body == packed
        assert behind.seen[0].headers["Content-Encoding"] == "gzip"
        assert front.service.sample("voice_hangs_total") == 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"", "identity"),
        (b"no json", "identity"),
        (b'{"message": {}}', "identity"),
        (b"\xff\x00" * 3000, "identity"),
        (b"[" * 100_000, "identity"),
        (HANG, "br"),
        (HANG, "gzip"),
        (gzip.compress(HANG)[:-3], "gzip"),
    ],
)
async def test_what_nobody_understands_is_passed_on(exporter: Exporter, body: bytes, encoding: str) -> None:
    """A body that can't be read is the application's to judge, and counts as invalid."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        answer = await post(front.url, body, KEY, ("Content-Encoding", encoding))
        assert (answer.status, json.loads(answer.body)) == (200, {"assistantId": "ada-example"})
        assert behind.seen[0].body == body
        assert front.service.refused() == {("unknown", "invalid"): 1}
        assert not front.service.activity.rejections


async def test_an_unknown_type_is_passed_on(exporter: Exporter) -> None:
    """Whatever the platform invents next year reaches the application today."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        body = b'{"message": {"type": "invented-next-year"}}'
        assert json.loads((await post(front.url, body, KEY)).body) == {"assistantId": "ada-example"}
        assert behind.seen[0].body == body
        assert front.service.refused() == {("other", "ignored"): 1}


async def test_large_bodies(exporter: Exporter) -> None:
    """Megabytes go on whole."""
    body = b'{"message": {"type": "hang", "text": "' + b"x" * 5_000_000 + b'"}}'
    await same(exporter, fine, body)


async def test_an_informational_event_is_counted_when_it_is_answered(exporter: Exporter) -> None:
    """The answer is the application's, and the event is durable by then; the same again is a duplicate."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        for _ in range(2):
            assert (await post(front.url, HANG, KEY)).status == 200
            assert front.service.sample("voice_hangs_total") == 1
        assert front.service.refused() == {("hang", "counted"): 1, ("hang", "duplicate"): 1}
        assert front.service.sample("voice_exporter_relay_seconds_count", platform="vapi", code="200") == 2
        assert front.service.sample("voice_exporter_last_event_timestamp_seconds", event="hang") > 0
        assert len(behind.seen) == 2


async def test_a_reason_that_is_no_text(exporter: Exporter) -> None:
    """Bytes that are not UTF-8 are left out of the reason phrase; the answer goes back."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 F\xffine\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    async with talking(talk) as url:
        front = await exporter(config(url))
        answer = await post(front.url, HANG, KEY)
        assert (answer.status, answer.reason, answer.body) == (200, "Fine", b"ok")
        assert failures(front) == {}
