"""Events that are refused on the fast path: answered, counted and admitted once."""

import asyncio
import hashlib
import hmac
from dataclasses import replace

import pytest

from exporter.config import Auth, Config, Limits, Relay, Webhooks
from exporter.errors import Refused
from exporter.http import admission, connection
from tests.conftest import Connect
from tests.webhooks.fast_path.conftest import OK, PATH, OpenSite, Slow, event, guarded, plain, reached, statuses

# --- refused ---


async def test_a_refused_event_is_counted_and_admitted_once(open_site: OpenSite, connect: Connect) -> None:
    """Its refusal is written by aiohttp, but takes no second place in the rate, the counters or the durations."""
    site = await open_site(replace(guarded("sesame"), limits=Limits(rate_limit=0.001)))
    wire = await connect(site.url)
    await wire.send(plain(event()) + plain(event()))

    assert await statuses(wire, 2) == [401, 429]
    assert site.service.refused() == {("unknown", "unauthorized"): 1, ("unknown", "limited"): 1}
    assert [rejection.status for rejection in site.service.activity.rejections] == [401, 429]
    assert site.took() == 2


async def test_a_body_that_is_late_is_refused_once(open_site: OpenSite, connect: Connect) -> None:
    """408 with its true duration; once the rest is there after all, the connection goes on."""
    site = await open_site(Config(webhooks=Webhooks(read_timeout=0.1)))
    wire = await connect(site.url)
    await wire.send(plain(event(1))[:-10])
    assert await wire.answer() == (408, b'{"error": "body was not complete within 0.1 s"}\n')
    await wire.send(plain(event(1))[-10:] + plain(event(2)))

    assert await wire.answer() == OK
    assert site.service.refused() == {("unknown", "timeout"): 1, ("hang", "counted"): 1}
    assert site.took() == 2
    assert site.service.sample("voice_exporter_webhook_seconds_sum", platform="interactly") >= 0.1


async def test_a_late_body_that_never_comes_ends_the_connection(
    open_site: OpenSite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is there to be read, then it is over."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.1)
    site = await open_site(Config(webhooks=Webhooks(read_timeout=0.1)))
    wire = await connect(site.url)
    await wire.send(plain(event())[:-1])

    assert (await wire.answer())[0] == 408
    assert await wire.closed()


async def test_a_body_that_came_in_time_is_not_late_for_a_slow_commit(open_site: OpenSite, connect: Connect) -> None:
    """The time for a body ends with the body."""
    site = await open_site(Config(webhooks=Webhooks(read_timeout=0.1)), store := Slow())
    wire = await connect(site.url)
    accepted = await site.accepted()
    accepted.data_received(plain(event())[:-10])
    late = asyncio.get_running_loop().time() + 0.2
    accepted.data_received(plain(event())[-10:])
    await reached(lambda: asyncio.get_running_loop().time() > late, "the read timeout to be over")
    store.release.set()

    assert await wire.answer() == OK
    assert site.service.refused() == {("hang", "counted"): 1}


async def test_signatures_hold_for_the_url_as_it_was_asked_for(open_site: OpenSite, connect: Connect) -> None:
    """Method, URL and body are those of the request; another body is 401."""
    auth = Auth("hmac", payload_format="{method} {url} {body}", timestamp_header="", explicit=True)
    site = await open_site(guarded("sesame", auth))
    wire = await connect(site.url)
    signed = b"POST http://exporter" + PATH.encode() + b" " + event()
    header = f"X-Signature: {hmac.new(b'sesame', signed, hashlib.sha256).hexdigest()}"
    await wire.send(plain(event(), header) + plain(event(1), header))

    assert await statuses(wire, 2) == [200, 401]


async def test_memory_is_taken_from_the_largest_body(
    open_site: OpenSite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that leaves no room for a smaller one is cut off; one that is itself the largest is refused."""
    monkeypatch.setattr(admission, "MAX_HELD_BYTES", 1000)
    site = await open_site()
    large, small = await connect(site.url), await connect(site.url)
    await large.send(plain(event(1, 2000))[:-1100])
    await reached(lambda: site.service.webhooks._gate.held == 900, "most of the memory to be taken")
    await small.send(plain(event(2, 500)))

    assert (await large.answer())[0] == 408
    assert await small.answer() == OK
    await small.send(plain(event(3, 1001)))
    assert (await small.answer())[0] == 429


async def test_an_event_that_came_in_pieces_takes_a_place_once_it_is_complete(
    open_site: OpenSite, connect: Connect
) -> None:
    """While it waits for the store it counts as in flight, as one that came in one piece does."""
    site = await open_site(Config(limits=Limits(max_in_flight=1)), store := Slow())
    slow, other = await connect(site.url), await connect(site.url)
    await slow.send(plain(event(1))[:-10])
    await reached(lambda: site.service.webhooks._gate.held, "the first part to arrive")
    await slow.send(plain(event(1))[-10:])
    await store.asked.wait()
    await other.send(plain(event(2)))
    assert (await other.answer())[0] == 429
    store.release.set()

    assert await slow.answer() == OK


# --- reloads ---


async def test_a_reload_is_for_requests_that_begin_after_it(open_site: OpenSite, connect: Connect) -> None:
    """One whose head is there is judged by the old secret and counted; the next one is for an application."""
    site = await open_site(guarded("old"))
    wire = await connect(site.url)
    data = plain(event(), "X-Interactly-Secret: old")
    await wire.send(data[:-10])
    await reached(lambda: site.service.webhooks._gate.held, "the first part to arrive")
    new = guarded("new")
    platform = replace(new.webhooks.platforms["interactly"], relay=Relay("http://127.0.0.1:9"))
    site.service.webhooks.configure(
        replace(new, webhooks=replace(new.webhooks, platforms={**new.webhooks.platforms, "interactly": platform}))
    )
    await wire.send(data[-10:])

    assert await wire.answer() == OK
    await wire.send(plain(event(), "X-Interactly-Secret: new") + data)
    assert await statuses(wire, 2) == [502, 401]
    assert site.long == [PATH, PATH]


# --- defects ---


async def test_one_answer_that_fails_costs_no_other(open_site: OpenSite, caplog: pytest.LogCaptureFixture) -> None:
    """Bodies that arrive together are each understood and answered, also behind one whose answer is a bug."""
    site = await open_site()
    answered: list[Refused | None] = []

    def fail(_refusal: Refused | None) -> None:
        raise RuntimeError("Ada Example")

    for body, answer in ((b"{", fail), (event(1), fail), (b"{", answered.append), (event(2), answered.append)):
        site.service.webhooks.ingest.take("interactly", body, answer)
    await reached(lambda: len(answered) == 2, "the other answers")

    assert [refusal and refusal.status for refusal in answered] == [400, None]
    assert [record.message for record in caplog.records] == ["answer failed"] * 2
    assert "Ada" not in str([vars(record) for record in caplog.records])


async def test_a_defect_in_the_check_is_no_500(
    open_site: OpenSite, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The unexpected is 503 and logged, and the connection goes on."""
    site = await open_site()
    check = site.service.webhooks.check("interactly")
    monkeypatch.setattr(type(check), "allows", None)
    wire = await connect(site.url)
    await wire.send(plain(event(1)))
    assert await wire.answer() == (503, b'{"error": "internal error"}\n')
    monkeypatch.undo()
    await wire.send(plain(event(2)))

    assert await wire.answer() == OK
    assert [record.message for record in caplog.records] == ["webhook failed"]
