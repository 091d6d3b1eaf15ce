"""Reading bodies over real connections."""

import asyncio
import gzip
import json
import re
import zlib

import aiohttp
import pytest
from aiohttp import web

from exporter.errors import Refused
from exporter.http import body
from exporter.http.admission import Admission
from exporter.http.body import read_body
from tests.conftest import Connect, Serve, head

LIMIT = 1000


def echo(seconds: float = 20.0) -> web.Application:
    """Answers with the body, or with the refusal."""
    gate = Admission()
    gate.configure(100, None)

    async def handle(request: web.Request) -> web.Response:
        try:
            with gate.enter(request.remote) as entry:
                return web.Response(body=await read_body(request, LIMIT, seconds, entry))
        except Refused as refusal:
            return web.json_response([refusal.outcome, refusal.message], status=refusal.status)
        finally:
            assert gate.held == 0

    app = web.Application()
    app.router.add_post("/", handle)
    return app


async def post(url: str, data: bytes, encoding: str | None = None) -> tuple[int, bytes]:
    """Post bytes as they are, labelled with the encoding."""
    headers = {"Content-Encoding": encoding} if encoding else {}
    async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_a_body_of_exactly_the_limit_is_read(serve: Serve) -> None:
    """The limit itself is allowed."""
    assert await post(await serve(echo()), b"x" * LIMIT) == (200, b"x" * LIMIT)


async def test_an_empty_body_is_read(serve: Serve) -> None:
    """No body is an empty one; what it means is for others to say."""
    assert await post(await serve(echo()), b"") == (200, b"")


@pytest.mark.parametrize(
    "encoding",
    ["gzip", "x-gzip", "deflate", "GZIP", "identity", "", "gzip, identity", "identity ,x-gzip", " , deflate"],
)
async def test_encoded_bodies_are_inflated(serve: Serve, connect: Connect, encoding: str) -> None:
    """Gzip and deflate arrive as what was compressed, up to the limit, however the header lists them."""
    plain = b"x" * LIMIT
    packed = zlib.compress(plain) if "deflate" in encoding else gzip.compress(plain)
    sent = packed if {"gzip", "deflate"} & {*re.split("[ ,-]+", encoding.lower())} else plain
    wire = await connect(await serve(echo()))
    await wire.send(head("/", f"Content-Encoding: {encoding}", f"Content-Length: {len(sent)}") + sent)

    assert await wire.answer() == (200, plain)


async def test_codings_in_each_other_are_undone_in_turn(serve: Serve) -> None:
    """As they were applied, in one header or in two."""
    assert await post(await serve(echo()), gzip.compress(zlib.compress(b"{}")), "deflate, gzip") == (200, b"{}")
    status, answer = await post(await serve(echo()), b"", "gzip, gzip, gzip")
    assert (status, json.loads(answer)[0]) == (400, "invalid")


@pytest.mark.parametrize("padding", [b"", bytes(512)])
async def test_gzip_may_have_several_members(serve: Serve, padding: bytes) -> None:
    """As senders write it that compress piece by piece; the limit holds for all of them together."""
    url = await serve(echo())
    members = b"".join(gzip.compress(b"x" * 100) for _ in range(10))

    assert await post(url, members + padding, "gzip") == (200, b"x" * LIMIT)
    assert (await post(url, members + gzip.compress(b"x", mtime=0) + padding, "gzip"))[0] == 413


async def test_members_without_content_are_no_way_around_a_limit(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs as much as a body of its own."""
    monkeypatch.setattr(body, "MAX_MEMBERS", 10)
    url = await serve(echo())

    assert (await post(url, gzip.compress(b"", mtime=0) * 10, "gzip"))[0] == 200
    status, answer = await post(url, gzip.compress(b"", mtime=0) * 11, "gzip")
    assert (status, json.loads(answer)) == (400, ["invalid", "gzip data has more than 10 members"])


@pytest.mark.parametrize("size", [LIMIT + 1, 100_000_000])
async def test_a_bomb_is_refused(serve: Serve, size: int) -> None:
    """A small body that inflates beyond the limit is too large, by one byte or by a hundred million."""
    status, answer = await post(await serve(echo()), _bomb(size), "gzip")

    assert status == 413
    assert json.loads(answer) == ["too_large", "body is larger than 1000 bytes"]


def _bomb(size: int) -> bytes:
    """Zeros that gzip packs to fewer bytes than the limit allows; beyond that, packed twice as hard as it can be."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(bytes(size)) + packer.flush()
    return packed[: LIMIT - 1] if len(packed) > LIMIT else packed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not compressed", "body is not valid gzip or deflate data"),
        (gzip.compress(b"whole", mtime=0)[:-3], "gzip or deflate data is cut short"),
        (gzip.compress(b"one", mtime=0) + gzip.compress(b"two", mtime=0)[:-3], "gzip or deflate data is cut short"),
        (gzip.compress(b"one", mtime=0) + b"two", "gzip or deflate data has something behind it"),
        (zlib.compress(b"one") + zlib.compress(b"two"), "gzip or deflate data has something behind it"),
        (b"", "gzip or deflate data is cut short"),
    ],
)
async def test_broken_compression_is_invalid(serve: Serve, data: bytes, message: str) -> None:
    """What can't be inflated as a whole is a client's mistake, said in words."""
    status, answer = await post(await serve(echo()), data, "gzip")

    assert (status, json.loads(answer)) == (400, ["invalid", message])


async def test_unknown_encodings_are_invalid(serve: Serve) -> None:
    """An encoding that is not read is refused by name of those that are."""
    status, answer = await post(await serve(echo()), b"{}", "br")

    assert status == 400
    assert "gzip, deflate or none" in answer.decode()


async def test_a_declared_length_above_the_limit_is_refused_at_once(serve: Serve, connect: Connect) -> None:
    """A hundred megabytes declared and nothing sent: the answer does not wait for the body."""
    wire = await connect(await serve(echo()))
    await wire.send(head("/", "Content-Length: 100000000"))

    assert (await wire.answer())[0] == 413


async def test_a_body_without_a_length_is_cut_at_the_limit(serve: Serve, connect: Connect) -> None:
    """A chunked body is refused when its bytes pass the limit, though it never ends."""
    wire = await connect(await serve(echo()))
    await wire.send(head("/", "Transfer-Encoding: chunked") + b"3e9\r\n" + b"x" * 1001 + b"\r\n")

    assert (await wire.answer())[0] == 413


async def test_a_body_must_be_complete_in_time(serve: Serve, connect: Connect) -> None:
    """One deadline holds for the whole body, however steadily its bytes trickle in."""
    wire = await connect(await serve(echo(0.3)))
    await wire.send(head("/", "Content-Length: 500"))
    answer = asyncio.create_task(wire.answer())
    while not answer.done():
        await wire.send(b"x")
        await asyncio.sleep(0.02)

    assert answer.result() == (408, b'["timeout", "body was not complete within 0.3 s"]')


async def test_broken_framing_is_invalid(serve: Serve, connect: Connect) -> None:
    """A chunk whose size is no number is a client's mistake."""
    wire = await connect(await serve(echo()))
    await wire.send(head("/", "Transfer-Encoding: chunked"))
    await wire.send(b"zz\r\n")

    assert (await wire.answer())[0] == 400


async def test_a_client_that_goes_away_is_no_error(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that disconnects in the middle of its body leaves no line in the log."""
    handled = asyncio.Event()
    app = echo()

    @web.middleware
    async def watch(request: web.Request, handler: object) -> web.StreamResponse:
        try:
            answer: web.StreamResponse = await handler(request)  # type: ignore[operator]  # aiohttp's own handler
            assert answer.status == 400
            return answer
        finally:
            handled.set()

    app.middlewares.append(watch)
    wire = await connect(await serve(app))
    await wire.send(head("/", "Content-Length: 500") + b"half")
    wire.writer.close()
    await asyncio.wait_for(handled.wait(), 20)

    assert not caplog.records
