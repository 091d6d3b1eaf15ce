"""The relay in its own process: killed, stopped, started again, as operators and machines do it."""

import asyncio
import json
import signal
from asyncio import StreamReader, StreamWriter
from collections import Counter
from pathlib import Path
from random import Random

import aiohttp
import pytest
import yaml
from aiohttp import web

from tests.conftest import Connect, Running, StartExporter, head
from tests.platforms.vapi_bodies import message
from tests.relay.application import application, fine, post, talking
from tests.security.raw import get
from tests.support.servers import free_port
from tests.support.waiting import reached, until

HANG = json.dumps(message("hang")).encode()
KILLS = 4
WORKERS = 8


def hang(number: int) -> bytes:
    """One of many events."""
    return json.dumps(message("hang", timestamp=1_767_603_607_000 + number)).encode()


class Exporters:
    """Starts the exporter again and again, with the same store and configuration."""

    def __init__(self, start: StartExporter, folder: Path, url: str, **relay: object) -> None:
        self._start = start
        self._flag = f"--config.file={folder / 'config.yml'}"
        relays = {"url": url, **relay}
        (folder / "config.yml").write_text(yaml.safe_dump({"webhooks": {"vapi": {"auth": "none", "relay": relays}}}))

    async def start(self, *flags: str) -> Running:
        """Start one, while the test's own servers go on."""
        return await asyncio.to_thread(self._start, self._flag, *flags)


async def value(exporter: Running, name: str) -> float:
    """The sum of a metric's samples in a scrape."""
    return _value(await asyncio.to_thread(get, exporter.url), name)


def _value(scraped: str, name: str) -> float:
    return sum(float(line.split()[-1]) for line in scraped.splitlines() if line.startswith((f"{name} ", f"{name}{{")))


async def becomes(exporter: Running, name: str, wanted: float) -> None:
    """Wait until a metric has a value."""
    await asyncio.to_thread(until, f"{name} is {wanted}", lambda: _value(get(exporter.url), name) == wanted)


async def send_until_it_dies(exporter: Running, rng: Random, acknowledged: set[bytes]) -> None:
    """Post events on several connections, kill the exporter once some are acknowledged, and note which were."""
    enough, target = asyncio.Event(), len(acknowledged) + rng.randint(10, 40)

    async def worker(session: aiohttp.ClientSession) -> None:
        while True:
            body = hang(rng.randrange(10**9))
            async with session.post(f"{exporter.url}/webhook/vapi", data=body) as answer:
                if answer.status == 200:
                    acknowledged.add(body)
                    if len(acknowledged) >= target:
                        enough.set()

    async with aiohttp.ClientSession() as session:
        workers = [asyncio.create_task(worker(session)) for _ in range(WORKERS)]
        async with asyncio.timeout(60):
            await enough.wait()
        exporter.process.kill()
        await asyncio.gather(*workers, return_exceptions=True)
    await asyncio.to_thread(exporter.wait)


async def test_kill_9_loses_nothing_that_was_acknowledged(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Every acknowledged event reaches the application, again only after a failure or a kill, and counts once."""
    rng = Random(1)
    acknowledged: set[bytes] = set()

    async def answering(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(rng.uniform(0, 0.03))
        return web.Response(status=500) if rng.random() < 0.05 else await fine(request)

    async with application(answering) as behind:
        exporters = Exporters(start_exporter, tmp_path, behind.url, ack="exporter")
        for _ in range(KILLS):
            await send_until_it_dies(await exporters.start(), rng, acknowledged)
        last = await exporters.start()
        await becomes(last, "voice_exporter_relay_waiting_events", 0)
        times = Counter(seen.body for seen in behind.seen)
        assert acknowledged <= times.keys()
        assert max(times.values()) <= KILLS + 5
        assert await value(last, "voice_hangs_total") >= len(acknowledged)
        assert await value(last, "voice_hangs_total") <= len(times | Counter(acknowledged)) + WORKERS * KILLS


async def test_without_failures_and_kills_each_event_arrives_once(
    start_exporter: StartExporter, tmp_path: Path
) -> None:
    """No attempt too many: with a sound application each event comes exactly once, restarts included."""
    async with application() as behind:
        exporters = Exporters(start_exporter, tmp_path, behind.url, ack="exporter")
        for run in range(3):
            exporter = await exporters.start()
            bodies = [hang(run * 100 + number) for number in range(30)]
            answers = await asyncio.gather(*(post(f"{exporter.url}/webhook/vapi", body) for body in bodies))
            assert {answer.status for answer in answers} == {200}
            assert await asyncio.to_thread(exporter.stop) == 0
        await becomes(await exporters.start(), "voice_exporter_relay_waiting_events", 0)
        times = Counter(seen.body for seen in behind.seen)
        assert len(times) == 90
        assert set(times.values()) == {1}


async def test_what_waits_outlives_a_stop(start_exporter: StartExporter, tmp_path: Path) -> None:
    """The application is away, the exporter stops and starts: the event arrives when the application is back."""
    port = free_port()
    exporters = Exporters(start_exporter, tmp_path, f"http://127.0.0.1:{port}/hook", ack="exporter")
    first = await exporters.start()
    assert (await post(f"{first.url}/webhook/vapi", HANG)).status == 200
    await becomes(first, "voice_exporter_relay_waiting_events", 1)
    assert await asyncio.to_thread(first.stop) == 0
    async with application(port=port) as behind:
        await exporters.start()
        [seen] = await behind.wait_for(1)
    assert seen.body == HANG


async def test_a_stop_finishes_what_is_being_forwarded(start_exporter: StartExporter, tmp_path: Path) -> None:
    """An event that is on its way at a stop is not sent again after the start."""

    async def answering(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return await fine(request)

    async with application(answering) as behind:
        exporters = Exporters(start_exporter, tmp_path, behind.url, ack="exporter")
        first = await exporters.start()
        assert (await post(f"{first.url}/webhook/vapi", HANG)).status == 200
        await behind.wait_for(1)
        assert await asyncio.to_thread(first.stop) == 0
        second = await exporters.start()
        assert await value(second, "voice_exporter_relay_waiting_events") == 0
        assert len(behind.seen) == 1


async def test_a_stop_waits_for_answers_in_flight(start_exporter: StartExporter, tmp_path: Path) -> None:
    """A call that waits for the application gets its answer although the exporter was told to stop."""
    release = asyncio.Event()

    async def answering(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await fine(request)

    async with application(answering) as behind:
        exporter = await Exporters(start_exporter, tmp_path, behind.url).start()
        body = json.dumps(message("tool-calls")).encode()
        asking = asyncio.create_task(post(f"{exporter.url}/webhook/vapi", body))
        await behind.wait_for(1)
        stopping = asyncio.create_task(asyncio.to_thread(exporter.stop))
        await reached("the stop in the log", lambda: "msg=stopping" in exporter.log)
        release.set()
        assert json.loads((await asking).body) == {"assistantId": "ada-example"}
        assert await stopping == 0
        assert "level=error" not in exporter.log
        again = await Exporters(start_exporter, tmp_path, behind.url).start()
        assert await value(again, "voice_tool_call_seconds_count") == 1


async def test_the_application_is_killed(start_exporter: StartExporter, tmp_path: Path) -> None:
    """An application that dies with requests in flight costs a 502 each, and works again when it is back."""

    async def answering(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    port = free_port()
    url = f"http://127.0.0.1:{port}/hook"
    exporter = await Exporters(start_exporter, tmp_path, url).start()
    async with application(answering, port) as behind:
        asking = [asyncio.create_task(post(f"{exporter.url}/webhook/vapi", hang(number))) for number in range(5)]
        await behind.wait_for(5)
    assert [(await answer).status for answer in asking] == [502] * 5
    assert (await post(f"{exporter.url}/webhook/vapi", hang(5))).status == 502
    async with application(port=port):
        assert (await post(f"{exporter.url}/webhook/vapi", hang(6))).status == 200
    assert await value(exporter, "voice_hangs_total") == 7


async def test_half_a_long_answer_is_reset(start_exporter: StartExporter, tmp_path: Path, connect: Connect) -> None:
    """On the event loop that the process runs on, too, half an answer never looks whole."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 100_000)
        await writer.drain()

    async with talking(talk) as url:
        exporter = await Exporters(start_exporter, tmp_path, url).start()
        wire = await connect(exporter.url)
        await wire.send(head("/webhook/vapi", f"Content-Length: {len(HANG)}") + HANG)
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(wire.reader.read(), 20)


async def test_a_reload_switches_the_relay_on_and_off(start_exporter: StartExporter, tmp_path: Path) -> None:
    """SIGHUP changes who answers, with requests in flight finishing where they began."""
    async with application() as behind:
        exporters = Exporters(start_exporter, tmp_path, behind.url)
        exporter = await exporters.start()
        url = f"{exporter.url}/webhook/vapi"
        request = json.dumps(message("assistant-request")).encode()
        assert (await post(url, request)).status == 200
        (tmp_path / "config.yml").write_text("webhooks: {vapi: {auth: none}}\n")
        await asyncio.to_thread(_reload, exporter)
        assert (await post(url, request)).status == 501
        assert len(behind.seen) == 1


def _reload(exporter: Running) -> None:
    exporter.signal(signal.SIGHUP)
    until("the reload in the log", lambda: "configuration reloaded" in exporter.log)
