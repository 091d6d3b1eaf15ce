"""Reading a request's body: so much of it, for so long, and inflated no further than that."""

import asyncio
import zlib
from typing import Final

from aiohttp import hdrs, web

from exporter.errors import Refused
from exporter.http.admission import Entry
from exporter.http.connection import receiving

CUT_SHORT: Final = "body ended early or its framing is broken"


async def read_body(request: web.Request, limit: int, seconds: float, entry: Entry) -> bytes:
    """The whole body, inflated: at most ``limit`` bytes before and after, complete within ``seconds``.

    Raises:
        Refused: it is larger, slower, broken, in an unknown encoding, or the client is gone.
    """
    _encoding(request)
    return await inflate(request, await receive(request, limit, seconds, entry), limit, entry)


async def receive(request: web.Request, limit: int, seconds: float, entry: Entry) -> bytes:
    """The whole body as it comes: at most ``limit`` bytes, complete within ``seconds``.

    Raises:
        Refused: it is larger, slower, its framing is broken, or the client is gone.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    return _received(request, limit, entry) or await _receive_within(request, limit, seconds, entry)


async def inflate(request: web.Request, body: bytes, limit: int, entry: Entry) -> bytes:
    """The body without its encoding: at most ``limit`` bytes.

    Raises:
        Refused: it is larger, broken, or in an unknown encoding.
    """
    if _encoding(request) == "identity":
        return body
    inflated = await asyncio.to_thread(_inflate, body, limit)
    entry.hold(len(inflated))
    return inflated


def _encoding(request: web.Request) -> str:
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding not in {"identity", "gzip", "deflate"}:
        raise Refused(400, "invalid", "unsupported Content-Encoding: send gzip, deflate or none")
    return encoding


def too_slow(seconds: float) -> Refused:
    """The answer to a body that is not complete in time."""
    return Refused(408, "timeout", f"body was not complete within {seconds:g} s")


def _too_large(limit: int) -> Refused:
    return Refused(413, "too_large", f"body is larger than {limit} bytes")


def _received(request: web.Request, limit: int, entry: Entry) -> bytes:
    """The body, if all of it came along with the head; else nothing."""
    content = request.content
    if not content.is_eof() or content.exception() or content.total_bytes > limit:
        return b""
    body = content.read_nowait()
    entry.hold(len(body))
    return body


async def _receive_within(request: web.Request, limit: int, seconds: float, entry: Entry) -> bytes:
    try:
        async with asyncio.timeout(seconds) as deadline:
            entry.stop = lambda: deadline.reschedule(asyncio.get_running_loop().time())
            with receiving(request):
                return await _receive(request, limit, entry)
    except TimeoutError:
        raise too_slow(seconds) from None
    except (OSError, RuntimeError, web.RequestPayloadError) as broken:
        # A RuntimeError is what aiohttp says of a connection that was closed since the last piece. aiohttp keeps it
        # with the request, which its traceback would hold on to in turn, body and all, until a garbage collection.
        broken.__traceback__ = None
        raise Refused(400, "invalid", CUT_SHORT) from None
    finally:
        entry.stop = None


async def _receive(request: web.Request, limit: int, entry: Entry) -> bytes:
    chunks = []
    length = 0
    while chunk := await request.content.readany():
        entry.hold(len(chunk))
        chunks.append(chunk)
        length += len(chunk)
        if length > limit:
            raise _too_large(limit)
    return b"".join(chunks)


def _inflate(data: bytes, limit: int) -> bytes:
    # 32 lets zlib tell gzip from deflate by the first bytes.
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        # A byte more than allowed tells a bomb from a body of exactly the limit, and nothing further is inflated.
        body = inflater.decompress(data, limit + 1)
    except zlib.error:
        raise Refused(400, "invalid", "body is not valid gzip or deflate data") from None
    if len(body) > limit:
        raise _too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise Refused(400, "invalid", "gzip or deflate data is cut short or has something behind it")
    return body
