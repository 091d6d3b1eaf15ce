"""Further targets: copies beside the answer, which nobody waits for."""

import asyncio
import json

import pytest
from aiohttp import web

from exporter.config import Target
from tests.platforms.vapi_bodies import message
from tests.relay.application import application, fine, post
from tests.relay.conftest import KEY, Exporter, codes, config, counted, failures
from tests.support.servers import free_port

HANG = json.dumps(message("hang")).encode()
REQUEST = json.dumps(message("assistant-request")).encode()


async def test_one_answers_and_the_others_get_copies(exporter: Exporter) -> None:
    """Each target gets the events that it names, one without names all; the answer is the application's."""

    async def elsewhere(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="not this one")

    bodies = [HANG, REQUEST, b'{"message":{"type":"invented"}}', b"no event"]
    async with application() as behind, application(elsewhere) as everything, application(elsewhere) as hangs:
        targets = (Target(everything.url), Target(hangs.url, ("hang", "other")))
        front = await exporter(config(behind.url, targets=targets))
        for body in bodies:
            answer = await post(f"{front.url}/x?a=1", body, KEY, ("X-Call-Id", "c1"))
            assert json.loads(answer.body) == {"assistantId": "ada-example"}
        await everything.wait_for(4)
        await hangs.wait_for(2)
        assert sorted(seen.body for seen in everything.seen) == sorted(bodies)
        assert sorted(seen.body for seen in hangs.seen) == sorted([bodies[0], bodies[2]])
        assert {(seen.path, seen.headers["X-Call-Id"]) for seen in everything.seen} == {("/hook/x?a=1", "c1")}
        assert codes(front, "200") == 4
        assert failures(front) == {}


async def test_a_slow_or_missing_target_costs_nothing(exporter: Exporter) -> None:
    """The answer does not wait for copies; one that fails is counted as such and as nothing else."""
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await fine(request)

    async with application() as behind, application(slow) as further:
        targets = (Target(further.url), Target(f"http://127.0.0.1:{free_port()}/"))
        front = await exporter(config(behind.url, targets=targets))
        assert (await post(front.url, REQUEST, KEY)).status == 200
        await further.wait_for(1)
        assert not release.is_set()
        await counted(front, "voice_exporter_relay_errors_total", 1, reason="copy_failed")
        release.set()
        assert failures(front) == {"copy_failed": 1}


async def test_no_copy_has_the_secret(exporter: Exporter) -> None:
    """Only the application gets what forward_secret lets through."""
    async with application() as behind, application() as further:
        front = await exporter(config(behind.url, targets=(Target(further.url),), forward_secret=True))
        await post(front.url, HANG, KEY)
        await further.wait_for(1)
        assert "X-Vapi-Secret" in behind.seen[0].headers
        assert "X-Vapi-Secret" not in further.seen[0].headers


@pytest.mark.parametrize(("name", "limit"), [("copies", 2), ("copied_bytes", 2 * len(HANG))])
async def test_copies_in_flight_are_limited(exporter: Exporter, name: str, limit: int) -> None:
    """A target that does not keep up loses copies, and takes no more memory; later it gets them again."""
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await fine(request)

    async with application() as behind, application(slow) as further:
        front = await exporter(config(behind.url, targets=(Target(further.url),)), **{name: limit})
        for _ in range(5):
            assert (await post(front.url, HANG, KEY)).status == 200
        assert failures(front) == {"copy_failed": 3}
        assert len(await further.wait_for(2)) == 2
        release.set()
        while len(further.seen) < 3:
            assert (await post(front.url, HANG, KEY)).status == 200


async def test_copies_finish_at_a_stop(exporter: Exporter) -> None:
    """What is in flight at a stop still arrives; what never ends is cut off."""

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return await fine(request)

    async with application() as behind, application(slow) as further:
        front = await exporter(config(behind.url, targets=(Target(further.url),)))
        await post(front.url, HANG, KEY)
        await front.service.webhooks.stop()
        assert len(further.seen) == 1
        assert failures(front) == {}
