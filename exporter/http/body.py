"""Reading a request's body: so much of it, for so long, and inflated no further than that."""

import asyncio
import zlib
from typing import Final

from aiohttp import hdrs, web

from exporter.errors import Refused
from exporter.http.admission import Entry
from exporter.http.connection import receiving

MAX_CODINGS: Final = 2
"""Content codings in each other; nobody sends more than one for a reason."""
MAX_MEMBERS: Final = 1000
"""Members of gzip data: each costs as much as a small body."""

_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP: Final = b"\x1f\x8b"
_PIECE: Final = 65_536

CUT_SHORT: Final = "body ended early or its framing is broken"


async def read_body(request: web.Request, limit: int, seconds: float, entry: Entry) -> bytes:
    """The whole body, inflated: at most ``limit`` bytes before and after, complete within ``seconds``.

    Raises:
        Refused: it is larger, slower, broken, in an unknown encoding, or the client is gone.
    """
    _codings(request)
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
    for _ in _codings(request):
        body = await asyncio.to_thread(_inflate, body, limit)
        entry.hold(len(body))
    return body


def _codings(request: web.Request) -> list[str]:
    """The content codings, without those that change nothing. Which one it is shows in the first bytes."""
    named = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, [])).lower().split(",")
    codings = [coding for part in named if (coding := part.strip()) not in {"", "identity"}]
    if len(codings) > MAX_CODINGS or not _CODINGS.issuperset(codings):
        raise Refused(400, "invalid", "unsupported Content-Encoding: send gzip, deflate or none")
    return codings


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
    """The content of gzip data, of any of its members, or of deflate data."""
    body, place = bytearray(), 0
    for _ in range(MAX_MEMBERS):
        place = _inflate_member(memoryview(data), place, body, limit)
        # gzip pads with zeros what it writes to tapes.
        if not data[place : place + 1].strip(b"\0") and not data[place:].strip(b"\0"):
            return bytes(body)
        if not data.startswith(_GZIP, place):
            raise Refused(400, "invalid", "gzip or deflate data has something behind it")
    raise Refused(400, "invalid", f"gzip data has more than {MAX_MEMBERS} members")


def _inflate_member(data: memoryview, place: int, body: bytearray, limit: int) -> int:
    """Inflate the member that begins at a place; where it ends. Of what follows it little is looked at."""
    # 32 lets zlib tell gzip from deflate by the first bytes.
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    while not inflater.eof:
        piece = data[place : place + _PIECE]
        if not piece:
            raise Refused(400, "invalid", "gzip or deflate data is cut short")
        try:
            # A byte more than allowed tells a bomb from a body of exactly the limit, and nothing further is inflated.
            body += inflater.decompress(piece, limit + 1 - len(body))
        except zlib.error:
            raise Refused(400, "invalid", "body is not valid gzip or deflate data") from None
        if len(body) > limit:
            raise _too_large(limit)
        place += len(piece) - len(inflater.unused_data)
    return place
