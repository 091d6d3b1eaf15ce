"""Webhooks over real HTTP: every row of the contract's table of answers."""

import asyncio
import gzip
import hashlib
import hmac
import json
import logging
import zlib
from dataclasses import replace
from ipaddress import ip_network

import aiohttp
import pytest

from exporter.config import Auth, Config, Limits, WebhooksConfig
from exporter.events import Event
from exporter.platforms import platform
from exporter.platforms.history_cache import HistoryCache
from exporter.store.base import Batch
from exporter.store.memory import MemoryStore
from tests.conftest import Connect, Serve, Wire, head
from tests.support.service import running
from tests.support.waiting import reached
from tests.webhooks.posting import HANG, PATH, SECRET, UNKNOWN, Failing, config, post, rejected

# --- 200 ---


async def test_an_event_is_answered_once_it_is_counted(serve: Serve) -> None:
    """200 comes with the count; the same again is a duplicate; both show when the last event came."""
    async with running() as service:
        url = await serve(service.app)

        assert await post(url, HANG) == (200, {"status": "ok"})
        assert service.sample("voice_hangs_total") == 1
        assert await post(url, HANG) == (200, {"status": "ok"})

        assert service.sample("voice_hangs_total") == 1
        assert service.refused() == {("hang", "counted"): 1, ("hang", "duplicate"): 1}
        assert service.sample("voice_exporter_webhook_seconds_count", platform="interactly") == 2
        assert service.sample("voice_exporter_event_delay_seconds_count", platform="interactly") == 2
        assert service.sample("voice_exporter_last_event_timestamp_seconds", event="hang") > 1_700_000_000
        assert sum(service.activity.totals(2e9, 10**9).values()) == 2


async def test_an_unknown_event_is_ignored(serve: Serve) -> None:
    """A well-formed event of an unknown type is 200, under the name other."""
    async with running() as service:
        assert (await post(await serve(service.app), json.dumps(UNKNOWN).encode()))[0] == 200
        assert service.refused() == {("other", "ignored"): 1}


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
async def test_the_content_type_does_not_matter(serve: Serve, content_type: str) -> None:
    """What counts is the body."""
    async with running() as service:
        assert (await post(await serve(service.app), HANG, content_type=content_type))[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_event_counts(serve: Serve, encoding: str) -> None:
    """Proxies may compress."""
    packed = gzip.compress(HANG) if encoding == "gzip" else zlib.compress(HANG)
    async with running() as service:
        assert (await post(await serve(service.app), packed, content_encoding=encoding))[0] == 200
        assert service.sample("voice_hangs_total") == 1


async def test_the_answer_waits_for_the_commit(serve: Serve) -> None:
    """No 200, and nothing in a scrape, before the store has the event."""
    store = Held()
    async with running(store=store) as service:
        url = await serve(service.app)
        answer = asyncio.create_task(post(url, HANG))
        await store.asked.wait()
        assert not answer.done()
        assert service.sample("voice_hangs_total") == 0

        store.release.set()

        assert await answer == (200, {"status": "ok"})
        assert service.sample("voice_hangs_total") == 1


class Held(MemoryStore):
    """Commits the events of calls when it is released."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()

    async def commit(self, batch: Batch) -> None:
        """Wait."""
        if not batch.calls:
            return
        self.asked.set()
        # Not for ever: a test that fails before it releases must end.
        await asyncio.wait_for(self.release.wait(), 10)
        await super().commit(batch)


async def test_an_operator_is_told_why_nothing_was_counted(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """At the debug level such a request has a line: what came, what became of it and why, nothing of its content."""
    caplog.set_level(logging.DEBUG, "exporter")
    sneeze = json.dumps({"message": {"type": "sneeze", "call": {"id": "Ada Example"}}}).encode()
    async with running() as service:
        url = await serve(service.app)
        for body in (HANG, HANG, sneeze, b"{"):
            await post(url, body)

    told = [vars(record)["fields"] for record in caplog.records if record.message == "not counted"]
    assert [(each["platform"], each["event"], each["outcome"]) for each in told] == [
        ("interactly", "hang", "duplicate"),
        ("interactly", "other", "ignored"),
        ("interactly", "unknown", "invalid"),
    ]
    assert [each["reason"] for each in told[:2]] == ["all of it was counted before", "unknown type"]
    assert "Ada" not in str([vars(record) for record in caplog.records])


# --- 400 ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"hang"',
        b"{}",
        b'{"message": []}',
        b'{"message": {"type": 7}}',
        b"\xff\xfe",
        b"[" * 9999,
    ],
)
async def test_what_is_no_event_is_invalid(serve: Serve, body: bytes) -> None:
    """Not JSON, not an object, neither message.type nor a known envelope: 400 with words."""
    async with running() as service:
        status, answer = await post(await serve(service.app), body)

        assert status == 400
        assert isinstance(answer, dict)
        assert list(answer) == ["error"]
        assert service.refused() == {("unknown", "invalid"): 1}
        assert rejected(service) == ("interactly", 400, answer["error"])


async def test_a_refusal_repeats_nothing_of_the_body(serve: Serve) -> None:
    """Neither the answer nor the landing page shows what was sent."""
    body = b'{"message": {"type": ["Ada Example"], "Ada Example": "Ada Example"}, "Ada Example'
    async with running() as service:
        _, answer = await post(await serve(service.app), body)

        assert "Ada" not in json.dumps(answer)
        assert "Ada" not in rejected(service)[2]


async def test_a_client_that_goes_away_is_counted_quietly(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a body and a closed connection: one invalid request, no line in the log, no event."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(PATH, f"Content-Length: {len(HANG)}") + HANG[:100])
        wire.writer.close()
        await reached("the request is counted", service.refused)

        assert service.refused() == {("unknown", "invalid"): 1}
        assert not caplog.records


# --- 401 ---


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no secret in x-interactly-secret or x-interactly.ai-secret"),
        ({"x_interactly_secret": ""}, "no secret in x-interactly-secret or x-interactly.ai-secret"),
        ({"x_interactly_secret": "guess"}, "wrong secret in x-interactly-secret"),
    ],
)
async def test_a_wrong_or_missing_secret_is_unauthorized(serve: Serve, headers: dict[str, str], reason: str) -> None:
    """401 without detail for the client; the operator is shown what was wrong."""
    async with running(config()) as service:
        answer = await post(await serve(service.app), HANG, **headers)

        assert answer == (401, {"error": "unauthorized"})
        assert service.refused() == {("unknown", "unauthorized"): 1}
        assert rejected(service) == ("interactly", 401, reason)


@pytest.mark.parametrize("header", ["x_interactly_secret", "X_INTERACTLY.AI_SECRET"])
async def test_the_right_secret_is_let_in(serve: Serve, header: str) -> None:
    """In either spelling of the header."""
    async with running(config()) as service:
        assert (await post(await serve(service.app), HANG, **{header: SECRET}))[0] == 200


async def test_strangers_are_refused_before_they_send_a_body(serve: Serve, connect: Connect) -> None:
    """A header that is wrong is wrong whatever follows."""
    async with running(config()) as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(PATH, "Content-Length: 100"))

        assert await wire.answer() == (401, b'{"error": "unauthorized"}\n')


async def test_signatures_are_checked_over_the_body(serve: Serve) -> None:
    """With hmac, the body decides."""
    auth = Auth("hmac", payload_format="{body}", timestamp_header="", explicit=True)
    signature = hmac.new(SECRET.encode(), HANG, hashlib.sha256).hexdigest()
    async with running(config(auth)) as service:
        url = await serve(service.app)

        assert (await post(url, HANG, x_signature=signature))[0] == 200
        assert await post(url, HANG + b" ", x_signature=signature) == (401, {"error": "unauthorized"})
        assert service.refused() == {("hang", "counted"): 1, ("unknown", "unauthorized"): 1}


async def test_a_closed_webhook_lets_nobody_in(serve: Serve) -> None:
    """A platform without a secret on a public address is 401 for everybody, and nothing is read."""
    async with running(closed={"interactly"}) as service:
        assert await post(await serve(service.app), HANG) == (401, {"error": "unauthorized"})


# --- 408, 413, 429 ---


async def test_a_body_that_trickles_is_cut_off(serve: Serve, connect: Connect) -> None:
    """The read timeout of the configuration holds for the whole body."""
    async with running(replace(Config(), webhooks=WebhooksConfig(read_timeout=0.1))) as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(PATH, "Content-Length: 100") + b"{")

        assert await wire.answer() == (408, b'{"error": "body was not complete within 0.1 s"}\n')
        assert service.refused() == {("unknown", "timeout"): 1}


@pytest.mark.parametrize("way", ["declared", "chunked", "bomb"])
async def test_a_body_that_is_too_large_is_refused(serve: Serve, connect: Connect, way: str) -> None:
    """By its declared length, by the bytes that came, or by what they inflate to."""
    bomb = gzip.compress(bytes(10_000))
    sent = {
        "declared": head(PATH, "Content-Length: 1001"),
        "chunked": head(PATH, "Transfer-Encoding: chunked") + b"3e9\r\n" + bytes(1001) + b"\r\n",
        "bomb": head(PATH, "Content-Encoding: gzip", f"Content-Length: {len(bomb)}") + bomb,
    }
    async with running(replace(Config(), webhooks=WebhooksConfig(max_body_bytes=1000))) as service:
        wire = await connect(await serve(service.app))
        await wire.send(sent[way])

        assert await wire.answer() == (413, b'{"error": "body is larger than 1000 bytes"}\n')
        assert service.refused() == {("unknown", "too_large"): 1}


async def test_a_source_above_its_rate_is_limited(serve: Serve) -> None:
    """429 with Retry-After, before the secret is looked at."""
    async with running(config(rate_limit=1.0)) as service:
        url = await serve(service.app)
        await post(url, HANG, x_interactly_secret=SECRET)
        async with aiohttp.ClientSession() as session, session.post(url + PATH, data=HANG) as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "1"
            assert await answer.json() == {"error": "too many requests from this address"}

        assert service.refused() == {("hang", "counted"): 1, ("unknown", "limited"): 1}


async def test_the_rate_is_of_the_client_behind_a_trusted_proxy(serve: Serve) -> None:
    """One client behind it uses up its own rate only; without trust the header changes nothing."""
    trusted = Config(limits=Limits(rate_limit=0.001, trusted_proxies=(ip_network("127.0.0.1"),)))
    async with running(trusted) as service:
        url = await serve(service.app)
        for address, status in (
            ("192.0.2.1", 200),
            ("192.0.2.1", 429),
            ("192.0.2.2", 200),
            ("6.6.6.6, 192.0.2.2", 429),
        ):
            assert (await post(url, HANG, X_Forwarded_For=address))[0] == status
    async with running(Config(limits=Limits(rate_limit=0.001))) as service:
        url = await serve(service.app)
        for address, status in (("192.0.2.1", 200), ("192.0.2.2", 429)):
            assert (await post(url, HANG, X_Forwarded_For=address))[0] == status


async def test_no_more_than_the_limit_are_answered_at_once(serve: Serve) -> None:
    """While one event waits for the store, the next is 429; afterwards it is let in."""
    store = Held()
    async with running(replace(Config(), limits=Limits(max_in_flight=1)), store) as service:
        url = await serve(service.app)
        first = asyncio.create_task(post(url, HANG))
        await store.asked.wait()

        assert await post(url, HANG) == (429, {"error": "too many requests in flight"})

        store.release.set()
        assert (await first)[0] == 200
        assert (await post(url, HANG))[0] == 200


# --- 501, 503 ---


async def test_what_needs_an_answer_is_not_swallowed(serve: Serve) -> None:
    """An empty 200 would break the call, so the platform gets 501 and the event its own outcome."""
    async with running() as service:
        body = b'{"message": {"type": "assistant-request"}}'
        status, answer = await post(await serve(service.app), body, "/webhook/vapi")

        assert (status, answer) == (501, {"error": "assistant-request needs an answer and no relay is configured"})
        assert service.refused() == {("assistant-request", "unanswerable"): 1}


async def test_what_cannot_be_kept_is_refused(serve: Serve) -> None:
    """503 with Retry-After, nothing counted, and readiness says why; how the disk fares is no client's business."""
    async with running(store=Failing()) as service:
        url = await serve(service.app)
        async with aiohttp.ClientSession() as session, session.post(url + PATH, data=HANG) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "5"
            assert await answer.json() == {"error": "cannot keep the event now"}
        async with aiohttp.ClientSession() as session, session.get(f"{url}/-/ready") as ready:
            assert (ready.status, await ready.text()) == (503, "storage: no space left on device\n")

        assert service.refused() == {("hang", "unavailable"): 1}
        assert service.sample("voice_hangs_total") == 0


async def test_a_defect_is_no_500(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The unexpected is 503, with a line in the log that says where and shows nothing of the content."""

    def parse(_platform: platform.Platform, _body: bytes, _cache: HistoryCache | None) -> Event:
        raise RuntimeError("Ada Example")

    monkeypatch.setattr(platform.Platform, "parse", parse)
    async with running() as service:
        assert await post(await serve(service.app), HANG) == (503, {"error": "internal error"})
        assert service.refused() == {("unknown", "unavailable"): 1}

    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.ERROR, "webhook failed")]
    fields = vars(caplog.records[0])["fields"]
    assert fields["platform"] == "interactly"
    assert fields["error"].startswith("RuntimeError at ")
    assert "Ada" not in str(vars(caplog.records[0]))


# --- beside each other ---


async def test_refusals_exist_at_zero_before_the_first() -> None:
    """A counter that starts at 0 lets increase() see the first refusal."""
    async with running() as service:
        text = service.recorder.table
        outcomes = {
            series.labels[2]
            for family in text.families()
            for series in family.series
            if family.metric.name == "voice_exporter_webhooks_total"
        }
        assert outcomes == {"unauthorized", "invalid", "too_large", "timeout", "limited", "unanswerable", "unavailable"}


async def test_slow_clients_hurt_nobody(serve: Serve, connect: Connect) -> None:
    """With more slow bodies than requests may be in flight, an honest client is served at once."""
    async with running(replace(Config(), limits=Limits(max_in_flight=2))) as service:
        url = await serve(service.app)
        slow = [await connect(url) for _ in range(10)]
        for wire in slow:
            await wire.send(head(PATH, "Content-Length: 100") + b"{")

        assert (await post(url, HANG))[0] == 200


async def test_a_connection_survives_a_refusal(serve: Serve, connect: Connect) -> None:
    """After an error whose body was complete, the next request on the connection is answered."""
    async with running() as service:
        wire: Wire = await connect(await serve(service.app))
        await wire.send(head(PATH, "Content-Length: 2") + b"{}")
        assert (await wire.answer())[0] == 400
        await wire.send(head(PATH, f"Content-Length: {len(HANG)}") + HANG)
        assert (await wire.answer())[0] == 200
