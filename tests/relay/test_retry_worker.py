"""``ack: exporter``: the platform gets our word at once, the application gets every event, later if need be."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from aiohttp import web

from exporter.config import Config, Target
from exporter.relay import DEFAULT_OPTIONS, RelayOptions
from exporter.relay.client import Client
from exporter.relay.queue import RelayQueue
from exporter.relay.request import RelayRequest
from tests.platforms.vapi_bodies import message
from tests.relay.application import application, fine, post
from tests.relay.conftest import KEY, SECRET, Exporter, codes, config, counted, failures
from tests.support.servers import free_port

HANG = json.dumps(message("hang")).encode()
OK = b'{"status":"ok"}\n'
SLOTS = DEFAULT_OPTIONS.slots
GIVEN_UP = "an acknowledged event was not delivered"


def hang(number: int) -> bytes:
    """One of many events."""
    return json.dumps(message("hang", timestamp=1_767_603_607_000 + number)).encode()


def queue_files(directory: Path) -> list[bytes]:
    """What the files of the queue hold."""
    return [path.read_bytes() for path in directory.rglob("relay-queue*")]


async def test_the_answer_does_not_wait_for_the_application(exporter: Exporter) -> None:
    """200 as soon as the event is durable, while the application still thinks about it; then it is forgotten."""
    release = asyncio.Event()

    async def answering(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await fine(request)

    async with application(answering) as behind:
        front = await exporter(config(behind.url, ack="exporter"))
        answer = await post(f"{front.url}/x?a=1", HANG, KEY, ("X-Call-Id", "c1"))
        assert (answer.status, answer.body) == (200, OK)
        assert front.service.sample("voice_hangs_total") == 1
        [seen] = await behind.wait_for(1)
        assert (seen.path, seen.body, seen.headers["X-Call-Id"]) == ("/hook/x?a=1", HANG, "c1")
        assert "X-Vapi-Secret" not in seen.headers
        assert seen.headers["X-Forwarded-For"] == "127.0.0.1"
        assert front.service.sample("voice_exporter_relay_waiting_events") == 1
        release.set()
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert codes(front, "200") == 1
        assert len(behind.seen) == 1


@pytest.mark.parametrize("kind", ["assistant-request", "tool-calls", "invented-next-year"])
async def test_what_may_need_an_answer_is_not_queued(exporter: Exporter, tmp_path: Path, kind: str) -> None:
    """Types that need an answer, and types that nobody knows, get the application's own."""
    async with application() as behind:
        front = await exporter(config(behind.url, ack="exporter"))
        answer = await post(front.url, json.dumps(message("assistant-request", type=kind)).encode(), KEY)
        assert json.loads(answer.body) == {"assistantId": "ada-example"}
        assert json.loads((await post(front.url, b"[]", KEY)).body) == {"assistantId": "ada-example"}
        assert len(behind.seen) == 2
    assert queue_files(tmp_path) == []


@pytest.mark.parametrize("status", [500, 503, 408, 425, 429])
async def test_a_failing_application_is_asked_again(exporter: Exporter, status: int) -> None:
    """The event waits until the application takes it, and reaches it once more for each failure."""

    async def answering(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status if len(behind.seen) < 4 else 204)

    async with application(answering) as behind:
        front = await exporter(config(behind.url, ack="exporter"))
        assert (await post(front.url, HANG, KEY)).status == 200
        seen = await behind.wait_for(4)
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert [each.body for each in seen] == [HANG] * 4
        assert codes(front, str(status)) == 3
        assert failures(front) == ({"server_error": 3} if status >= 500 else {})
        assert front.service.sample("voice_hangs_total") == 1


async def test_an_application_that_comes_later_gets_everything(exporter: Exporter) -> None:
    """Events of its absence arrive, each once, when it is there."""
    port = free_port()
    front = await exporter(config(f"http://127.0.0.1:{port}/hook", ack="exporter"))
    answers = await asyncio.gather(*(post(front.url, hang(number), KEY) for number in range(40)))
    assert {answer.status for answer in answers} == {200}
    assert front.service.sample("voice_exporter_relay_waiting_events") == 40
    async with application(port=port) as behind:
        await behind.wait_for(40)
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert sorted(seen.body for seen in behind.seen) == sorted(map(hang, range(40)))
    assert failures(front).keys() <= {"connect"}


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
async def test_what_the_application_rejects_is_given_up(
    exporter: Exporter, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """An answer that no repetition changes ends it: counted, logged without content, and not tried again."""

    async def answering(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with application(answering) as behind:
        front = await exporter(config(behind.url, ack="exporter"))
        await post(front.url, HANG, KEY)
        await behind.wait_for(1)
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert failures(front) == {"given_up": 1}
        assert len(behind.seen) == 1
    [record] = [record for record in caplog.records if record.message == GIVEN_UP]
    fields = record.__dict__["fields"]
    assert fields == {"platform": "vapi", "event": "hang", "attempts": 1, "reason": f"answered {status}"}


async def test_attempts_are_bounded(exporter: Exporter) -> None:
    """After so many failures an event is given up."""

    async def answering(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    async with application(answering) as behind:
        front = await exporter(config(behind.url, ack="exporter"), attempts=3)
        await post(front.url, HANG, KEY)
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert len(behind.seen) == 3
        assert failures(front) == {"server_error": 3, "given_up": 1}


async def test_a_kill_during_the_last_attempt_ends_it(exporter: Exporter, tmp_path: Path) -> None:
    """An attempt of which nobody knows what came counts: there is none beyond the last."""
    left = RelayQueue(RelayOptions(tmp_path / "data"))
    await left.put({"": RelayRequest("vapi", "hang", "POST", "", "", (), HANG)})
    await left.claim(1.0, lambda _: 1)
    await left.close()
    async with application() as behind:
        front = await exporter(config(behind.url, ack="exporter"), attempts=1)
        await counted(front, "voice_exporter_relay_errors_total", 1, reason="given_up")
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert behind.seen == []


async def test_a_full_queue_passes_events_on_at_once(exporter: Exporter) -> None:
    """Where no more fits, the platform gets the application's own answer, and a counter says so."""
    release = asyncio.Event()

    async def answering(request: web.Request) -> web.StreamResponse:
        if len(behind.seen) <= 2:
            await release.wait()
        return await fine(request)

    async with application(answering) as behind:
        front = await exporter(config(behind.url, ack="exporter"), queued_events=2)
        for number in range(2):
            assert (await post(front.url, hang(number), KEY)).body == OK
        await behind.wait_for(2)
        assert json.loads((await post(front.url, hang(2), KEY)).body) == {"assistantId": "ada-example"}
        assert failures(front) == {"queue_failed": 1}
        release.set()
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert sorted(seen.body for seen in behind.seen) == sorted(map(hang, range(3)))
        assert front.service.refused() == {("hang", "counted"): 3}


async def test_a_queue_that_fails_passes_events_on_at_once(exporter: Exporter, tmp_path: Path) -> None:
    """A file that can't be written costs nothing but our word; the event is still counted."""
    (tmp_path / "data" / "relay-queue.db").mkdir(parents=True)
    async with application() as behind:
        front = await exporter(config(behind.url, ack="exporter"))
        assert json.loads((await post(front.url, HANG, KEY)).body) == {"assistantId": "ada-example"}
        assert failures(front) == {"queue_failed": 1}
        assert front.service.sample("voice_hangs_total") == 1
        assert len(behind.seen) == 1


async def test_what_is_in_flight_is_not_sent_again_when_the_file_fails(exporter: Exporter, tmp_path: Path) -> None:
    """An event that is delivered while the file can't be written is forgotten later, and not sent twice."""
    release = asyncio.Event()

    async def answering(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await fine(request)

    async with application(answering) as behind:
        front = await exporter(config(behind.url, ack="exporter"), storage_pause=0.01)
        await post(front.url, hang(0), KEY)
        await behind.wait_for(1)
        blocker = sqlite3.connect(tmp_path / "data" / "relay-queue.db", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        refused = asyncio.create_task(post(front.url, hang(1), KEY))
        await behind.wait_for(2)
        release.set()
        assert json.loads((await refused).body) == {"assistantId": "ada-example"}
        assert front.service.sample("voice_exporter_relay_waiting_events") == 1
        blocker.execute("ROLLBACK")
        blocker.close()
        assert (await post(front.url, hang(2), KEY)).body == OK
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert sorted(seen.body for seen in behind.seen) == sorted(map(hang, range(3)))


async def test_a_bug_of_ours_leaves_no_event_stuck(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in an attempt, there is another one."""
    send, bugs = Client.exchange, iter([True])

    def failing(client: Client, url: str, outgoing: RelayRequest, seconds: float) -> object:
        if next(bugs, False):
            raise RuntimeError
        return send(client, url, outgoing, seconds)

    monkeypatch.setattr(Client, "exchange", failing)
    async with application() as behind:
        front = await exporter(config(behind.url, ack="exporter"))
        assert (await post(front.url, HANG, KEY)).body == OK
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert len(behind.seen) == 1


async def test_only_so_many_at_once(exporter: Exporter) -> None:
    """An application gets no more requests at a time than it has slots, however many events wait."""
    release = asyncio.Event()

    async def answering(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await fine(request)

    async with application(answering) as behind:
        front = await exporter(config(behind.url, ack="exporter"))
        for number in range(SLOTS + 5):
            assert (await post(front.url, hang(number), KEY)).body == OK
        assert len(await behind.wait_for(SLOTS)) == SLOTS
        release.set()
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert len(behind.seen) == SLOTS + 5


async def test_a_slow_target_holds_up_no_other(exporter: Exporter) -> None:
    """Each target has slots of its own, so a further one that never answers delays nothing for the application."""
    release = asyncio.Event()

    async def answering(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await fine(request)

    async with application() as behind, application(answering) as slow:
        front = await exporter(config(behind.url, ack="exporter", targets=(Target(slow.url),)))
        for number in range(SLOTS * 2):
            await post(front.url, hang(number), KEY)
        await behind.wait_for(SLOTS * 2)
        assert len(slow.seen) == SLOTS
        release.set()
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert len(slow.seen) == SLOTS * 2


async def test_copies_are_queued_with_the_event(exporter: Exporter) -> None:
    """A further target that fails gets its copy later; what the application thinks of the event is its own business."""

    async def failing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500 if len(further.seen) < 3 else 200)

    async with application() as behind, application(failing) as further:
        front = await exporter(config(behind.url, ack="exporter", targets=(Target(further.url, ("hang",)),)))
        assert (await post(front.url, HANG, KEY)).body == OK
        await counted(front, "voice_exporter_relay_waiting_events", 0)
        assert [seen.body for seen in further.seen] == [HANG] * 3
        assert [seen.body for seen in behind.seen] == [HANG]
        assert failures(front) == {}


async def test_a_reload_leads_what_waits_to_the_new_address(exporter: Exporter) -> None:
    """An application that moved gets what waited for it; no address is kept but the configured one."""
    front = await exporter(config(f"http://127.0.0.1:{free_port()}/hook", ack="exporter"))
    await post(front.url, HANG, KEY)
    async with application() as behind:
        front.service.webhooks.configure(config(behind.url, ack="application"))
        [seen] = await behind.wait_for(1)
        assert seen.body == HANG


async def test_without_a_relay_what_waits_is_given_up_in_the_end(exporter: Exporter) -> None:
    """Where the relay is gone from the configuration, events wait as if it failed, and no longer."""
    front = await exporter(config(f"http://127.0.0.1:{free_port()}/hook", ack="exporter"), attempts=2)
    await post(front.url, HANG, KEY)
    front.service.webhooks.configure(Config())
    await counted(front, "voice_exporter_relay_waiting_events", 0)
    assert failures(front)["given_up"] == 1


async def test_the_secret_is_not_kept(exporter: Exporter, tmp_path: Path) -> None:
    """The file holds what goes on, so the webhook's secret only where it goes on, too."""
    front = await exporter(config(f"http://127.0.0.1:{free_port()}/hook", ack="exporter"))
    await post(front.url, HANG, KEY)
    content = b"".join(queue_files(tmp_path))
    assert HANG in content
    assert SECRET.encode() not in content
