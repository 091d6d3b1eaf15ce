"""Open connections: how many, and how long one may take to ask for something.

aiohttp closes a connection that stays idle (``keepalive_timeout``), and counts one that trickles its request's head as
idle. What it lacks is here: a shorter deadline for the first request, and a limit that strangers can't use up.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final, cast

from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError

from exporter.logs import cause, log

HEAD_SECONDS: Final = 10.0
"""Time from connection to the end of the first request's head."""
KEEPALIVE_SECONDS: Final = 75.0
"""Time from an answer to the end of the next request's head; longer than the minute that load balancers keep one."""
SERVER: Final = "voice-exporter"
"""What answers say of their server, in place of versions."""
LINGER_SECONDS: Final = 5.0
"""Time that the rest of a refused body is still read, so that the client gets to see the answer."""
MAX_HEADERS: Final = 64
"""Headers of a request, each of at most 8190 bytes; more than platforms and proxies send together."""
READ_BYTES: Final = 65_536
"""Body bytes of a request beyond which a connection is not read until its handler took some."""

_log = logging.getLogger(__name__)


class Phase(IntEnum):
    """What a connection is at; at the limit, the lower one gives way."""

    NEW = 0
    IDLE = 1
    RECEIVING = 2
    ANSWERING = 3


class Connection(web.RequestHandler):
    """A client's connection: its phase, and since when (seconds of a monotonic clock)."""

    __slots__ = ("_deadline", "_malformed", "phase", "since")

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            logger=_log,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way to have none
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            # What a connection may keep in memory before anybody looks at it.
            max_headers=MAX_HEADERS,
            read_bufsize=READ_BYTES,
            # The body is inflated once it is there, in one bounded step.
            auto_decompress=False,
        )
        self._malformed = False
        self.turn(Phase.NEW)

    def turn(self, phase: Phase) -> None:
        """Enter a phase."""
        self.phase = phase
        self.since = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with the deadline for the first request."""
        super().connection_made(transport)
        self._deadline = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._expire)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; nothing of the connection stays behind."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, up to a malformed request: of what follows one, aiohttp would keep each piece as an error."""
        if self._malformed:
            return
        super().data_received(data)
        self._malformed = bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it shows the malformed line, secret and all
    ) -> web.StreamResponse:
        """The answer to a malformed request or to a defect, which shows nothing of either; only a defect is logged."""
        malformed = isinstance(exc, HttpProcessingError)
        if not malformed:
            log(_log, logging.ERROR, "request failed", error=cause(exc) if exc else "timeout")
        if request.writer.output_size:
            raise ConnectionError("an answer has begun already")
        answer = web.json_response({"error": "malformed request" if malformed else "internal error"}, status=status)
        answer.headers[hdrs.SERVER] = SERVER
        answer.force_close()
        return answer

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; the one that aiohttp itself gives to an Expect header would repeat what was sent."""
        if isinstance(resp, web.HTTPExpectationFailed):
            resp = web.json_response({"error": "unknown expectation"}, status=resp.status)
        return await super().finish_response(request, resp, start_time)

    def _expire(self) -> None:
        if self.phase is Phase.NEW:
            self.force_close()


class _Turned(asyncio.Protocol):
    """A connection that is closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


class Connections:
    """Keeps the number of connections under a limit, whoever opens them.

    At the limit, the connection gives way that is longest in the lowest phase. A new one is closed only when all others
    wait for our answer.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._servers: list[web.Server] = []

    def factory(self, server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
        """Makes the protocol of each accepted connection of ``server``."""
        self._servers.append(server)
        return lambda: Connection(server) if self._make_room() else _Turned()

    async def drain(self, seconds: float) -> None:
        """Close what is idle, and the rest as it becomes idle, for at most so many seconds."""
        end = time.monotonic() + seconds
        while (connections := list(self._open())) and time.monotonic() < end:
            # Requests that came in just now begin.
            await asyncio.sleep(0.01)
            for connection in connections:
                if connection.phase < Phase.RECEIVING:
                    connection.force_close()

    def _make_room(self) -> bool:
        connections = list(self._open())
        if len(connections) < self.limit:
            return True
        spare = min(connections, key=lambda connection: (connection.phase, connection.since))
        if spare.phase is Phase.ANSWERING:
            return False
        spare.force_close()
        return True

    def _open(self) -> Iterator[Connection]:
        for server in self._servers:
            for connection in server.connections:
                if isinstance(connection, Connection) and connection.transport is not None:
                    yield connection


@web.middleware
async def track(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Know which connections have a request under way."""
    connection = request.protocol
    if not isinstance(connection, Connection):
        return await handler(request)
    connection.turn(Phase.ANSWERING)
    try:
        return await handler(request)
    finally:
        connection.turn(Phase.IDLE)


@contextmanager
def receiving(request: web.Request) -> Iterator[None]:
    """Know which connections a body is still arriving on."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.turn(Phase.RECEIVING)
    yield
    if isinstance(connection, Connection):
        connection.turn(Phase.ANSWERING)
