"""How connections on the fast path end: clients that leave, stops, long commits, bugs."""

import asyncio
import gc

import pytest

from exporter.http import connection
from exporter.webhooks import fast_path
from exporter.webhooks.fast_path import FastConnection
from exporter.webhooks.receiver import WebhookRequest
from tests.conftest import Connect, Serve
from tests.support.service import logged
from tests.support.waiting import reached
from tests.webhooks.fast_site import HEALTHY, OK, Slow, event, plain, ready, site

# --- ends ---


@pytest.mark.parametrize("full", [False, True])
async def test_who_leaves_during_the_commit_is_counted_all_the_same(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, *, full: bool
) -> None:
    """The event was complete: it is kept, or missing, whether anybody is told or not."""
    async with site(serve, store=(store := Slow())) as at:
        store.full = full
        wire = await ready(connect, at)
        await wire.send(plain(event()) + HEALTHY)
        await store.holds()
        wire.writer.close()
        await reached("the connection to end", lambda: not at.limited.connections())
        store.release.set()
        await reached("the end of the request", at.service.refused)

        assert at.service.refused() == {("hang", "unavailable" if full else "counted"): 1}
    assert logged(caplog) == ["storage fails, events are refused"] * full


async def test_at_the_limit_a_pending_commit_is_not_cut_off(serve: Serve, connect: Connect) -> None:
    """A connection that waits for the store is not evicted."""
    async with site(serve, store=(store := Slow()), limit=1) as at:
        pending = await ready(connect, at)
        await pending.send(plain(event(1)))
        await store.holds()
        assert await (await connect(at.url)).closed()
        store.release.set()

        assert await pending.answer() == OK


@pytest.mark.parametrize("full", [False, True])
async def test_a_stop_waits_for_the_answer(serve: Serve, connect: Connect, *, full: bool) -> None:
    """What waits for the store is answered, then the connection ends."""
    async with site(serve, store=(store := Slow())) as at:
        store.full = full
        pending = await ready(connect, at)
        await pending.send(plain(event(1)))
        await store.holds()
        drained = asyncio.create_task(at.limited.drain(60))
        store.release.set()

        assert (await pending.answer())[0] == (503 if full else 200)
        assert await pending.closed()
        await drained


async def test_a_long_commit_does_not_make_a_connection_idle(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of keep-alive begins anew behind the answer."""
    monkeypatch.setattr(connection, "KEEPALIVE_SECONDS", 1.5)
    monkeypatch.setattr(fast_path, "KEEPALIVE_SECONDS", 1.5)
    async with site(serve, store=(store := Slow())) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event()))
        await store.holds()
        late = asyncio.get_running_loop().time() + 3.2
        await reached("twice the time of keep-alive", lambda: asyncio.get_running_loop().time() > late)
        store.release.set()

        assert await wire.answer() == OK
        assert await wire.closed()


@pytest.mark.parametrize("sent", [plain(event()), plain(event(1)) + plain(event(2)) + HEALTHY, plain(b"{")])
@pytest.mark.usefixtures("uncollected")
async def test_nothing_of_a_connection_stays(serve: Serve, connect: Connect, sent: bytes) -> None:
    """Its objects are gone when it is, without a collection: thousands of clients that leave take no memory."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        await wire.send(sent)
        await wire.answer()
        wire.writer.close()

        await reached(
            "all objects to go",
            lambda: not [one for one in gc.get_objects() if type(one) in {FastConnection, WebhookRequest}],
        )


async def test_a_bug_is_no_500(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The unexpected is 503 and logged, and the connection goes on."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        monkeypatch.setattr(WebhookRequest, "record", None)
        await wire.send(plain(event(1)))
        assert await wire.answer() == (503, b'{"error": "internal error"}\n')
        monkeypatch.undo()
        await wire.send(plain(event(2)))

        assert await wire.answer() == OK
    assert logged(caplog) == ["webhook failed"]
