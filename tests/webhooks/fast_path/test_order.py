"""Requests behind each other on one connection: answered in their order, whichever way they go."""

from tests.conftest import Connect, head
from tests.webhooks.fast_path.conftest import HEALTHY, PATH, OpenSite, Slow, event, guarded, plain, reached, statuses


async def test_answers_come_in_the_order_of_the_requests(open_site: OpenSite, connect: Connect) -> None:
    """Short, long, refused and again short ones in one piece: each gets its own answer, at its place."""
    site = await open_site(guarded("sesame"))
    wire = await connect(site.url)
    key = "X-Interactly-Secret: sesame"
    nowhere = head("/nowhere", method="GET")
    good, stranger, broken = plain(event(1), key), plain(event(2)), plain(b"{", key)
    await wire.send(good + HEALTHY + stranger + broken + good + HEALTHY + good + nowhere + good)

    assert await statuses(wire, 9) == [200, 200, 401, 400, 200, 200, 200, 404, 200]
    refused = {("unknown", "unauthorized"): 1, ("unknown", "invalid"): 1}
    assert site.service.refused() == {("hang", "counted"): 1, ("hang", "duplicate"): 3, **refused}


async def test_requests_wait_for_the_commit_of_the_one_before(open_site: OpenSite, connect: Connect) -> None:
    """More than a connection keeps arrive behind an event that is not kept yet: all are answered, none before it."""
    site = await open_site(store=(store := Slow()))
    wire = await connect(site.url)
    accepted = await site.accepted()
    await wire.send(plain(event(1)))
    await store.asked.wait()
    await wire.send(HEALTHY + b"".join(plain(event(number)) for number in range(2, 101)))
    await reached(lambda: accepted._buffer_paused, "the connection to be full")
    assert site.long == []

    store.release.set()

    assert await statuses(wire, 101) == [200] * 101
    assert site.service.sample("voice_hangs_total") == 100
    assert not accepted._buffer_paused


async def test_a_full_connection_goes_on_by_the_short_way(open_site: OpenSite, connect: Connect) -> None:
    """Events alone, more than a connection keeps, in one piece: what was left unparsed follows in its turn."""
    site = await open_site()
    wire = await connect(site.url)
    accepted = await site.accepted()
    accepted.data_received(b"".join(plain(event(number)) for number in range(100)))

    assert await statuses(wire, 100) == [200] * 100
    assert site.long == []
    assert site.service.sample("voice_hangs_total") == 100


async def test_what_comes_first_on_a_connection_is_answered(open_site: OpenSite, connect: Connect) -> None:
    """Also where it is there before aiohttp waits for it, and while aiohttp is busy with another."""
    site = await open_site(store=(store := Slow()))
    wire = await connect(site.url)
    accepted = await site.accepted()
    waiter, accepted._waiter = accepted._waiter, None
    accepted.data_received(plain(event(1)))
    assert not store.asked.is_set()
    assert waiter
    waiter.set_result(None)
    await store.asked.wait()
    accepted.data_received(plain(event(2))[:-1])
    store.release.set()
    await wire.send(plain(event(2))[-1:] + plain(event(3)))

    assert await statuses(wire, 3) == [200] * 3
    assert site.long[0] == PATH


async def test_what_is_malformed_ends_a_connection_in_its_turn(open_site: OpenSite, connect: Connect) -> None:
    """The event before it is answered first, and what follows it is not read."""
    site = await open_site(store=(store := Slow()))
    wire = await connect(site.url)
    accepted = await site.accepted()
    await wire.send(plain(event(1)))
    await store.asked.wait()
    await wire.send(b"what?\r\n\r\n" + plain(event(2)))
    await reached(lambda: accepted._malformed, "the rest to arrive")
    store.release.set()

    assert await statuses(wire, 2) == [200, 400]
    assert await wire.closed()
    assert site.service.sample("voice_hangs_total") == 1


async def test_an_upgrade_between_events_is_declined_in_its_turn(open_site: OpenSite, connect: Connect) -> None:
    """What came behind it is parsed once it is declined."""
    site = await open_site()
    wire = await connect(site.url)
    upgrade = head("/-/healthy", "Connection: upgrade", "Upgrade: websocket", method="GET")
    await wire.send(plain(event(1)) + upgrade + plain(event(2)) + HEALTHY)

    assert await statuses(wire, 4) == [200] * 4
    assert site.service.sample("voice_hangs_total") == 2


async def test_who_does_not_read_answers_gets_no_more_of_them(open_site: OpenSite, connect: Connect) -> None:
    """While answers can't leave, the next event waits for aiohttp, which waits for the client."""
    site = await open_site()
    wire = await connect(site.url)
    accepted = await site.accepted()
    accepted.pause_writing()
    await wire.send(b"".join(plain(event(number)) for number in range(5)))
    await wire.answer()
    assert site.long == [PATH]
    assert site.service.sample("voice_hangs_total") == 1

    accepted.resume_writing()

    assert await statuses(wire, 4) == [200] * 4
