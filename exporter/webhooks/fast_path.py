"""The fast path of a webhook request: from the calls of the event loop into the recorder, and back with its answer.

It is for what platforms send: a POST over HTTP/1.1 that says how long its body is, not compressed, to a webhook without
a relay. aiohttp's parser reads it. Everything else takes the regular path through `Webhooks.handle`; so does the answer
to what is refused here, once that is counted.
"""

import asyncio
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from aiohttp import HttpVersion11, StreamReader, hdrs
from aiohttp.http import RawRequestMessage

from exporter.errors import Refused
from exporter.http.admission import Entry
from exporter.http.body import CUT_SHORT, too_slow
from exporter.http.connection import READ_BYTES, Connection, Phase, Shortcut, written
from exporter.recording.ingest import defect
from exporter.webhooks.credentials import Credentials
from exporter.webhooks.handler import OK, PREFIX, Webhooks, authorize, url

MAX_BYTES: Final = 2 * READ_BYTES
"""Of a body: so much may arrive before a connection is not read any further."""


def shortcut(webhooks: Webhooks) -> Shortcut:
    """Takes the requests that can go the fast path."""
    names = {PREFIX + name: name for name in webhooks.names}

    def take(connection: Connection, message: RawRequestMessage, payload: StreamReader) -> FastPathRequest | None:
        name = names.get(message.path)
        limit = min(MAX_BYTES, webhooks.max_body_bytes)
        if name is None or not webhooks.counts(name) or not _is_plain(message, limit):
            return None
        return FastPathRequest(webhooks, name, connection, message, payload)

    return take


def _is_plain(message: RawRequestMessage, limit: int) -> bool:
    headers = message.headers
    return (
        message.method == hdrs.METH_POST
        and message.version == HttpVersion11
        and not (message.should_close or message.upgrade or message.chunked or message.compression)
        and hdrs.EXPECT not in headers
        and hdrs.CONTENT_ENCODING not in headers
        and 0 < int(headers.get(hdrs.CONTENT_LENGTH, 0)) <= limit
    )


class FastPathRequest:
    """One request on its way: admitted, received, counted, answered."""

    __slots__ = (
        "_began",
        "_check",
        "_connection",
        "_deadline",
        "_entry",
        "_message",
        "_name",
        "_payload",
        "_webhooks",
    )

    def __init__(
        self, webhooks: Webhooks, name: str, connection: Connection, message: RawRequestMessage, payload: StreamReader
    ) -> None:
        self._webhooks = webhooks
        self._name = name
        self._connection = connection
        self._payload: StreamReader | None = payload
        self._check = webhooks.check(name)
        self._message = message
        self._entry: Entry | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._began = time.perf_counter()

    def received(self) -> None:
        """Count the event as soon as all of its body is there."""
        # What arrives behind the body belongs to a further request.
        if payload := self._payload:
            try:
                self._receive(payload)
            except Refused as refusal:
                self._refuse(refusal)
            except Exception as error:  # noqa: BLE001 - nothing that a client sends may go unanswered
                self._refuse(defect(self._name, error))

    def lost(self) -> None:
        """Nobody waits for the answer any more; an event that is there counts all the same."""
        if self._payload:
            self._end(Refused(400, "invalid", CUT_SHORT))

    def _receive(self, payload: StreamReader) -> None:
        entry = self._entry or self._admit()
        entry.hold(payload.total_bytes - entry.held)
        if payload.is_eof():
            self._payload = entry.stop = None
            self._count(payload.read_nowait())
        elif self._deadline is None:
            self._connection.turn(Phase.RECEIVING)
            entry.stop = self._expire
            self._deadline = asyncio.get_running_loop().call_later(self._webhooks.read_timeout, self._expire)

    def _admit(self) -> Entry:
        entry = self._entry = self._webhooks.enter(self._connection.remote)
        if not self._check.needs_body:
            authorize(self._check, Credentials(hdrs.METH_POST, "", self._message.headers))
        return entry

    def _count(self, body: bytes) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._connection.turn(Phase.ANSWERING)
        if self._check.needs_body:
            message = self._message
            asked = url("http", message.headers, message.path)
            authorize(self._check, Credentials(message.method, asked, message.headers, body))
        self._webhooks.ingest.take(self._name, body, self._answer)

    def _answer(self, refusal: Refused | None) -> None:
        if refusal:
            self._refuse(refusal)
        else:
            self._end()
            self._connection.answer(_kept(int(time.time())))

    def _expire(self) -> None:
        self._refuse(too_slow(self._webhooks.read_timeout))

    def _refuse(self, refusal: Refused) -> None:
        # Before aiohttp's turn to answer, for which the client may not wait.
        self._end(refusal)
        self._connection.refuse(refusal)

    def _end(self, refusal: Refused | None = None) -> None:
        self._payload = None
        if self._deadline:
            self._deadline.cancel()
        if self._entry:
            self._entry.stop = None
            self._entry.leave()
        if refusal:
            self._webhooks.note(self._name, refusal)
        self._webhooks.took(self._name, self._began)


@lru_cache(1)
def _kept(second: int) -> bytes:
    """The answer to an event that is kept, as it is written during that second of Unix time."""
    return written("200 OK", OK, f"Date: {formatdate(second, usegmt=True)}")
