"""More than anybody should send: memory stays within bounds, and honest events are counted meanwhile."""

import gzip
import re
import socket
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Running, StartExporter
from tests.security.counters import scraped
from tests.security.raw import Connection, get, request
from tests.security.siege import HEADERS, MEGABYTE, SECRET, Siege, event
from tests.support.effort import EFFORT

LIMIT: Final = 8 * MEGABYTE
"""Of a body, by default."""
SMALL: Final = 120.0
"""Megabytes at the peak of attacks that send little; an idle exporter takes less than half."""
LARGE: Final = 640.0
"""Megabytes at the peak of attacks with large bodies, which share 256 MB as they arrive."""


@pytest.fixture
def exporter(start_exporter: StartExporter, tmp_path: Path) -> Running:
    """An exporter with a secret, less patience than by default, and otherwise the defaults."""
    config = tmp_path / "config.yml"
    config.write_text("webhooks: {read_timeout: 2s}\n")
    return start_exporter(f"--config.file={config}", VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)


@pytest.fixture
def patient(start_exporter: StartExporter, tmp_path: Path) -> Running:
    """An exporter with a secret that waits for large bodies, however busy the machine is."""
    config = tmp_path / "config.yml"
    config.write_text("webhooks: {read_timeout: 1m}\n")
    return start_exporter(f"--config.file={config}", VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)


def bomb(megabytes: int) -> bytes:
    """So many megabytes of zeros in gzip, a thousandth of that."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"", mtime=0)[:10] + block * megabytes + b"\3\0" + bytes(8)


def post(siege: Siege, bodies: list[bytes], *headers: bytes) -> set[int]:
    """Post bodies at once, each over a connection of its own: the statuses of the answers."""

    def send(connection: Connection, body: bytes) -> int:
        connection.send(request(b"/webhook/interactly", *HEADERS, *headers, body=body))
        return connection.answer()[0]

    with ThreadPoolExecutor(20) as pool:
        return set(pool.map(send, siege.attackers(len(bodies)), bodies))


def test_bombs_are_defused(patient: Running) -> None:
    """A gzip bomb, bombs in bombs, and bombs behind something harmless are refused at the cost of one body."""
    small, large = gzip.compress(bytes(LIMIT)), bomb(4000)
    with Siege("gzip bombs", patient, LARGE) as siege:
        assert post(siege, [large] * 40, b"Content-Encoding: gzip") == {413}
        assert post(siege, [gzip.compress(large), small], b"Content-Encoding: gzip") == {400}
        assert post(
            siege, [gzip.compress(event("1")) + part for part in (small, large)], b"Content-Encoding: gzip"
        ) == {413}
        assert post(siege, [zlib.compress(bytes(LIMIT + 1))] * 40, b"Content-Encoding: deflate") == {413}
        siege.wait_served(10)


def test_large_bodies_share_their_memory(start_exporter: StartExporter) -> None:
    """100 clients who know the secret send almost 8 MB each and stop: those with most are evicted, the rest waits."""
    exporter = start_exporter(VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)
    with Siege("large bodies", exporter, LARGE) as siege:
        clients = siege.attackers(100)
        with ThreadPoolExecutor(20) as pool:
            head = request(b"/webhook/interactly", *HEADERS, b"Content-Length: %d" % LIMIT)
            list(pool.map(lambda connection: connection.send(head + bytes(LIMIT - MEGABYTE)), clients))
        siege.wait_served(10)
        for connection in clients:
            connection.send(bytes(MEGABYTE))
        assert {connection.answer()[0] for connection in clients} <= {400, 408, 429}


def test_bodies_of_many_values_cost_little(patient: Running) -> None:
    """8 MB of JSON can be millions of values; they are refused or skipped, and nobody waits for them."""
    units = (b"[]", b"{}", b'{"a":[NaN]}', b'{"messageId":"m","role":"assistant"}', b"1e999", b"9" * 4000)
    with Siege("many values", patient, LARGE) as siege:
        for kind, field in ((b"conversation-update", b"messages"), (b"hang", b"call"), (b"hang", b"zz")):
            head = b'{"message":{"type":"' + kind + b'","timestamp":1700000000000,"' + field + b'":['
            bodies = [head + b",".join([unit] * (LIMIT // (len(unit) + 1) - 50)) + b"]}}" for unit in units]
            assert post(siege, bodies) <= {200, 400}
        assert post(siege, [b"[" * LIMIT, b'{"message":' * (LIMIT // 11), b"9" * LIMIT]) == {400}
        siege.wait_served(10)


def test_distinct_values_end_in_other(exporter: Running) -> None:
    """10 000 assistants, each with a provider, an error code and a call of its own; FUZZ=100 makes that a million."""
    total, clients = 10_000 * EFFORT, 8

    def error(number: int) -> bytes:
        fault = {"type": "llm_error", "code": f"code-{number}", "provider": f"provider-{number}", "retryable": False}
        return event(f"call-{number}", f"assistant-{number}", "error", timestamp=1_700_000_000_000, error=fault)

    def flood(connection: Connection, first: int) -> None:
        for start in range(first, total, 50 * clients):
            batch = [error(number) for number in range(start, min(start + 50 * clients, total), clients)]
            connection.send(b"".join(request(b"/webhook/interactly", *HEADERS, body=body) for body in batch))
            assert {connection.answer()[0] for _ in batch} == {200}

    with Siege("distinct assistants", exporter, SMALL if EFFORT == 1 else LARGE) as siege:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(flood, siege.attackers(clients), range(clients)))
        siege.wait_served(10)
        metrics = get(exporter.url)

    values = dict(re.findall(r'^voice_exporter_label_values{label="(\w+)"} (\d+)$', metrics, re.MULTILINE))
    assert values == {"assistant_id": "500", "provider": "50", "model": "0", "error_code": "100", "tool": "0"}
    overflows = dict(re.findall(r'^voice_exporter_label_overflows_total{label="(\w+)"} (\d+)$', metrics, re.MULTILINE))
    assert int(overflows["assistant_id"]) >= total - 500
    assert scraped(exporter.url)["voice_errors_total"] == total * 10**9
    assert len(re.findall(r"^voice_\w+{", metrics, re.MULTILINE)) < 400_000


def test_heads_without_end_are_refused(exporter: Running) -> None:
    """Too many headers, a header or a request line of many megabytes: refused after the first few kilobytes."""
    endless = [
        b"POST /webhook/vapi HTTP/1.1\r\nHost: exporter\r\n" + b"X-Header: x\r\n" * 1_000_000,
        b"POST /webhook/vapi HTTP/1.1\r\nHost: exporter\r\nX-Header: " + b"x" * 10_000_000,
        b"POST /webhook/vapi HTTP/1.1\r\nHost: exporter\r\nX-Header" + b"x" * 10_000_000,
        b"POST /webhook/vapi HTTP/1.1\r\nHost: exporter\r\nX-Header: 1\r\n" + b" folded\r\n" * 1_000_000,
        b"POST /webhook/vapi?" + b"x" * 10_000_000,
        b"POST" * 3_000_000,
    ]
    with Siege("heads without end", exporter, SMALL) as siege, ThreadPoolExecutor(30) as pool:
        clients = siege.attackers(20 * len(endless))
        list(pool.map(Connection.send, clients, endless * 20))
        assert {connection.answer()[0] for connection in clients} <= {0, 400, 431}
        siege.wait_served(10)


def test_chunks_without_end_are_cut_off(exporter: Running) -> None:
    """Chunk extensions and trailers are no body, and must not be gathered either."""
    head = request(b"/webhook/interactly", *HEADERS, b"Transfer-Encoding: chunked")
    endless = [
        head + b"1;" + b"x" * 20_000_000,
        head + b"2\r\n{}\r\n0\r\n" + b"X-Trailer: x\r\n" * 1_000_000,
        head + b"2\r\n{}\r\n0\r\nX-Trailer: " + b"x" * 20_000_000,
        head + b"0" * 20_000_000,
        head + b"1\r\n \r\n" * 200_000,
    ]
    with Siege("chunks without end", exporter, SMALL) as siege, ThreadPoolExecutor(30) as pool:
        clients = siege.attackers(4 * len(endless))
        list(pool.map(Connection.send, clients, endless * 4))
        assert {connection.answer()[0] for connection in clients} <= {0, 400, 408}
        siege.wait_served(10)


def test_pipelined_requests_are_answered_in_order(exporter: Running) -> None:
    """A thousand requests in one piece: every one is answered, one after the other."""
    sent = [event(f"call-{number}") if number % 3 else b"{}" for number in range(1000)]
    with Siege("pipelining", exporter, SMALL) as siege:
        [connection] = siege.attackers(1)
        connection.send(b"".join(request(b"/webhook/interactly", *HEADERS, body=body) for body in sent))
        answers = [connection.answer()[0] for _ in sent]

    assert answers == [200 if number % 3 else 400 for number in range(1000)]


@pytest.mark.parametrize("what", ["pages", "webhooks"])
def test_who_reads_no_answers_is_not_heard(exporter: Running, what: str) -> None:
    """A client that asks and asks and never reads is not read from either."""
    asked = request(b"/metrics", method=b"GET") if what == "pages" else request(b"/webhook/vapi", *HEADERS, body=b"{}")
    with Siege(f"{what} without readers", exporter, SMALL) as siege:
        for connection in siege.attackers(2):
            connection.socket.settimeout(0.5)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sent = 0
            with suppress(TimeoutError, ConnectionError):
                for piece in repeated(asked * 1000):
                    sent += connection.socket.send(piece)
                    assert sent < 50 * MEGABYTE, "everything is read"
        siege.wait_served(10)


def repeated(piece: bytes) -> Iterator[bytes]:
    """The piece, for ever."""
    while True:
        yield piece
