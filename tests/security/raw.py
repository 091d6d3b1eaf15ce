"""Requests as bytes, over connections of their own: what no client library would send."""

import re
import socket
import struct
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 20.0
"""After this long without a byte an exporter hangs."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """A connection whose bytes the test writes itself.

    Args:
        url: where to; only host and port count.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)
        self._received = b""

    def send(self, data: bytes) -> None:
        """Send the bytes; the other side may have closed the connection."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer; status 0 and what came where the connection ended before."""
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                return 0, self._received
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        while len(self._received) < (int(length[1]) if length else 2**63) and self._more():
            pass
        end = int(length[1]) if length else len(self._received)
        body, self._received = self._received[:end], self._received[end:]
        return int(head.split(None, 2)[1]), body

    def whatever(self, *, several: bool = False) -> bytes:
        """What comes until the other side closes; it must, once this side says that nothing more comes.

        An answer is given a moment, as aiohttp drops what is not sent when the client ceases; so are more answers
        where there may be several.
        """
        self.socket.settimeout(0.1)
        with suppress(TimeoutError):
            while (several or b"\r\n\r\n" not in self._received) and self._more():
                pass
        self.socket.settimeout(SECONDS)
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        while self._more():
            pass
        return self._received

    def trickle(self, data: bytes) -> bool:
        """Send some bytes without waiting; whether the other side still has the connection open."""
        self.socket.settimeout(0)
        try:
            self.socket.send(data)
            while answer := self.socket.recv(65_536):
                self._received += answer
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return False

    def close(self, *, abruptly: bool = False) -> None:
        """Close it, with a reset where that is abrupt."""
        if abruptly:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65_536)
        except ConnectionResetError:
            return False
        self._received += data
        return bool(data)


def ask(url: str, data: bytes) -> tuple[int, bytes]:
    """One request over a connection of its own."""
    connection = Connection(url)
    try:
        connection.send(data)
        return connection.answer()
    finally:
        connection.close()


def request(
    path: bytes, *headers: bytes, method: bytes = b"POST", body: bytes = b"", host: bytes = b"exporter"
) -> bytes:
    """A request; its length is stated unless a header states another one."""
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: " + host, *headers]
    if body and not any(re.match(rb"(content-length|transfer-encoding):", line, re.IGNORECASE) for line in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def get(url: str, path: str = "/metrics", *headers: bytes) -> str:
    """A page as text."""
    status, body = ask(url, request(path.encode(), b"Connection: close", *headers, method=b"GET"))
    assert status == 200, (path, status)
    return body.decode()
