"""The fast path and the long one do the same: generated requests, cut anywhere, are answered and counted alike."""

import asyncio
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.http import addresses, connection, listeners
from exporter.http.connection import Connection, Phase
from exporter.http.connection_limit import ConnectionLimit
from exporter.metrics.catalogue import WEBHOOK_SECONDS, WEBHOOKS
from tests.conftest import head
from tests.support.service import Service, running
from tests.webhooks.fast_path.conftest import HEALTHY, PATH, event, guarded, plain, reached

KEY: Final = "X-Interactly-Secret: sesame"
LIMIT: Final = 2000
STATUSES: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")


def chunked(body: bytes, size: int) -> bytes:
    """A request whose body says its length in pieces."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head(PATH, KEY, "Transfer-Encoding: chunked") + framed + b"0\r\n\r\n"


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
    plain(event(5), KEY, path=PATH + "/x"),
    plain(event(5), KEY, "Expect: 100-continue"),
    plain(event(5), KEY, "Connection: close"),
    plain(event(5), KEY, "Connection: upgrade", "Upgrade: websocket"),
    plain(event(5), KEY, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
    plain(gzip.compress(event(6)), KEY, "Content-Encoding: gzip"),
    plain(b"not compressed", KEY, "Content-Encoding: gzip"),
    chunked(event(7), 10),
    chunked(event(7, LIMIT + 1), 1000),
    head(PATH, KEY, "Transfer-Encoding: chunked") + b"zz\r\n",
    b"what?\r\n\r\n",
    HEALTHY,
    head("/nowhere", method="GET"),
)


class Sent(NamedTuple):
    """What a client sends.

    Attributes:
        data: requests behind each other, the last perhaps without its end.
        cuts: where a piece ends, and for how many turns of the loop nothing follows.
    """

    data: bytes
    cuts: list[tuple[int, int]]


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """Some requests, cut somewhere."""
    data = b"".join(draw(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=12)))
    data = data[: len(data) - draw(st.sampled_from([0, 0, 1, 20, 200]))]
    places = st.integers(0, len(data))
    return Sent(data, sorted(draw(st.lists(st.tuples(places, st.integers(0, 6)), max_size=12))))


class Seen(NamedTuple):
    """What became of it."""

    statuses: list[bytes]
    webhooks: Mapping[tuple[str, ...], int]
    hangs: float
    took: list[float]
    rejected: list[tuple[str, int, str]]


def settled(accepted: Connection) -> bool:
    """Whether nothing more happens unless more arrives."""
    waiter = accepted._waiter
    if accepted._delivery or not waiter:
        return accepted.transport is None or is_starved(accepted)
    return not (waiter.done() or accepted._messages)


def is_starved(accepted: Connection) -> bool:
    """Whether a body is not complete, and all that is there of it was read."""
    request = accepted._current_request
    starved = request is not None and not request.content.is_eof() and not request.content._buffer
    return accepted.phase is Phase.RECEIVING and (starved or accepted._delivery is not None)


def counted(service: Service) -> dict[tuple[str, ...], int]:
    """Requests by platform, event and outcome."""
    [family] = [family for family in service.recorder.table.families() if family.metric is WEBHOOKS]
    return {series.labels: series.cells[0] for series in family.series if any(series.cells)}


async def outcome(sending: Sent) -> Seen:
    """Let the bytes arrive on one connection of a fresh exporter."""
    config = guarded("sesame")
    async with running(replace(config, webhooks=replace(config.webhooks, max_body_bytes=LIMIT))) as service:
        sock, limited = addresses.listen("127.0.0.1:0"), ConnectionLimit(10)
        listener = await listeners.start(service.app, sock, limited)
        parts = urlsplit(f"http://{addresses.name(sock)}")
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        await reached(lambda: any(one._waiter for one in limited._open()), "the connection")
        [accepted] = limited._open()
        start = 0
        for end, turns in [*sending.cuts, (len(sending.data), 0)]:
            accepted.data_received(sending.data[start:end])
            for _ in range(turns):
                await asyncio.sleep(0)
            start = end
        await reached(lambda: settled(accepted), "the connection to settle")
        accepted.force_close()
        answers = await reader.read()
        writer.close()
        gate = service.webhooks._gate
        await reached(lambda: not gate._entries, "all requests to end")
        await listeners.stop([listener], limited)
        assert gate.held == 0
        return Seen(
            STATUSES.findall(answers),
            counted(service),
            service.sample("voice_hangs_total"),
            [service.sample(f"{WEBHOOK_SECONDS.name}_count", platform=name) for name in service.webhooks.names],
            [(one.platform, one.status, one.reason) for one in service.activity.rejections],
        )


def test_both_ways_answer_and_count_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same statuses in the same order, the same counters, the same rejections."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.3)
    short: list[int] = []

    @settings(max_examples=100, database=None)
    @given(sent())
    @example(Sent(b"".join(REQUESTS[:14]) + b"".join(REQUESTS[17:20]), []))
    @example(Sent(REQUESTS[0] * 3 + REQUESTS[4][:-1], [(10, 1)]))
    @example(Sent(b"".join(REQUESTS[15:]) + REQUESTS[0], []))
    @example(Sent(b"".join(REQUESTS[15:17]) + REQUESTS[0], [(100, 3)]))
    def check(sending: Sent) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(connection, "FAST_PATH", False)
            expected = uvloop.run(outcome(sending))
        assert uvloop.run(outcome(sending)) == expected
        short.append(len(expected.statuses))

    check()
    assert sum(short) > len(short)
