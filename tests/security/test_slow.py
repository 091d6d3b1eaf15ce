"""Clients that take their time: they are cut off, and hurt nobody."""

import time
from pathlib import Path

import pytest

from tests.conftest import Running, StartExporter
from tests.security.raw import Connection, request
from tests.security.siege import HEADERS, SECRET, Siege, event, memory
from tests.support.waiting import until

CONFIG = "webhooks: {read_timeout: 1s}\nlimits: {max_connections: 150}\n"
BOUND = 100.0
"""Megabytes; an idle exporter takes half of it."""


@pytest.fixture
def exporter(start_exporter: StartExporter, tmp_path: Path) -> Running:
    """An exporter with fewer connections than the attackers open."""
    config = tmp_path / "config.yml"
    config.write_text(CONFIG)
    return start_exporter(f"--config.file={config}", VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)


def trickle(connections: list[Connection], byte: bytes, seconds: float) -> None:
    """Send a byte now and then on all connections, until the exporter has closed all of them."""
    deadline = time.monotonic() + seconds
    open_ = connections
    while open_ := [connection for connection in open_ if connection.trickle(byte)]:
        assert time.monotonic() < deadline, f"{len(open_)} connections are still open"
        time.sleep(0.2)


def test_slow_clients_are_cut_off(exporter: Running) -> None:
    """300 of them, twice as many as may connect: with a byte of a header now and then, of a body, or nothing at all.

    Those who know the secret get 408; untrusted clients get no answer.
    """
    with Siege("slow clients", exporter, BOUND) as siege:
        heads, silent, bodies = siege.attackers(150), siege.attackers(50), siege.attackers(100)
        for connection in heads:
            connection.send(b"POST /webhook/vapi HTTP/1.1\r\nHost: exporter\r\nX-Slow: ")
        for number, connection in enumerate(bodies):
            length = (b"Content-Length: 1000", b"Transfer-Encoding: chunked")[number % 2]
            connection.send(request(b"/webhook/vapi", length, *HEADERS, body=b"3e8\r\n{"))
        siege.wait_served(10)
        assert {connection.answer()[0] for connection in bodies} == {408}
        trickle([*heads, *bodies], b"x", 20)
        trickle(silent, b"", 20)
        siege.wait_served(10)


def test_bodies_that_never_come_take_no_memory(exporter: Running) -> None:
    """100 MB declared and nothing sent is 413 at once; as much as is allowed is waited for, and no room made for it."""
    before = memory(exporter)
    with Siege("declared, not sent", exporter, before + 30) as siege:
        large = siege.attackers(60)
        allowed = siege.attackers(60)
        for declared, group in ((100_000_000, large), (8 * 1024 * 1024, allowed)):
            for connection in group:
                connection.send(request(b"/webhook/vapi", b"Content-Length: %d" % declared, *HEADERS))
        assert {connection.answer()[0] for connection in large} == {413}
        siege.wait_served(10)
        assert {connection.answer()[0] for connection in allowed} == {408}


def test_clients_that_leave_are_forgotten(exporter: Running) -> None:
    """Hundreds disconnect in the middle of a body: nothing of it stays, and a body of the allowed size still fits."""
    with Siege("left mid-body", exporter, BOUND) as siege:
        descriptors = Path(f"/proc/{exporter.process.pid}/fd")
        siege.wait_served()
        before = len(list(descriptors.iterdir()))
        for number in range(300):
            connection = Connection(exporter.url)
            connection.send(request(b"/webhook/vapi", b"Content-Length: 8000000", *HEADERS, body=bytes(100_000)))
            connection.close(abruptly=number % 2 == 0)
        siege.wait_served(10)
        until("the connections are closed", lambda: len(list(descriptors.iterdir())) <= before)
        padding = b" " * (8 * 1024 * 1024 - len(event("padded")))
        [padded] = siege.attackers(1)
        padded.send(request(b"/webhook/interactly", *HEADERS, body=event("padded") + padding))
        assert padded.answer()[0] == 200
