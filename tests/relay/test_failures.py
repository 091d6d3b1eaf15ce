"""What fails: the application, the exporter's storage, neither of which may cost more than it must."""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from exporter.errors import StorageError
from exporter.recording.ingest import Ingest
from exporter.relay.client import Client
from exporter.relay.request import RelayRequest
from exporter.relay.response import Exchange
from exporter.store.base import Batch
from exporter.store.memory import MemoryStore
from tests.conftest import Connect, head
from tests.platforms.vapi_bodies import message
from tests.relay.application import application, fine, post, talking
from tests.relay.conftest import KEY, SECRET, Exporter, codes, config, counted, failures
from tests.support.servers import free_port
from tests.support.service import logged

HANG = json.dumps(message("hang")).encode()
REQUEST = json.dumps(message("assistant-request")).encode()
TOOLS = json.dumps(message("tool-calls")).encode()


async def stays_silent(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.sleep(60)
    raise AssertionError


def say(data: bytes) -> Callable[[StreamReader, StreamWriter], Awaitable[None]]:
    """Answer a request with these bytes and close the connection."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    return talk


@pytest.mark.parametrize("body", [HANG, TOOLS, b"no event"])
async def test_an_application_that_is_not_there(exporter: Exporter, body: bytes) -> None:
    """502 at once, the reason is counted, the event too, and the landing page shows it."""
    front = await exporter(config(f"http://127.0.0.1:{free_port()}/hook"))
    answer = await post(front.url, body, KEY)
    message = "the application behind the relay can't be reached"
    assert (answer.status, json.loads(answer.body)) == (502, {"error": message})
    assert failures(front) == {"connect": 1}
    assert codes(front, "502") == 1
    assert [(each.status, each.reason) for each in front.service.activity.rejections] == [(502, message)]


async def test_an_unknown_host(exporter: Exporter) -> None:
    """A name that does not resolve is an application that can't be reached."""
    front = await exporter(config("http://no-such-host.invalid/hook"))
    assert (await post(front.url, HANG, KEY)).status == 502
    assert failures(front) == {"connect": 1}


CUT = {
    "before the head": (b"", "cut"),
    "in the head": (b"HTTP/1.1 200 OK\r\nContent-Le", "cut"),
    "before the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "cut"),
    "in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "cut"),
    "another protocol": (b"220 mail.example ESMTP\r\n", "malformed"),
    "nonsense in the head": (b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n1234567890", "malformed"),
    "a zero byte in the reason": (b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok", "malformed"),
    "a control character in the reason": (b"HTTP/1.1 200 O\x1bK\r\nContent-Length: 2\r\n\r\nok", "malformed"),
    "a zero byte in a header": (b"HTTP/1.1 200 OK\r\nX-Tag: a\0b\r\nContent-Length: 2\r\n\r\nok", "malformed"),
    "another protocol on request": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "malformed"),
}


@pytest.mark.parametrize("where", sorted(CUT))
async def test_an_application_that_breaks_off(exporter: Exporter, where: str) -> None:
    """However far a short answer came, the platform gets a clean 502, and the event is counted once."""
    data, reason = CUT[where]
    async with talking(say(data)) as url:
        front = await exporter(config(url))
        answer = await post(front.url, HANG, KEY)
        assert answer.status == 502
        assert "behind the relay" in json.loads(answer.body)["error"]
        assert failures(front) == {reason: 1}
        assert front.service.refused() == {("hang", "counted"): 1}
        await post(front.url, HANG, KEY)
        assert front.service.sample("voice_hangs_total") == 1


@pytest.mark.parametrize("framing", ["Content-Length: 900000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
async def test_half_a_long_answer_never_looks_whole(
    exporter: Exporter, connect: Connect, framing: str, version: str
) -> None:
    """Once the head is out only a broken connection can tell: the client sees a reset, no proper end."""
    piece = b"x" * 100_000
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece) if "chunked" in framing else piece
    async with talking(say(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + chunk)) as url:
        front = await exporter(config(url))
        wire = await connect(front.url)
        request = head("/webhook/vapi", f"{KEY[0]}: {SECRET}", f"Content-Length: {len(HANG)}") + HANG
        await wire.send(request.replace(b"HTTP/1.1", version.encode(), 1))
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(version.encode() + b" 200")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(wire.reader.read(), 20)
        assert failures(front) == {"cut": 1}
        assert front.service.sample("voice_hangs_total") == 1


async def test_an_application_that_is_too_slow(exporter: Exporter) -> None:
    """504 after relay.timeout; the event is counted."""
    async with application(stays_silent) as behind:
        front = await exporter(config(behind.url, timeout=0.1))
        answer = await post(front.url, HANG, KEY)
        assert answer.status == 504
        assert json.loads(answer.body) == {"error": "the application behind the relay did not answer within 0.1 s"}
        assert failures(front) == {"timeout": 1}
        assert codes(front, "504") == 1
        assert front.service.sample("voice_hangs_total") == 1


async def test_an_answer_that_never_ends(exporter: Exporter) -> None:
    """The time limit covers the whole answer: one that trickles is cut off."""

    async def trickling(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)

    async with application(trickling) as behind:
        front = await exporter(config(behind.url, timeout=0.2))
        with pytest.raises(aiohttp.ClientError):
            await post(front.url, HANG, KEY)
        assert failures(front) == {"timeout": 1}


async def test_the_platforms_own_limit_is_kept(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long relay.timeout is, an assistant-request gets its 504 before the platform gives up; others wait."""
    given: list[float] = []
    exchange = Client.exchange

    def noting(client: Client, url: str, outgoing: RelayRequest, seconds: float) -> Exchange:
        given.append(seconds)
        return exchange(client, url, outgoing, seconds)

    monkeypatch.setattr(Client, "exchange", noting)
    async with application() as behind:
        front = await exporter(config(behind.url, timeout=18.0))
        for kind in ("assistant-request", "knowledge-base-request", "tool-calls", "hang"):
            await post(front.url, json.dumps(message("assistant-request", type=kind)).encode(), KEY)
        front.service.webhooks.configure(config(behind.url, timeout=2.0))
        await post(front.url, REQUEST, KEY)
    assert given == [pytest.approx(7, abs=0.5), pytest.approx(9.5, abs=0.5), 18.0, 18.0, 2.0]
    assert given[0] <= 7.0


async def test_an_applications_own_error_is_its_answer_and_a_failure(exporter: Exporter) -> None:
    """A 503 goes back as it is and counts as server_error; a 404 is nobody's failure."""

    async def answering(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404 if "missing" in request.path else 503, text="its own words")

    async with application(answering) as behind:
        front = await exporter(config(behind.url))
        answer = await post(front.url, HANG, KEY)
        assert (answer.status, answer.body) == (503, b"its own words")
        assert (await post(f"{front.url}/missing", HANG, KEY)).status == 404
        assert failures(front) == {"server_error": 1}
        assert (codes(front, "503"), codes(front, "404")) == (1, 1)


async def test_the_log_tells_of_failure_and_recovery_once(exporter: Exporter, caplog: pytest.LogCaptureFixture) -> None:
    """A line when it begins, one when it ends, and nothing of addresses or content."""
    caplog.set_level("INFO", "exporter.relay")
    port = free_port()
    front = await exporter(config(f"http://127.0.0.1:{port}/hook"))
    for _ in range(3):
        await post(front.url, HANG, KEY)
    async with application(port=port):
        for _ in range(3):
            assert (await post(front.url, HANG, KEY)).status == 200
    assert logged(caplog) == ["the application behind the relay fails", "the application behind the relay works again"]


async def test_a_slow_event_holds_up_no_call(exporter: Exporter) -> None:
    """While the application takes its time over some events, what needs an answer gets it at once."""
    release = asyncio.Event()

    async def answering(request: web.Request) -> web.StreamResponse:
        if b"hang" in await request.read():
            await release.wait()
        return await fine(request)

    async with application(answering) as behind:
        front = await exporter(config(behind.url))
        slow = [asyncio.create_task(post(front.url, HANG, KEY)) for _ in range(50)]
        await behind.wait_for(50)
        assert (await post(front.url, REQUEST, KEY)).status == 200
        assert not any(task.done() for task in slow)
        release.set()
        assert {answer.status for answer in await asyncio.gather(*slow)} == {200}


async def test_a_platform_that_leaves_is_no_failure(exporter: Exporter, connect: Connect) -> None:
    """Who hangs up before the answer is there costs nothing; the event is counted."""
    release = asyncio.Event()

    async def answering(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(body=b"x" * 1_000_000)

    async with application(answering) as behind:
        front = await exporter(config(behind.url))
        wire = await connect(front.url)
        await wire.send(head("/webhook/vapi", f"{KEY[0]}: {SECRET}", f"Content-Length: {len(HANG)}") + HANG)
        await behind.wait_for(1)
        wire.writer.transport.abort()
        release.set()
        await counted(front, "voice_exporter_relay_seconds_count", 1)
        assert failures(front) == {}
        assert front.service.sample("voice_hangs_total") == 1
        assert (await post(front.url, HANG, KEY)).status == 200


# --- The exporter's own trouble ---


class Slow(MemoryStore):
    """Takes its time for each commit."""

    async def commit(self, batch: Batch) -> None:
        """Succeed later."""
        await asyncio.sleep(0.05)
        await super().commit(batch)


@pytest.mark.parametrize("status", [200, 502])
async def test_an_event_that_needs_no_answer_is_counted_first(exporter: Exporter, status: int) -> None:
    """When the platform is told success, or failure, the event is durable."""
    async with application() as behind:
        url = behind.url if status == 200 else f"http://127.0.0.1:{free_port()}/"
        front = await exporter(config(url), Slow())
        assert (await post(front.url, HANG, KEY)).status == status
        assert front.service.sample("voice_hangs_total") == 1


async def test_a_call_does_not_wait_for_its_count(exporter: Exporter) -> None:
    """What needs an answer has it before it is counted."""
    async with application() as behind:
        front = await exporter(config(behind.url), store := Broken())
        store.hanging = True
        assert (await post(front.url, REQUEST, KEY)).status == 200
        assert front.service.refused() == {}
        store.free.set()
        await counted(front, "voice_exporter_webhooks_total", 1, event="assistant-request", outcome="ignored")


class Broken(MemoryStore):
    """Keeps nothing once it is broken; or takes for ever."""

    def __init__(self) -> None:
        self.broken = False
        self.hanging = False
        self.free = asyncio.Event()

    async def commit(self, batch: Batch) -> None:
        """Fail, hang, or succeed."""
        if self.hanging:
            await self.free.wait()
        if self.broken:
            raise StorageError("no space left on the storage device")
        await super().commit(batch)


@pytest.mark.parametrize("ack", ["application", "exporter"])
@pytest.mark.parametrize("body", [HANG, REQUEST, TOOLS, b'{"message":{"type":"invented"}}'])
async def test_failing_storage_costs_no_call(exporter: Exporter, body: bytes, ack: str) -> None:
    """The application is asked and its answer goes back; the event counts as unavailable, which raises the alert."""
    store = Broken()
    async with application() as behind:
        front = await exporter(config(behind.url, ack=ack), store)
        store.broken = True
        answer = await post(front.url, body, KEY)
        assert (answer.status, json.loads(answer.body)) == (200, {"assistantId": "ada-example"})
        await counted(front, "voice_exporter_storage_errors_total", 1)
        [(_, outcome)] = front.service.refused()
        assert outcome == "unavailable"
        assert len(behind.seen) == 1


@pytest.mark.parametrize("ack", ["application", "exporter"])
async def test_hanging_storage_holds_nothing_up_for_long(exporter: Exporter, ack: str) -> None:
    """A disk that does not answer delays an event's answer by a second at most, and a call's not at all."""
    store = Broken()
    async with application() as behind:
        front = await exporter(config(behind.url, ack=ack), store, durable_seconds=0.05)
        store.hanging = True
        assert json.loads((await post(front.url, HANG, KEY)).body) == {"assistantId": "ada-example"}
        assert (await post(front.url, REQUEST, KEY)).status == 200
        assert len(behind.seen) == 2
        assert front.service.sample("voice_hangs_total") == 0
        store.free.set()
        await counted(front, "voice_hangs_total", 1)


async def test_a_bug_of_ours_costs_no_call(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong while a body is understood, the application gets it, and the log shows no content."""

    def failing(_ingest: Ingest, _platform: str, _body: bytes) -> object:
        raise RuntimeError("Ada Example")

    monkeypatch.setattr(Ingest, "understand", failing)
    async with application() as behind:
        front = await exporter(config(behind.url))
        assert (await post(front.url, HANG, KEY)).status == 200
        assert behind.seen[0].body == HANG
        assert front.service.refused() == {("unknown", "unavailable"): 1}
    assert "event failed" in caplog.messages
    assert "Ada" not in caplog.text


async def test_metrics_exist_from_the_start(exporter: Exporter) -> None:
    """Each reason is there at 0 before anything fails, so that increase() sees the first failure."""
    front = await exporter(config("http://127.0.0.1:9/hook"))
    families = {family.metric.name: family for family in front.service.recorder.table.families()}
    series = families["voice_exporter_relay_errors_total"].series
    assert {each.labels[0] for each in series} == {"vapi"}
    assert len(series) == 8
