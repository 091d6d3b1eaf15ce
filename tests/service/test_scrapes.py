"""Scrapes among each other and beside webhooks: few at once, shared, fresh, and without power over anybody else."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from exporter.http import connection_limit
from exporter.http.connection import Phase
from exporter.http.connection_limit import ConnectionLimit
from exporter.metrics import exposition
from exporter.service import scrapes
from exporter.service.scrapes import MAX_SCRAPES
from tests.conftest import Connect, Serve, head
from tests.support.service import running
from tests.support.waiting import reached
from tests.webhooks.posting import HANG, PATH, post

SCRAPE = head("/metrics", method="GET")


async def scrape(url: str, query: str = "", **headers: str) -> tuple[int, bytes]:
    """Status and body of a scrape."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics{query}", headers=named) as answer:
        return answer.status, await answer.read()


class Rendering:
    """The real rendering, each of which waits behind its first chunk until it is let go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.going = False
        self._real = exposition.render
        monkeypatch.setattr(exposition, "render", self._render)

    def _render(self, *arguments: Any) -> Iterator[bytes]:  # noqa: ANN401 - whatever it takes
        self.begun += 1
        chunks = list(self._real(*arguments))
        # What is counted from here on is not in this one.
        while not self.going:
            yield b""
        yield from chunks


def _large(*_: object) -> Iterator[bytes]:
    """More than the sockets of a connection hold."""
    for _turn in range(200):
        yield b"x" * 65_536


async def test_those_that_ask_at_the_same_moment_share_a_rendering(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is written down, those that come meanwhile wait for the next, all of them for the same."""
    rendering = Rendering(monkeypatch)
    async with running() as service:
        url = await serve(service.app)
        first = asyncio.create_task(scrape(url))
        await reached("the first rendering", lambda: rendering.begun == 1)
        others = [asyncio.create_task(scrape(url)) for _ in range(4)]
        await asyncio.gather(*(post(url, HANG) for _ in range(3)))
        rendering.going = True
        answers = await asyncio.gather(first, *others)

    assert rendering.begun == 2
    assert [status for status, _ in answers] == [200] * 5
    assert len({body for _, body in answers[1:]}) == 1


async def test_what_was_answered_is_in_every_scrape_that_begins_later(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rendering that has begun is not shared with who comes behind an event."""
    rendering = Rendering(monkeypatch)
    async with running() as service:
        url = await serve(service.app)
        early = asyncio.create_task(scrape(url))
        await reached("the first rendering", lambda: rendering.begun == 1)
        assert (await post(url, HANG))[0] == 200
        late = asyncio.create_task(scrape(url))
        rendering.going = True

        assert b"voice_hangs_total" not in (await early)[1]
        assert b"voice_hangs_total" in (await late)[1]


async def test_what_is_asked_for_differently_is_not_shared(serve: Serve) -> None:
    """Each gets its own format, coding and families."""
    async with running() as service:
        url = await serve(service.app)
        plain, packed, some = await asyncio.gather(
            scrape(url, Accept_Encoding="identity"),
            scrape(url, Accept_Encoding="gzip", Accept="application/openmetrics-text"),
            scrape(url, "?name[]=voice_exporter_build_info"),
        )

    assert plain[1].startswith(b"# HELP")
    assert packed[1].endswith(b"# EOF\n")
    assert some[1].count(b"# HELP") == 1


async def test_only_a_few_are_in_flight(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told at once to come again, and those behind it are not read; webhooks are not concerned."""
    rendering = Rendering(monkeypatch)
    async with running() as service:
        url = await serve(service.app)
        asked = [asyncio.create_task(scrape(url)) for _ in range(MAX_SCRAPES)]
        await reached("all places to be taken", lambda: service.pages.scrapes.in_flight == MAX_SCRAPES)

        wire = await connect(url)
        await wire.send(SCRAPE * 100)
        assert await wire.answer() == (503, b"too many scrapes in flight\n")
        assert await wire.closed()
        assert (await post(url, HANG))[0] == 200
        rendering.going = True
        assert {status for status, _ in await asyncio.gather(*asked)} == {200}
        assert (await scrape(url))[0] == 200


async def test_who_does_not_read_keeps_nobody_from_scraping(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape that is held makes room for the next one, and ends without looking whole."""
    monkeypatch.setattr(exposition, "render", _large)
    monkeypatch.setattr(scrapes, "STALLED_SECONDS", 0.1)
    async with running() as service:
        url = await serve(service.app)
        held = [await connect(url) for _ in range(MAX_SCRAPES)]
        for wire in held:
            await wire.send(SCRAPE * 60)
        await reached("all places to be taken", lambda: service.pages.scrapes.in_flight == MAX_SCRAPES)
        answers: list[int] = []

        async def again() -> None:
            while 200 not in answers:
                answers.append((await scrape(url))[0])

        await asyncio.wait_for(again(), 20)
        received = [await asyncio.wait_for(wire.reader.read(), 20) for wire in held[:1]]
        assert all(len(data) < 200 * 65_536 for data in received)


async def test_scrapes_behind_each_other_hold_no_place(serve: Serve, connect: Connect) -> None:
    """The first is answered, then the connection ends: no scraper asks again before it has read."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head("/metrics", "Accept-Encoding: identity", method="GET") * 5)
        status, body = await wire.answer()

        assert status == 200
        assert body.startswith(b"# HELP")
        assert await wire.closed()


async def test_a_held_scrape_is_evicted_before_a_webhook(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit of connections a body that still arrives outlasts it."""
    monkeypatch.setattr(exposition, "render", _large)
    limited = ConnectionLimit(2)
    async with running() as service:
        url = await serve(service.app, limited)
        arriving = await connect(url)
        await arriving.send(head(PATH, f"Content-Length: {len(HANG)}") + HANG[:10])
        await reached("the body to begin", lambda: Phase.RECEIVING in {one.phase for one in limited.connections()})
        held = await connect(url)
        await held.send(SCRAPE)
        await reached("the scrape to be held", lambda: Phase.SENDING in {one.phase for one in limited.connections()})

        assert (await post(url, HANG))[0] == 200
        await arriving.send(HANG[10:])
        assert (await arriving.answer())[0] == 200


async def test_a_stop_does_not_wait_for_who_does_not_read(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a moment a held scrape ends."""
    monkeypatch.setattr(exposition, "render", _large)
    monkeypatch.setattr(connection_limit, "SENDING_SECONDS", 0.1)
    limited = ConnectionLimit(2)
    async with running() as service:
        held = await connect(await serve(service.app, limited))
        await held.send(SCRAPE)
        await reached("the scrape to be held", lambda: Phase.SENDING in {one.phase for one in limited.connections()})

        await asyncio.wait_for(limited.drain(60), 20)
        assert not limited.connections()


async def test_a_client_that_reads_no_further_is_cut_off(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A scrape that nobody reads ends before its last byte, so that it can't be taken for a whole one."""
    monkeypatch.setattr(scrapes, "SCRAPE_SECONDS", 0.5)
    monkeypatch.setattr(exposition, "render", _large)
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(SCRAPE)
        received = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 20)
        await reached("the scrape to end", lambda: service.pages.scrapes.in_flight == 0)
        received += await asyncio.wait_for(wire.reader.read(), 20)

    assert received.startswith(b"HTTP/1.1 200 OK")
    assert len(received) < 200 * 65_536
    assert not caplog.records


async def test_a_scrape_lets_webhooks_through(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two chunks of a scrape an event is counted."""
    rendering = Rendering(monkeypatch)
    async with running() as service:
        url = await serve(service.app)
        reading = asyncio.create_task(scrape(url))
        await reached("the rendering", lambda: rendering.begun == 1)

        assert (await post(url, HANG))[0] == 200
        assert not reading.done()
        rendering.going = True
        await reading


async def test_a_client_that_leaves_during_a_scrape_is_no_error(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Prometheus gives up at its timeout; that fills no log, and takes nothing from who shares the rendering."""
    rendering = Rendering(monkeypatch)
    async with running() as service:
        url = await serve(service.app)
        wire = await connect(url)
        await wire.send(SCRAPE)
        await reached("the rendering", lambda: rendering.begun == 1)
        wire.writer.close()
        other = asyncio.create_task(scrape(url))
        rendering.going = True

        assert (await other)[0] == 200
        await reached("both to end", lambda: service.pages.scrapes.in_flight == 0)
    assert not caplog.records
