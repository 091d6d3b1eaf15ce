"""The application's answer on its way to the platform: as it came, as it comes."""

import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict

from exporter.errors import RelayError
from exporter.relay import headers

WHOLE_BYTES: Final = 65_536
"""An answer that states a length up to this is read whole before its head goes out: half of it is a 502 then."""

Exchange: TypeAlias = AbstractAsyncContextManager[aiohttp.ClientResponse]
"""A request to an application, whose answer must be complete when the context ends."""


class Relayed(web.StreamResponse):
    """An application's answer.

    Attributes:
        complete: whether all of it went on to the platform.
    """

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        passed = CIMultiDict(headers.back(answer.headers))
        reason = answer.reason and headers.clean(answer.reason)
        super().__init__(status=answer.status, reason=reason, headers=passed)
        self.complete = False
        self._own = [name for name in (hdrs.CONTENT_TYPE, hdrs.SERVER) if name not in passed]

    async def _prepare_headers(self) -> None:
        """Take out what aiohttp adds and the application did not send."""
        await super()._prepare_headers()
        for name in self._own:
            self.headers.popall(name, None)

    async def stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> None:
        """Pass the answer on; ends early without an error where the platform has gone.

        Raises:
            aiohttp.ClientError: the application ends it early.
        """
        length = answer.content_length
        first = await answer.read() if length is not None and length <= WHOLE_BYTES else b""
        try:
            await self.prepare(request)
        except ConnectionError:
            return
        if not await self._pass(first):
            return
        async for chunk in answer.content.iter_any():
            if not await self._pass(chunk):
                return
        self.complete = True

    async def _pass(self, chunk: bytes) -> bool:
        try:
            await self.write(chunk)
        except ConnectionError:
            return False
        return True


async def pass_back(
    request: web.Request,
    exchange: Exchange,
    durable: Callable[[], Awaitable[None]],
) -> Relayed:
    """Send the platform what the application answers; a half answer ends with its connection.

    Args:
        request: the platform's.
        exchange: the application's answer.
        durable: what the answer waits for.

    Raises:
        RelayError: the application gave no answer, and the platform has seen nothing yet.
    """
    relayed = None
    try:
        async with exchange as answer:
            await durable()
            relayed = Relayed(answer)
            await relayed.stream(request, answer)
    except RelayError:
        if relayed is None or not relayed.prepared:
            await durable()
            raise
        _reset(request)
    return relayed


def _reset(request: web.Request) -> None:
    """Break the connection: to an HTTP/1.0 client one that merely ends is the end of a whole answer."""
    if request.transport:
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
