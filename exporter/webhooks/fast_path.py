"""The fast path: a plain event that aiohttp's parser holds as a whole goes straight to the receiver.

That saves the task, the router, the request and the response object: a third of the processor time of a hang
(docs/performance.md). It reaches into aiohttp, whose installed version a test holds to what is used here.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.http import RawRequestMessage

from exporter.http.connection import KEEPALIVE_SECONDS, Connection, Phase, written
from exporter.webhooks.credentials import Credentials
from exporter.webhooks.handler import Webhooks
from exporter.webhooks.receiver import KEPT, WebhookResponse

_USED: Final = (
    "_buffer_paused",
    "_loop",
    "_messages",
    "_msg_queue_resume_size",
    "_next_keepalive_close_time",
    "_parser",
    "_process_keepalive",
    "_resume_reading_if_drained",
    "_waiter",
)
SUPPORTED: Final = all(hasattr(web.RequestHandler, name) for name in _USED)
"""Whether aiohttp has what is used of its insides; with one that has not, its own task answers everything."""

_BESIDE: Final = (hdrs.EXPECT, hdrs.CONTENT_ENCODING)


class FastConnection(Connection):
    """A connection that answers plain events itself and leaves every other request to aiohttp's task."""

    __slots__ = ("_answering", "_webhooks")

    def __init__(self, server: web.Server, webhooks: Webhooks) -> None:
        super().__init__(server)
        self._webhooks = webhooks
        self._answering = False

    def data_received(self, data: bytes) -> None:
        """Take what came; aiohttp's task wakes for any request, unless it looks busy."""
        waiter, self._waiter = self._waiter, None
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        self._proceed()

    def _proceed(self) -> None:
        """Begin with the next request, unless one is in flight."""
        waiter = self._waiter
        if self._answering or not self._messages or waiter is None or waiter.done():
            return
        message, payload = self._messages[0]
        if self._parser is None or not isinstance(message, RawRequestMessage) or not self._is_plain(message, payload):
            waiter.set_result(None)
            return
        self._answering = True
        self.turn(Phase.ANSWERING)
        self._messages.popleft()
        self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        credentials = Credentials(message.method, message.path, message.headers)
        one = self._webhooks.receiver.begin(self._webhooks.paths[message.path], self.remote, credentials)
        one.receive(payload.read_nowait(), self._answer)

    def _is_plain(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Whether nothing about the request is special and all of it is here; who does not read gets no answers."""
        return (
            message.path in self._webhooks.paths
            and message.method == hdrs.METH_POST
            and message.version == HttpVersion11
            and not (message.should_close or message.upgrade or self.writing_paused)
            and not any(header in message.headers for header in _BESIDE)
            and payload.is_eof()
            and payload.exception() is None
            and payload.total_bytes <= self._webhooks.receiver.max_body_bytes
            and not self._webhooks.is_relayed(self._webhooks.paths[message.path])
        )

    def _answer(self, answer: WebhookResponse) -> None:
        self._answering = False
        if self.transport is None:
            return
        self.transport.write(_kept(int(time.time())) if answer.status == HTTPStatus.OK else _written(answer))
        self.turn(Phase.IDLE)
        self._next_keepalive_close_time = self._loop.time() + KEEPALIVE_SECONDS
        if self._messages:
            # Not from here: a thousand refused requests behind each other would be a thousand calls deep.
            self._loop.call_soon(self._proceed)

    def _process_keepalive(self) -> None:
        if self._answering:
            self._next_keepalive_close_time = self._loop.time() + KEEPALIVE_SECONDS
        super()._process_keepalive()


def _written(answer: WebhookResponse) -> bytes:
    date = f"Date: {formatdate(usegmt=True)}"
    later = () if answer.retry_after is None else (f"Retry-After: {answer.retry_after}",)
    return written(f"{answer.status} {HTTPStatus(answer.status).phrase}", answer.body, date, *later)


@lru_cache(1)
def _kept(_second: int) -> bytes:
    """The answer to an event that is kept, as it is written during that second of Unix time."""
    return _written(KEPT)
