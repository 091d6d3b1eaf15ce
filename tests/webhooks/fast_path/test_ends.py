"""How a connection ends while a request is on the fast path: nothing is lost, counted twice or kept."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from exporter.config import Config, Webhooks
from exporter.http import connection
from exporter.http.admission import Entry
from exporter.http.connection import Connection, Phase
from exporter.webhooks.fast_path import FastPathRequest
from tests.conftest import Connect, head
from tests.webhooks.fast_path.conftest import HEALTHY, OK, PATH, OpenSite, Site, Slow, event, plain, reached

# --- who goes away ---


@pytest.mark.parametrize("part", ["nothing", "half a head", "a head", "half a body"])
async def test_a_client_may_leave_at_any_time(
    open_site: OpenSite, connect: Connect, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    """What had no complete body is no event; a request whose head was there is counted as refused."""
    data = plain(event())
    sent = {"nothing": 0, "half a head": 20, "a head": data.index(b"{"), "half a body": -20}
    site = await open_site()
    wire = await connect(site.url)
    await site.accepted()
    await wire.send(data[: sent[part]])
    wire.writer.close()
    await reached(lambda: not list(site.limited._open()), "the connection to end")

    assert site.service.refused() == ({("unknown", "invalid"): 1} if part in {"a head", "half a body"} else {})
    assert site.took() == bool(site.service.refused())
    assert not caplog.records


async def leave_during_a_commit(site: Site, store: Slow, connect: Connect) -> None:
    """Send an event and be gone before the store has it."""
    wire = await connect(site.url)
    await wire.send(plain(event()))
    await store.asked.wait()
    wire.writer.close()
    await reached(lambda: not list(site.limited._open()), "the connection to end")
    store.release.set()


@pytest.mark.parametrize("full", [False, True])
async def test_who_left_during_the_commit_is_counted_all_the_same(
    open_site: OpenSite, connect: Connect, caplog: pytest.LogCaptureFixture, *, full: bool
) -> None:
    """The event was complete: it is kept, or missing, whether anybody is told or not."""
    site = await open_site(store=(store := Slow()))
    store.full = full
    await leave_during_a_commit(site, store, connect)
    await reached(site.took, "the end of the request")

    assert site.service.refused() == {("hang", "unavailable" if full else "counted"): 1}
    assert [rejection.status for rejection in site.service.activity.rejections] == [503] * full
    assert [record.message for record in caplog.records] == ["storage fails, events are refused"] * full


@pytest.mark.parametrize("full", [False, True])
async def test_who_leaves_at_the_moment_of_the_answer_leaves_no_error(
    open_site: OpenSite, connect: Connect, *, full: bool
) -> None:
    """The connection ends before the turn of aiohttp that was woken for the refusal, or for what follows the answer."""
    site = await open_site(store=(store := Slow()))
    wire = await connect(site.url)
    accepted = await site.accepted()
    transport, task = accepted.transport, accepted._task_handler
    assert transport
    assert task
    store.full = full
    store.before = transport.abort
    await wire.send(plain(event()) + HEALTHY)
    await store.asked.wait()
    store.release.set()
    await reached(task.done, "the connection's task to end")

    assert task.cancelled() or task.exception() is None
    assert site.took() == 1


@pytest.mark.parametrize("target", ["http://xn--/webhook/interactly", "http://a.xn--/"])
async def test_a_target_that_fails_in_aiohttp_ends_the_connection(
    open_site: OpenSite, connect: Connect, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """It is malformed; nobody can leave a connection behind that is neither served nor closed, or fill the log."""
    site = await open_site()
    wire = await connect(site.url)
    await wire.send(plain(event()))
    assert await wire.answer() == OK
    await wire.send(plain(event(1), path=target))

    assert await wire.answer() == (400, b'{"error": "malformed request"}')
    assert await wire.closed()
    assert not caplog.records


async def test_a_failing_parser_leaves_no_task_behind(open_site: OpenSite, connect: Connect) -> None:
    """What aiohttp's parser does not expect ends the connection with all that belongs to it."""
    site = await open_site()
    wire = await connect(site.url)
    accepted = await site.accepted()
    task = accepted._task_handler
    assert task

    class Broken:
        def feed_data(self, _data: bytes) -> None:
            raise RuntimeError

    accepted._parser = Broken()  # type: ignore[assignment]  # stands in for it
    with pytest.raises(RuntimeError):
        accepted.data_received(b"x")
    wire.writer.close()

    await reached(task.done, "the connection's task to end")


async def test_a_client_that_leaves_while_it_is_told_to_continue_leaves_no_error(
    open_site: OpenSite, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can fill the log by asking to continue and leaving."""
    site = await open_site()
    await connect(site.url)
    accepted = await site.accepted()
    transport, task = accepted.transport, accepted._task_handler
    assert transport
    assert task
    accepted.data_received(head(PATH, "Expect: 100-continue", "Content-Length: 10"))
    transport.abort()
    await reached(task.done, "the connection's task to end")

    assert site.long == []
    assert not caplog.records


# --- limits and stops ---


@pytest.mark.parametrize("way", ["short", "long"])
async def test_a_connection_that_gives_way_between_two_pieces_is_cut_short(
    open_site: OpenSite, connect: Connect, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    """Closed in the turn in which a piece came, whichever way it goes: one invalid request, and no bug."""
    site = await open_site()
    wire = await connect(site.url)
    accepted = await site.accepted()
    data = plain(event()) if way == "short" else plain(event(), "Content-Encoding: identity")
    await wire.send(data[:-20])
    await reached(lambda: Phase.RECEIVING in phases(site), "the body to begin")
    accepted.data_received(data[-20:-10])
    accepted.force_close()
    await reached(site.took, "the end of the request")

    assert site.service.refused() == {("unknown", "invalid"): 1}
    assert not caplog.records


async def test_at_the_limit_a_pending_commit_is_not_cut_off(open_site: OpenSite, connect: Connect) -> None:
    """An event that waits for the store keeps its connection; one whose body still arrives is evicted and counted."""
    site = await open_site(store=(store := Slow()), limit=2)
    pending = await connect(site.url)
    await site.accepted()
    await pending.send(plain(event(1)))
    await store.asked.wait()
    arriving = await connect(site.url)
    await arriving.send(plain(event(2))[:-1])
    await reached(lambda: Phase.RECEIVING in phases(site), "the body to begin")

    other = await connect(site.url)
    await other.send(HEALTHY)
    assert (await other.answer())[0] == 200
    assert await arriving.closed()
    assert site.service.refused() == {("unknown", "invalid"): 1}
    store.release.set()
    assert await pending.answer() == OK


def phases(site: Site) -> list[Phase]:
    """What the connections are at."""
    return [one.phase for one in site.limited._open()]


@pytest.mark.parametrize("full", [False, True])
async def test_a_stop_waits_for_the_answer(open_site: OpenSite, connect: Connect, *, full: bool) -> None:
    """What waits for the store or still arrives is answered, then the connections end."""
    site = await open_site(store=(store := Slow()))
    pending = await connect(site.url)
    await site.accepted()
    await pending.send(plain(event(1)))
    await store.asked.wait()
    arriving = await connect(site.url)
    data = plain(event(2))
    await arriving.send(data[:-1])
    await reached(lambda: Phase.RECEIVING in phases(site), "the body to begin")
    drained = asyncio.create_task(site.limited.drain(60))
    store.full = full
    store.release.set()
    await arriving.send(data[-1:])

    for wire in (pending, arriving):
        assert (await wire.answer())[0] == (503 if full else 200)
        assert await wire.closed()
    await drained


# --- keep-alive ---


async def test_a_long_commit_does_not_make_a_connection_idle(
    open_site: OpenSite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of keep-alive does not run while an answer is due, and does again behind it."""
    monkeypatch.setattr(connection, "KEEPALIVE_SECONDS", 0.5)
    site = await open_site(store=(store := Slow()))
    wire = await connect(site.url)
    accepted = await site.accepted()
    await wire.send(plain(event()))
    await store.asked.wait()
    before = accepted._next_keepalive_close_time
    await reached(lambda: accepted.transport is None or accepted._next_keepalive_close_time > before, "the timer")
    store.release.set()

    assert await wire.answer() == OK
    assert await wire.closed()


async def test_each_answer_begins_the_time_of_keep_alive_anew(open_site: OpenSite, connect: Connect) -> None:
    """A connection that delivers now and then stays open."""
    site = await open_site()
    wire = await connect(site.url)
    accepted = await site.accepted()
    for number in range(3):
        accepted._next_keepalive_close_time = 0.0
        await wire.send(plain(event(number)))
        assert await wire.answer() == OK
        assert accepted._next_keepalive_close_time > 0


# --- nothing is kept ---


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> list[object]:
    """What connections and their requests are made of and is still there."""
    return [one for one in gc.get_objects() if type(one) in {Connection, FastPathRequest, Entry}]


ENDS = {
    "answered": (plain(event()), 200),
    "pipelined": (plain(event(1)) + plain(event(2)) + HEALTHY, 200),
    "refused": (plain(b"{"), 400),
    "late": (plain(event())[:-1], 408),
    "half a body": (plain(event())[:-1], 0),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.usefixtures("uncollected")
async def test_nothing_of_a_connection_stays(
    open_site: OpenSite, connect: Connect, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Its objects are gone when it is, without a collection: thousands of clients that leave take no memory."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.1)
    sent, status = ENDS[end]
    site = await open_site(Config(webhooks=Webhooks(read_timeout=0.1 if status == 408 else 20.0)))
    wire = await connect(site.url)
    await site.accepted()
    await wire.send(sent)
    if status:
        assert (await wire.answer())[0] == status
    else:
        await reached(lambda: Phase.RECEIVING in phases(site), "the body to begin")
    wire.writer.close()

    await reached(lambda: not alive(), "all objects to go")


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.usefixtures("uncollected")
async def test_nothing_of_a_connection_that_ended_during_a_commit_stays(
    open_site: OpenSite, connect: Connect, *, full: bool
) -> None:
    """Nor of one that ended before its event was kept or refused."""
    site = await open_site(store=(store := Slow()))
    store.full = full
    await leave_during_a_commit(site, store, connect)

    await reached(lambda: not alive(), "all objects to go")
