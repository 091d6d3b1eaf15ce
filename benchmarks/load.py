"""The load generator: connections that post prepared requests one after another, as fast as they are answered."""

import asyncio
import time
from collections.abc import Sequence
from typing import cast

from msgspec import Struct

CONNECTIONS = 16


class Run(Struct, frozen=True):
    """What became of some requests.

    Attributes:
        seconds: from the first byte sent to the last answer.
        latencies: seconds from each request to its answer.
    """

    seconds: float
    latencies: list[float]


def request(path: str, body: bytes, secret: str = "", header: str = "x-interactly-secret") -> bytes:
    """A POST as it goes over the wire, with the secret in a header."""
    auth = f"{header}: {secret}\r\n" if secret else ""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: axios/1.7.2\r\nAccept: application/json\r\n"
    head += f"Content-Type: application/json\r\n{auth}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Load:
    """Open connections to a server, or to several.

    Attributes:
        clients: one for each.
    """

    def __init__(self, clients: "list[_Client]") -> None:
        self.clients = clients

    async def run(self, queues: Sequence[Sequence[bytes]]) -> Run:
        """Send each queue of requests on a connection of its own.

        Raises:
            RuntimeError: an answer was none of 2xx, or a connection was lost.
        """
        started = time.perf_counter()
        await asyncio.gather(*(client.send(queue) for client, queue in zip(self.clients, queues, strict=False)))
        seconds = time.perf_counter() - started
        return Run(seconds, [latency for client in self.clients for latency in client.taken()])

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients:
            client.close()


async def connect(port: int, connections: int = CONNECTIONS) -> Load:
    """Open connections to a port of this machine."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Client, "127.0.0.1", port) for _ in range(connections)]
    return Load([client for _, client in made])


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self._left: list[bytes] = []
        self._latencies: list[float] = []
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, queue: Sequence[bytes]) -> "asyncio.Future[None]":
        """Send the requests in order, each after the answer to the one before."""
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = [*reversed(queue)]
        self._next()
        return self._done

    def taken(self) -> list[float]:
        """The latencies since the last time."""
        latencies, self._latencies = self._latencies, []
        return latencies

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._latencies.append(time.perf_counter() - self._sent)
        self._received = b""
        if head.startswith(b"HTTP/1.1 2"):
            self._next()
        else:
            self._done.set_exception(RuntimeError(f"answered {head[:60].decode()!r} {body[:200].decode()!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or RuntimeError("the server closed the connection"))

    def _next(self) -> None:
        if not self._left:
            self._done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(self._left.pop())


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0] or 0)
