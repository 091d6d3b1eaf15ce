"""Which requests take the fast path, and that the others are what they were."""

import gzip
from typing import Final

import pytest

from exporter.config import Config, Webhooks
from exporter.webhooks.fast_path import MAX_BYTES
from tests.conftest import Connect, head
from tests.webhooks.fast_path.conftest import OK, PATH, OpenSite, event, plain


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
async def test_a_plain_post_goes_the_short_way_however_it_is_cut(
    open_site: OpenSite, connect: Connect, size: int
) -> None:
    """Pieces of any size make the same requests, one after another on one connection."""
    site = await open_site()
    wire = await connect(site.url)
    accepted = await site.accepted()
    data = plain(event(1)) + plain(event(2)) + plain(event(3))
    for start in range(0, len(data), size):
        accepted.data_received(data[start : start + size])

    assert [await wire.answer() for _ in range(3)] == [OK] * 3
    assert site.long == []
    assert site.service.sample("voice_hangs_total") == 3
    assert site.took() == 3


LONG: Final = {
    "chunked": (head(PATH, "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(event()), event()), 200),
    "compressed": (plain(gzip.compress(event()), "Content-Encoding: gzip"), 200),
    "not compressed, but says so": (plain(event(), "Content-Encoding: identity"), 200),
    "to be closed": (plain(event(), "Connection: close"), 200),
    "old": (plain(event(), "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"), 200),
    "to be upgraded": (plain(event(), "Connection: upgrade", "Upgrade: websocket"), 200),
    "with a query": (plain(event(), path=PATH + "?a=b"), 200),
    "beneath": (plain(event(), path=PATH + "/x"), 404),
    "absolute": (plain(event(), path="http://exporter" + PATH), 404),
    "another method": (plain(event()).replace(b"POST", b"PUT"), 405),
    "empty": (plain(b""), 400),
    "large": (plain(event(0, MAX_BYTES + 1)), 200),
}


@pytest.mark.parametrize("name", LONG)
async def test_whatever_is_special_goes_the_long_way(open_site: OpenSite, connect: Connect, name: str) -> None:
    """The fast path knows plain requests only, and leaves the others as they are."""
    sent, status = LONG[name]
    site = await open_site()
    wire = await connect(site.url)
    await wire.send(sent)

    assert (await wire.answer())[0] == status
    assert len(site.long) == 1
    assert site.service.sample("voice_hangs_total") == (status == 200)


async def test_who_expects_to_continue_is_told_to(open_site: OpenSite, connect: Connect) -> None:
    """A client that waits for 100 before it sends its body gets it."""
    site = await open_site()
    wire = await connect(site.url)
    await wire.send(head(PATH, "Expect: 100-continue", f"Content-Length: {len(event())}"))
    assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    await wire.send(event())

    assert await wire.answer() == OK


@pytest.mark.parametrize(
    ("size", "allowed", "status", "long"),
    [
        (MAX_BYTES, MAX_BYTES * 2, 200, False),
        (MAX_BYTES + 1, MAX_BYTES * 2, 200, True),
        (1000, 1000, 200, False),
        (1001, 1000, 413, True),
    ],
)
async def test_a_body_may_be_as_large_as_is_allowed(
    open_site: OpenSite, connect: Connect, size: int, allowed: int, status: int, *, long: bool
) -> None:
    """The limit itself is allowed, and a connection is read on while so much arrives."""
    site = await open_site(Config(webhooks=Webhooks(max_body_bytes=allowed)))
    wire = await connect(site.url)
    await wire.send(plain(event(0, size)))

    assert (await wire.answer())[0] == status
    assert bool(site.long) == long
