"""One open connection: how long it may take to ask for something, and which of its requests take the fast path.

aiohttp closes a connection that stays idle (``keepalive_timeout``), and counts one that trickles its request's head as
idle. What it lacks is here: a deadline for the first request, and requests that are answered on the calls of the event
loop itself, without a task, a router or a request object (docs/performance.md says what that saves).
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final, Protocol, TypeAlias

from aiohttp import StreamReader, hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError

from exporter.errors import Refused
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
    RECEIVING = 2
    ANSWERING = 3


class RequestInFlight(Protocol):
    """A request on the fast path."""

    def received(self) -> None:
        """More of its body arrived, or all of it."""

    def lost(self) -> None:
        """Nobody waits for the answer any more."""


Shortcut: TypeAlias = Callable[["Connection", RawRequestMessage, StreamReader], RequestInFlight | None]
"""Takes a request of which the head arrived on the fast path, or leaves it to aiohttp (None)."""

_INSIDES: Final = (
    "_buffer_paused",
    "_messages",
    "_msg_queue_resume_size",
    "_next_keepalive_close_time",
    "_parser",
    "_waiter",
)
FAST_PATH: Final = all(hasattr(web.RequestHandler, name) for name in _INSIDES)
"""Whether aiohttp has what the fast path reaches into; with one that has not, every request goes the regular path."""

SHORTCUT: Final[web.AppKey[Shortcut]] = web.AppKey("shortcut")
"""An application's shortcut, where it has one."""


class Connection(web.RequestHandler):
    """A client's connection.

    Attributes:
        phase: what it is at.
        since: since when, in seconds of a monotonic clock.
    """

    __slots__ = ("_deadline", "_delivery", "_malformed", "_refusal", "_shortcut", "phase", "since")

    def __init__(self, server: web.Server, shortcut: Shortcut | None = None) -> None:
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
        self._shortcut = shortcut if FAST_PATH else None
        self._delivery: RequestInFlight | None = None
        self._refusal: Refused | None = None
        self.turn(Phase.NEW)

    @property
    def remote(self) -> str | None:
        """The client's address."""
        peer = self.peername
        return peer if peer is None or isinstance(peer, str) else str(peer[0])

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
        # Each holds the connection, which would wait for the garbage collector to find out.
        self._messages.clear()
        delivery, self._delivery = self._delivery, None
        if delivery:
            delivery.lost()

    async def start(self) -> None:
        """Serve what goes the regular path, until the connection ends."""
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
        if self._malformed:
            return
        # aiohttp's task wakes for any request, unless it looks busy.
        waiter, self._waiter = self._waiter, None
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        self._malformed = bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)
        if self._delivery:
            self._delivery.received()
        else:
            self._proceed()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Go on reading; aiohttp says so after each body, also where nothing was paused."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def answer(self, data: bytes) -> None:
        """Send the whole answer to the request on the fast path, and go on to the next one."""
        self._delivery = None
        if self.transport is None or self._parser is None:
            return
        self.transport.write(data)
        self.turn(Phase.IDLE)
        self._next_keepalive_close_time = self._loop.time() + KEEPALIVE_SECONDS
        self._messages.popleft()
        self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        self._proceed()

    def refuse(self, refusal: Refused) -> None:
        """Leave the request on the fast path to aiohttp, whose handler answers with the refusal."""
        self._delivery = None
        self._refusal = refusal
        self._proceed()

    def take_refusal(self) -> Refused | None:
        """Why the request that aiohttp has now was refused on the fast path, if it was."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def _proceed(self) -> None:
        """Begin with the next request, unless one is in flight."""
        waiter = self._waiter
        if not self._messages or waiter is None or waiter.done() or self._delivery:
            return
        message, payload = self._messages[0]
        if self._shortcut and not self._refusal and isinstance(message, RawRequestMessage) and not self.writing_paused:
            self._delivery = self._shortcut(self, message, payload)
        if self._delivery:
            self._delivery.received()
        else:
            waiter.set_result(None)

    def _process_keepalive(self) -> None:
        if self._delivery:
            self._next_keepalive_close_time = self._loop.time() + KEEPALIVE_SECONDS
        super()._process_keepalive()

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


@contextmanager
def receiving(request: web.Request) -> Iterator[None]:
    """Know which connections a body is still arriving on."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.turn(Phase.RECEIVING)
    yield
    if isinstance(connection, Connection):
        connection.turn(Phase.ANSWERING)
