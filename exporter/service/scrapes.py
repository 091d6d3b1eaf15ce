"""Scrapes: a few at once, one rendering for those that ask at the same moment, and no place for who does not read."""

import asyncio
import gzip
import time
from typing import Final, NamedTuple

from aiohttp import hdrs, web

from exporter.http.connection import Connection, answered_once, sending
from exporter.metrics import exposition
from exporter.metrics.exposition import Format, Part
from exporter.recording.recorder import Recorder

MAX_SCRAPES: Final = 8
"""In flight at once; the next is 503."""
STALLED_SECONDS: Final = 0.25
"""A scrape that the client did not read on for so long is evicted where another needs its place."""
SCRAPE_SECONDS: Final = 60.0
"""Time that a client may take to read a scrape; Prometheus gives up earlier, at its scrape timeout."""

_PIECE: Final = 65_536


class _Asked(NamedTuple):
    """What a request asks for: requests that ask for the same get the same bytes."""

    format: Format
    names: frozenset[str] | None
    gzip: bool
    part: Part


class _Scrape:
    """One in flight.

    Attributes:
        request: whose it is.
        stalled: since when its client has not read, in seconds of a monotonic clock; None while it does.
    """

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.stalled: float | None = None


class Scrapes:
    """Answers scrapes.

    Args:
        recorder: has the series.
        limit: how many are in flight at once.
    """

    def __init__(self, recorder: Recorder, limit: int = MAX_SCRAPES) -> None:
        self._recorder = recorder
        self._limit = limit
        self._in_flight: set[_Scrape] = set()
        self._asked: dict[_Asked, asyncio.Task[bytes]] = {}
        self._rendering = asyncio.Lock()

    @property
    def in_flight(self) -> int:
        """How many there are."""
        return len(self._in_flight)

    async def answer(self, request: web.Request, part: Part = Part.ALL) -> web.StreamResponse:
        """The metrics in the format that the client accepts; 503 while too many others are being scraped."""
        if len(self._in_flight) >= self._limit and not self._evict():
            busy = web.Response(status=503, text="too many scrapes in flight\n", headers={hdrs.RETRY_AFTER: "1"})
            # Whoever sent a hundred requests behind each other has sent them for nothing.
            busy.force_close()
            return busy
        scrape = _Scrape(request)
        self._in_flight.add(scrape)
        try:
            return await self._answer(scrape, part)
        finally:
            self._in_flight.discard(scrape)

    def _evict(self) -> bool:
        """Make room by ending the scrape that stalls for longest, if one does."""
        stalled = [(scrape.stalled, scrape) for scrape in self._in_flight if scrape.stalled is not None]
        since, longest = min(stalled, key=lambda each: each[0], default=(time.monotonic(), None))
        if longest is None or time.monotonic() - since < STALLED_SECONDS:
            return False
        self._in_flight.discard(longest)
        _end(longest.request)
        return True

    async def _answer(self, scrape: _Scrape, part: Part) -> web.StreamResponse:
        request = scrape.request
        asked = _Asked(
            exposition.negotiate(request.headers.get(hdrs.ACCEPT, "")),
            frozenset(request.query.getall("name[]", ())) or None,
            _accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")),
            part,
        )
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: asked.format.value, hdrs.VARY: "Accept, Accept-Encoding"}
        )
        if asked.gzip:
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        try:
            async with asyncio.timeout(SCRAPE_SECONDS):
                await self._send(scrape, response, b"" if request.method == hdrs.METH_HEAD else await self._body(asked))
        except (TimeoutError, ConnectionError):
            # Half a scrape must not look like a whole one.
            _end(request)
        return response

    async def _send(self, scrape: _Scrape, response: web.StreamResponse, body: bytes) -> None:
        if body:
            response.content_length = len(body)
        answered_once(scrape.request, response)
        with sending(scrape.request):
            await response.prepare(scrape.request)
            for start in range(0, len(body), _PIECE):
                scrape.stalled = time.monotonic()
                await response.write(body[start : start + _PIECE])
                scrape.stalled = None

    async def _body(self, asked: _Asked) -> bytes:
        """The rendering that begins next. One that has begun may lack what was kept before this request came."""
        task = self._asked.get(asked)
        if task is None:
            task = self._asked[asked] = asyncio.create_task(self._render(asked))
        # Others may share it: a client that goes takes nothing from them.
        return await asyncio.shield(task)

    async def _render(self, asked: _Asked) -> bytes:
        async with self._rendering:
            del self._asked[asked]
            if asked.part is Part.SHARED:
                await self._recorder.refresh()
            chunks = []
            own = asked.part is Part.OWN
            derived = self._recorder.derived_of_replica() if own else self._recorder.derived()
            began = time.perf_counter()
            for chunk in exposition.render(self._recorder.table, asked.format, asked.names, derived, asked.part):
                chunks.append(chunk)
                # As long as it took, so that webhooks have at least half of the time.
                await asyncio.sleep(time.perf_counter() - began)
                began = time.perf_counter()
            body = b"".join(chunks)
            return await asyncio.to_thread(gzip.compress, body, 1, mtime=0) if asked.gzip else body


def _end(request: web.Request) -> None:
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.evict()
    else:
        connection.force_close()


def _accepts_gzip(accept_encoding: str) -> bool:
    for coding in accept_encoding.lower().split(","):
        name, _, parameters = coding.partition(";")
        if name.strip() == "gzip":
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
