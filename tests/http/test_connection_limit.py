"""ConnectionLimit: deadlines, and a limit that untrusted clients can't use up."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from exporter.http import connection
from exporter.http.connection import Phase, track
from exporter.http.connection_limit import ConnectionLimit
from tests.conftest import Connect, Serve, head
from tests.support.waiting import reached


def app(answer: Callable[[], object] | None = None) -> web.Application:
    """Answers at once, or when it is let to."""

    async def handle(request: web.Request) -> web.Response:
        if answer and request.path == "/wait":
            await answer()  # type: ignore[misc]  # an event's own wait
        return web.Response(text="ok")

    made = web.Application(middlewares=[track])
    made.router.add_get("/{any}", handle)
    return made


async def answering(limited: ConnectionLimit) -> None:
    """Wait until a request is in flight."""
    await reached("a request is in flight", lambda: Phase.ANSWERING in {one.phase for one in limited.connections()})


async def test_a_head_that_trickles_is_cut_off(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that never completes its first request's head is closed, while others are served."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 2.0)
    url = await serve(app())
    slow, silent, honest = await connect(url), await connect(url), await connect(url)
    await slow.send(b"GET /x HTTP/1.1\r\nX-Slow: ")
    closed = asyncio.create_task(slow.closed())
    await honest.send(head("/x", method="GET"))
    assert (await honest.answer())[0] == 200
    while not closed.done():
        slow.writer.write(b"x")
        await asyncio.sleep(0.02)

    assert closed.result()
    assert await silent.closed()
    await honest.send(head("/x", method="GET"))
    assert (await honest.answer())[0] == 200


async def test_an_idle_connection_is_closed(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep-alive has an end, also for a second head that trickles."""
    monkeypatch.setattr(connection, "KEEPALIVE_SECONDS", 2.0)
    wire = await connect(await serve(app()))
    await wire.send(head("/x", method="GET"))
    assert (await wire.answer())[0] == 200
    await wire.send(b"GET /x HT")

    assert await wire.closed()


async def test_at_the_limit_the_idle_give_way(serve: Serve, connect: Connect) -> None:
    """Clients that hold connections and send nothing can't keep others out; the one never served goes first."""
    url = await serve(app(), ConnectionLimit(3))
    served = await connect(url)
    await served.send(head("/x", method="GET"))
    assert (await served.answer())[0] == 200
    idle = [await connect(url) for _ in range(2)]

    for wire in [await connect(url) for _ in range(2)]:
        await wire.send(head("/x", method="GET"))
        assert (await wire.answer())[0] == 200

    for wire in idle:
        assert await wire.closed()
    await served.send(head("/x", method="GET"))
    assert (await served.answer())[0] == 200


async def test_at_the_limit_nobody_who_waits_for_an_answer_is_cut_off(serve: Serve, connect: Connect) -> None:
    """When every connection has a request in flight, it is the new one that is closed."""
    release = asyncio.Event()
    limited = ConnectionLimit(1)
    url = await serve(app(release.wait), limited)
    first = await connect(url)
    await first.send(head("/wait", method="GET"))
    await answering(limited)

    assert await (await connect(url)).closed()

    release.set()
    assert (await first.answer())[0] == 200


async def test_a_longer_limit_takes_effect(serve: Serve, connect: Connect) -> None:
    """The limit follows a reload."""
    limited = ConnectionLimit(1)
    url = await serve(app(), limited)
    first = await connect(url)
    limited.limit = 2
    second = await connect(url)
    for wire in (first, second):
        await wire.send(head("/x", method="GET"))
        assert (await wire.answer())[0] == 200


async def test_a_defect_is_answered_without_detail(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which error and where, never what it holds; the client learns nothing."""

    async def fail() -> None:
        raise RuntimeError("Ada Example")

    wire = await connect(await serve(app(fail)))
    await wire.send(head("/wait", method="GET"))

    assert await wire.answer() == (500, b'{"error": "internal error"}')
    assert len(caplog.records) == 1
    assert "RuntimeError at " in str(vars(caplog.records[0]))
    assert "Ada" not in str(vars(caplog.records[0]))


async def test_a_head_that_is_too_large_is_malformed(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Too long a line or too many of them: refused, not logged."""
    url = await serve(app())
    for headers in ([f"X-Long: {'x' * 10_000}"], [f"X-{number}: 1" for number in range(300)]):
        wire = await connect(url)
        await wire.send(head("/x", *headers, method="GET"))
        assert await wire.answer() == (400, b'{"error": "malformed request"}')

    assert not caplog.records


async def test_a_drain_ends_with_the_last_answer(serve: Serve, connect: Connect) -> None:
    """Idle connections are closed at once, one with a request in flight after its answer, and then it is over."""
    release = asyncio.Event()
    limited = ConnectionLimit(10)
    url = await serve(app(release.wait), limited)
    idle, busy = await connect(url), await connect(url)
    await busy.send(head("/wait", method="GET"))
    await answering(limited)
    drained = asyncio.create_task(limited.drain(60))

    assert await idle.closed()
    assert not drained.done()
    release.set()
    assert (await busy.answer())[0] == 200
    assert await busy.closed()
    await asyncio.wait_for(drained, 20)


async def test_a_drain_does_not_wait_for_ever(serve: Serve, connect: Connect) -> None:
    """A request that never ends is left behind when its time is over."""
    limited = ConnectionLimit(10)
    wire = await connect(await serve(app(asyncio.Event().wait), limited))
    await wire.send(head("/wait", method="GET"))
    await answering(limited)

    await asyncio.wait_for(limited.drain(0.1), 20)

    assert len(list(limited.connections())) == 1
