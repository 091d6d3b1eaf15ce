"""The fast path: what takes it, that it answers and counts as aiohttp's own way does, and what of aiohttp it uses."""

import ast
import asyncio
import gzip
import hashlib
import hmac
import inspect
import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, NamedTuple

import pytest
import uvloop
from aiohttp import HttpVersion11, StreamReader, web
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config import Auth, RelayConfig
from exporter.http import addresses, listeners
from exporter.http.connection import CONNECTION, Connection
from exporter.http.connection_limit import ConnectionLimit
from exporter.webhooks import fast_path
from exporter.webhooks.fast_path import FastConnection
from tests.conftest import Connect, Serve, head
from tests.support.effort import effort
from tests.support.service import running
from tests.support.waiting import reached
from tests.webhooks.fast_site import (
    HEALTHY,
    KEY,
    LIMIT,
    OK,
    PATH,
    Slow,
    chunked,
    event,
    guarded,
    plain,
    ready,
    site,
    statuses,
)

# --- which way ---

WAYS: Final = {
    "plain": (plain(event()), 200, True),
    "wrong": (plain(b"{"), 400, True),
    "empty": (plain(b""), 400, True),
    "chunked": (chunked(event(), 10), 200, True),
    "compressed": (plain(gzip.compress(event()), "Content-Encoding: gzip"), 200, False),
    "to be closed": (plain(event(), "Connection: close"), 200, False),
    "old": (plain(event(), "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"), 200, False),
    "to be upgraded": (plain(event(), "Connection: upgrade", "Upgrade: websocket"), 200, False),
    "with a query": (plain(event(), path=PATH + "?a=b"), 200, False),
    "beneath": (plain(event(), path=PATH + "/x"), 404, False),
    "another method": (plain(event()).replace(b"POST", b"PUT"), 405, False),
    "large": (plain(event(0, 200_000)), 200, False),
}


@pytest.mark.parametrize("name", WAYS)
async def test_plain_and_complete_requests_take_the_fast_path(serve: Serve, connect: Connect, name: str) -> None:
    """Whatever is special is left to aiohttp."""
    sent, status, fast = WAYS[name]
    async with site(serve) as at:
        wire = await ready(connect, at)
        await wire.send(sent)

        assert (await wire.answer())[0] == status
        assert len(at.passed) == (not fast)
        assert at.service.sample("voice_hangs_total") == (status == 200)


async def test_a_body_that_comes_later_is_aiohttps(serve: Serve, connect: Connect) -> None:
    """The fast path has no deadline, because it waits for nothing."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event())[:-1])
        await reached("aiohttp to have it", lambda: at.passed)
        await wire.send(plain(event())[-1:] + plain(event(1)))

        assert [await wire.answer(), await wire.answer()] == [OK, OK]


async def test_an_application_answers_its_own_events(serve: Serve, connect: Connect) -> None:
    """Behind a relay no event takes the fast path, from the reload on that brings the relay."""
    async with site(serve, guarded()) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event(), KEY))
        assert await wire.answer() == OK
        at.service.webhooks.configure(guarded(relay=RelayConfig("http://127.0.0.1:9")))
        await wire.send(plain(event(1), KEY))

        assert (await wire.answer())[0] == 502
        assert at.passed == [PATH]


async def test_signatures_hold_for_the_url_as_it_was_asked_for(serve: Serve, connect: Connect) -> None:
    """Method, URL and body are those of the request; another body is 401."""
    auth = Auth("hmac", payload_format="{method} {url} {body}", timestamp_header="", explicit=True)
    signed = b"POST http://exporter" + PATH.encode() + b" " + event()
    header = f"X-Signature: {hmac.new(b'sesame', signed, hashlib.sha256).hexdigest()}"
    async with site(serve, guarded(auth)) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event(), header) + plain(event(1), header))

        assert await statuses(wire, 2) == [200, 401]
        assert at.passed == []


# --- the same answers, the same counts ---

REQUESTS: Final = (
    *(plain(event(number), KEY) for number in range(3)),
    plain(event(3, LIMIT), KEY),
    plain(event(3, LIMIT + 1), KEY),
    plain(event(4)),
    plain(event(4), "X-Interactly-Secret: guess"),
    plain(b"{", KEY),
    plain(b"", KEY),
    plain(json.dumps({"message": {"type": "sneeze"}}).encode(), KEY),
    plain(b'{"message": {"type": "assistant-request"}}', path="/webhook/vapi"),
    plain(event(5), KEY, path=PATH + "?a=b"),
    plain(event(5), KEY, "Expect: 100-continue"),
    plain(gzip.compress(event(6)), KEY, "Content-Encoding: gzip"),
    chunked(event(7), 10),
    chunked(event(7, LIMIT + 1), 1000),
    HEALTHY,
    head("/nowhere", method="GET"),
)

STATUSES: Final = re.compile(rb"^HTTP/1\.1 (\d{3})", re.MULTILINE)


class Seen(NamedTuple):
    """What became of some requests."""

    statuses: list[bytes]
    webhooks: Mapping[tuple[str, str], float]
    hangs: float
    rejected: list[tuple[str, int, str]]
    answered: float


async def outcome(pieces: list[bytes], *, fast: bool) -> Seen:
    """Send the pieces over one connection to a fresh exporter, then close."""
    async with running(guarded()) as service:
        if not fast:
            del service.app[CONNECTION]
        listener = await listeners.start(service.app, sock := addresses.listen("127.0.0.1:0"), ConnectionLimit(10))
        reader, writer = await asyncio.open_connection(*sock.getsockname()[:2])
        writer.write(HEALTHY)
        await reader.readuntil(b"healthy\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        writer.write(head("/-/healthy", "Connection: close", method="GET"))
        answers = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await listeners.stop([listener], ConnectionLimit(10))
        assert service.webhooks.receiver.idle
        return Seen(
            STATUSES.findall(answers),
            service.refused(),
            service.sample("voice_hangs_total"),
            [(one.platform, one.status, one.reason) for one in service.activity.rejections],
            service.sample("voice_exporter_webhook_seconds_count", platform="interactly"),
        )


@effort(25)
@given(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=12), st.lists(st.integers(1, 3000), max_size=12))
@example([*REQUESTS], [])
def test_both_ways_answer_and_count_alike(requests: list[bytes], cuts: list[int]) -> None:
    """The same statuses in the same order, the same counters, the same rejections, wherever the bytes are cut."""
    data = b"".join(requests)
    places = [0, *sorted(cut for cut in set(cuts) if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    expected = uvloop.run(outcome(pieces, fast=False))

    assert len(expected.statuses) == len(requests) + 1 + sum(b"100-continue" in one for one in requests)
    assert uvloop.run(outcome(pieces, fast=True)) == expected


# --- order ---


async def test_answers_come_in_the_order_of_the_requests(serve: Serve, connect: Connect) -> None:
    """Events, other requests and refused ones in one piece: each gets its own answer, at its place."""
    async with site(serve, guarded()) as at:
        wire = await ready(connect, at)
        good, stranger, broken = plain(event(1), KEY), plain(event(2)), plain(b"{", KEY)
        nowhere = head("/nowhere", method="GET")
        await wire.send(good + HEALTHY + stranger + broken + good + HEALTHY + good + nowhere + good)

        assert await statuses(wire, 9) == [200, 200, 401, 400, 200, 200, 200, 404, 200]
        refused = {("unknown", "unauthorized"): 1, ("unknown", "invalid"): 1}
        assert at.service.refused() == {("hang", "counted"): 1, ("hang", "duplicate"): 3, **refused}


async def test_more_events_than_a_connection_keeps_wait_for_the_commit_before(serve: Serve, connect: Connect) -> None:
    """None is answered before it; then all are, in turn."""
    async with site(serve, store=(store := Slow())) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event(1)))
        await store.holds()
        await wire.send(HEALTHY + b"".join(plain(event(number)) for number in range(2, 101)))
        [accepted] = at.limited.connections()
        await reached("the connection to be full", lambda: accepted.reading_paused)
        assert at.passed == []
        store.release.set()

        assert await statuses(wire, 101) == [200] * 101
        assert at.service.sample("voice_hangs_total") == 100


async def test_a_thousand_refusals_in_one_piece_are_answered(serve: Serve, connect: Connect) -> None:
    """However many follow each other at once, none is lost to the depth of calls."""
    async with site(serve, guarded()) as at:
        wire = await ready(connect, at)
        await wire.send(plain(b"") * 3000)

        assert await statuses(wire, 3000) == [401] * 3000
        assert at.passed == []


async def test_what_is_malformed_ends_a_connection_in_its_turn(serve: Serve, connect: Connect) -> None:
    """The event before it is answered first, and what follows it is not read."""
    async with site(serve, store=(store := Slow())) as at:
        wire = await ready(connect, at)
        await wire.send(plain(event(1)))
        await store.holds()
        await wire.send(b"what?\r\n\r\n" + plain(event(2)))
        store.release.set()

        assert await statuses(wire, 2) == [200, 400]
        assert await wire.closed()
        assert at.service.sample("voice_hangs_total") == 1


async def test_an_upgrade_between_events_is_declined_in_its_turn(serve: Serve, connect: Connect) -> None:
    """What came behind it is parsed once it is declined."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        upgrade = head("/-/healthy", "Connection: upgrade", "Upgrade: websocket", method="GET")
        await wire.send(plain(event(1)) + upgrade + plain(event(2)) + HEALTHY)

        assert await statuses(wire, 4) == [200] * 4
        assert at.service.sample("voice_hangs_total") == 2


async def test_who_does_not_read_answers_is_not_read_further(serve: Serve, connect: Connect) -> None:
    """While answers can't leave, events wait for aiohttp, which waits for the client."""
    async with site(serve) as at:
        wire = await ready(connect, at)
        [accepted] = at.limited.connections()
        accepted.pause_writing()
        await wire.send(b"".join(plain(event(number)) for number in range(5)))
        await wire.answer()
        assert at.passed == [PATH]
        assert at.service.sample("voice_hangs_total") == 1
        accepted.resume_writing()

        assert await statuses(wire, 4) == [200] * 4


# --- what of aiohttp is used ---


def insides(ours: type) -> set[str]:
    """Private names of aiohttp that a connection uses."""
    used = {node.attr for node in ast.walk(ast.parse(inspect.getsource(ours))) if isinstance(node, ast.Attribute)}
    private = {name for name in used if name.startswith("_") and not name.startswith("__")}
    return private - {name for name in (*vars(ours), *vars(Connection)) if not hasattr(web.RequestHandler, name)}


def test_aiohttp_has_each_private_name_that_is_used() -> None:
    """The installed aiohttp has all that the fast path says it uses, and what each connection uses."""
    assert insides(FastConnection) == set(fast_path._USED)
    assert fast_path.SUPPORTED
    assert insides(Connection) <= set(dir(web.RequestHandler))


def test_aiohttps_task_takes_its_requests_as_is_assumed() -> None:
    """It waits on the waiter, takes the first of the messages, frees its place in the parser and resumes reading."""
    taking = inspect.getsource(web.RequestHandler.start)
    order = [
        "self._waiter = loop",
        "await self._waiter",
        "self._messages.popleft()",
        "message_consumed()",
        "_resume_reading_if_drained()",
    ]
    places = [taking.index(step) for step in order]

    assert places == sorted(places)
    assert "waiter is not None" in inspect.getsource(web.RequestHandler.data_received)
    assert {"is_eof", "exception", "read_nowait", "total_bytes"} <= set(dir(StreamReader))
    assert HttpVersion11 == (1, 1)
