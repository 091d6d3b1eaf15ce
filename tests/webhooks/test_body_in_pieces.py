"""Events whose bodies come in pieces, late, or not at all: refused once, counted once, and nothing is kept of them."""

import asyncio
import gc

import pytest

from exporter.config import Config, Limits, WebhooksConfig
from exporter.http import admission, connection
from exporter.http.admission import Entry
from exporter.http.connection import Phase
from exporter.webhooks.fast_path import FastConnection
from exporter.webhooks.receiver import WebhookRequest
from tests.conftest import Connect, Serve, head
from tests.support.service import logged
from tests.support.waiting import reached
from tests.webhooks.fast_site import OK, PATH, Site, Slow, event, plain, ready, site, statuses


@pytest.mark.parametrize("part", ["nothing", "half a head", "a head", "half a body"])
async def test_a_client_may_leave_at_any_time(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    """What had no complete body is no event; a request whose head was there is counted as refused."""
    data = plain(event())
    sent = {"nothing": 0, "half a head": 20, "a head": data.index(b"{"), "half a body": -20}
    async with site(serve) as at:
        wire = await ready(connect, at)
        await wire.send(data[: sent[part]])
        wire.writer.close()
        await reached("the connection to end", lambda: not at.limited.connections())
        begun = part in {"a head", "half a body"}
        await reached("the end of the request", lambda: bool(at.service.refused()) == begun)

        assert at.service.refused() == ({("unknown", "invalid"): 1} if begun else {})
    assert not logged(caplog)


async def test_a_body_that_is_late_is_refused_once(serve: Serve, connect: Connect) -> None:
    """408 with its true duration; once the rest is there after all, the connection goes on."""
    async with site(serve, Config(webhooks=WebhooksConfig(read_timeout=0.1))) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event(1))[:-10])
        assert await wire.answer() == (408, b'{"error": "body was not complete within 0.1 s"}\n')
        await wire.send(plain(event(1))[-10:] + plain(event(2)))

        assert await wire.answer() == OK
        assert at.service.refused() == {("unknown", "timeout"): 1, ("hang", "counted"): 1}
        assert at.service.sample("voice_exporter_webhook_seconds_sum", platform="interactly") >= 0.1


async def test_a_late_body_that_never_comes_ends_the_connection(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is there to be read, then it is over."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.1)
    async with site(serve, Config(webhooks=WebhooksConfig(read_timeout=0.1))) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event())[:-1])

        assert (await wire.answer())[0] == 408
        assert await wire.closed()


async def test_a_body_that_came_in_time_is_not_late_for_a_slow_commit(serve: Serve, connect: Connect) -> None:
    """The time for a body ends with the body."""
    async with site(serve, Config(webhooks=WebhooksConfig(read_timeout=2.0)), store := Slow()) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event())[:-10])
        await wire.send(plain(event())[-10:])
        await store.holds()
        late = asyncio.get_running_loop().time() + 2.1
        await reached("the read timeout to be over", lambda: asyncio.get_running_loop().time() > late)
        store.release.set()

        assert await wire.answer() == OK


async def test_memory_is_taken_from_the_largest_body(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that leaves no room for a smaller one is cut off; one that is itself the largest is refused."""
    monkeypatch.setattr(admission, "MAX_HELD_BYTES", 1000)
    async with site(serve) as at:
        large, small = await ready(connect, at), await ready(connect, at)
        await large.send(plain(event(1, 2000))[:-1100])
        await reached("the body to begin", lambda: receiving(at))
        await small.send(plain(event(2, 500)))

        assert (await large.answer())[0] == 408
        assert await small.answer() == OK
        await small.send(plain(event(3, 1001)))
        assert (await small.answer())[0] == 429


async def test_an_event_that_came_in_pieces_takes_a_place_once_it_is_complete(serve: Serve, connect: Connect) -> None:
    """While it waits for the store it counts as in flight, as one that came in one piece does."""
    async with site(serve, Config(limits=Limits(max_in_flight=1)), store := Slow()) as at:
        slow, other = await ready(connect, at), await ready(connect, at)
        await slow.send(plain(event(1))[:-10])
        await reached("the first part to arrive", lambda: receiving(at))
        await slow.send(plain(event(1))[-10:])
        await store.holds()
        await other.send(plain(event(2)))
        assert (await other.answer())[0] == 429
        store.release.set()

        assert await slow.answer() == OK


async def test_a_connection_that_is_evicted_between_two_pieces_is_cut_short(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """At the limit a body that still arrives gives way: one invalid request, and no bug."""
    async with site(serve, limit=1) as at:
        arriving = await ready(connect, at)
        await arriving.send(plain(event())[:-20])
        await reached("the body to begin", lambda: receiving(at))
        other = await ready(connect, at)

        assert await arriving.closed()
        await other.send(plain(event(1)))
        assert await other.answer() == OK
        assert at.service.refused() == {("unknown", "invalid"): 1, ("hang", "counted"): 1}
    assert not logged(caplog)


async def test_a_stop_waits_for_the_rest_of_a_body(serve: Serve, connect: Connect) -> None:
    """What still arrives is answered, then the connection ends."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event())[:-1])
        await reached("the body to begin", lambda: receiving(at))
        drained = asyncio.create_task(at.limited.drain(60))
        await wire.send(plain(event())[-1:])

        assert await wire.answer() == OK
        assert await wire.closed()
        await drained


@pytest.mark.parametrize("target", ["http://xn--/webhook/interactly", "http://a.xn--/"])
async def test_a_target_that_fails_in_aiohttp_ends_the_connection(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """It is malformed; nobody can leave a connection behind that is neither served nor closed, or fill the log."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event()))
        assert await wire.answer() == OK
        await wire.send(plain(event(1), path=target))

        assert await wire.answer() == (400, b'{"error": "malformed request"}')
        assert await wire.closed()
    assert not logged(caplog)


async def test_who_expects_to_continue_is_told_to(serve: Serve, connect: Connect) -> None:
    """A client that waits for 100 before it sends its body gets it."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        await wire.send(head(PATH, "Expect: 100-continue", f"Content-Length: {len(event())}"))
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await wire.send(event())

        assert await wire.answer() == OK


async def test_a_client_that_leaves_while_it_is_told_to_continue_leaves_no_error(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can fill the log by asking to continue and leaving."""
    async with site(serve) as at:
        for _ in range(20):
            wire = await connect(at.url)
            await wire.send(head(PATH, "Expect: 100-continue", "Content-Length: 10"))
            wire.writer.transport.abort()
        await reached("the connections to end", lambda: not at.limited.connections())
        wire = await ready(connect, at)
        await wire.send(plain(event()))

        assert await statuses(wire, 1) == [200]
    assert not logged(caplog)


def receiving(at: Site) -> bool:
    """Whether a body is arriving."""
    return Phase.RECEIVING in [one.phase for one in at.limited.connections()]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.usefixtures("uncollected")
async def test_nothing_of_half_a_body_stays(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    """Its objects are gone when its connection is, without a collection."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.1)
    kinds = {FastConnection, WebhookRequest, Entry}
    async with site(serve, Config(webhooks=WebhooksConfig(read_timeout=0.1 if late else 20.0))) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event())[:-1])
        if late:
            assert (await wire.answer())[0] == 408
        else:
            await reached("the body to begin", lambda: receiving(at))
        wire.writer.close()

        await reached("all objects to go", lambda: not [one for one in gc.get_objects() if type(one) in kinds])
