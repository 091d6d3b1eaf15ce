"""One open connection: how long it may take to send a request, and what it is at.

aiohttp closes a connection that stays idle (``keepalive_timeout``), and counts one that trickles its request's head as
idle. What it lacks is here: a deadline for the first request, and an end to what follows a malformed one.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import IntEnum
from typing import Final, TypeAlias

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
MAX_HEADERS: Final = 256
"""Lines of a request's head, each of at most 8190 bytes; more than platforms and a chain of proxies send together."""
READ_BYTES: Final = 65_536
"""Body bytes of a request beyond which a connection is not read until its handler took some."""

_MALFORMED: Final = "malformed request"

_log = logging.getLogger(__name__)


def written(status: str, body: bytes, *headers: str) -> bytes:
    """A whole answer as it goes over the wire, where no response object writes it."""
    named = ("Content-Type: application/json", f"Content-Length: {len(body)}", *headers, f"Server: {SERVER}")
    return "\r\n".join((f"HTTP/1.1 {status}", *named, "", "")).encode() + body


class Phase(IntEnum):
    """What a connection is at; at the limit, the lower one is evicted."""

    NEW = 0
    IDLE = 1
    SENDING = 2
    RECEIVING = 3
    ANSWERING = 4


class Connection(web.RequestHandler):
    """A client's connection.

    Attributes:
        phase: what it is at.
        since: since when, in seconds of a monotonic clock.
    """

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

    @property
    def remote(self) -> str | None:
        """The client's address."""
        peer = self.peername
        return peer if peer is None or isinstance(peer, str) else str(peer[0])

    @property
    def reading_paused(self) -> bool:
        """Whether nothing more is read from the client for now."""
        return self._reading_paused or self._buffer_paused

    @property
    def pipelined(self) -> bool:
        """Whether further requests came behind the one that is answered."""
        return bool(self._messages)

    def turn(self, phase: Phase) -> None:
        """Enter a phase."""
        self.phase = phase
        self.since = time.monotonic()

    def evict(self) -> None:
        """End at once; what the client did not read until now is dropped."""
        transport = self.transport
        self.force_close()
        # It would stay open until the client reads, which may be never.
        if transport and transport.get_write_buffer_size():
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with the deadline for the first request."""
        super().connection_made(transport)
        self._deadline = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._expire)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; nothing of the connection stays behind."""
        self._deadline.cancel()
        super().connection_lost(exc)
        # Each holds the connection, which would wait for the garbage collector to find out.
        self._messages.clear()

    async def start(self) -> None:
        """Serve what aiohttp's task is woken for, until the connection ends."""
        try:
            await super().start()
        except Exception:  # noqa: BLE001 - a target that yarl can't read, or a connection that ended just now
            # aiohttp has no request to answer yet, and would leave a connection that nobody serves or closes.
            if self.transport:
                unreadable = json.dumps({"error": _MALFORMED}).encode()
                self.transport.write(written("400 Bad Request", unreadable, "Connection: close"))
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Take what came, up to a malformed request: of what follows one, aiohttp would keep each piece as an error."""
        if not self._malformed:
            super().data_received(data)
            self._malformed = bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Go on reading; aiohttp says so after each body, also where nothing was paused."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it shows the malformed line, secret and all
    ) -> web.StreamResponse:
        """The answer to a malformed request or to a bug, which shows nothing of either; only a bug is logged."""
        malformed = isinstance(exc, HttpProcessingError)
        # A client that leaves while it is told to continue is no bug.
        if not malformed and not isinstance(exc, ConnectionError):
            log(_log, logging.ERROR, "request failed", error=cause(exc) if exc else "timeout")
        if request.writer.output_size:
            raise ConnectionError("an answer has begun already")
        answer = web.json_response({"error": _MALFORMED if malformed else "internal error"}, status=status)
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


MakeConnection: TypeAlias = Callable[[web.Server], Connection]

CONNECTION: Final[web.AppKey[MakeConnection]] = web.AppKey("connection")
"""What makes an application's connections, where plain ones are not enough."""


@web.middleware
async def track(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Know which connections have a request in flight."""
    connection = request.protocol
    if not isinstance(connection, Connection):
        return await handler(request)
    connection.turn(Phase.ANSWERING)
    try:
        return await handler(request)
    finally:
        connection.turn(Phase.IDLE)


def answered_once(request: web.Request, response: web.StreamResponse) -> None:
    """End the connection with this answer where further requests came behind this one.

    It is for answers that cost something. No browser or scraper asks again before it has read: who sends hundreds
    behind each other would take the time of everybody else.
    """
    connection = request.protocol
    if isinstance(connection, Connection) and connection.pipelined:
        response.force_close()


def receiving(request: web.Request) -> AbstractContextManager[None]:
    """Know which connections a body is still arriving on."""
    return _phase(request, Phase.RECEIVING)


def sending(request: web.Request) -> AbstractContextManager[None]:
    """Know which connections a long answer is written to; they are evicted before any webhook's."""
    return _phase(request, Phase.SENDING)


@contextmanager
def _phase(request: web.Request, phase: Phase) -> Iterator[None]:
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.turn(phase)
    yield
    if isinstance(connection, Connection):
        connection.turn(Phase.ANSWERING)
