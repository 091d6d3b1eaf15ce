"""What the application gets, and what never reaches it."""

import gzip
import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest

from exporter.config import Auth, Limits
from tests.conftest import Connect, Serve, head
from tests.relay.application import Application, application, post
from tests.relay.conftest import KEY, SECRET, Exporter, config
from tests.support.service import running

HANG = b'{"message":{"type":"hang","timestamp":1767603607000,"call":{"id":"c1","assistantId":"a1"}}}'


def fields(behind: Application) -> dict[str, str]:
    """The headers of the only request, names in lower case."""
    [seen] = behind.seen
    return {name.lower(): value for name, value in seen.headers.items()}


@pytest.mark.parametrize("rest", ["", "/tools", "/a/b.c/", "?a=1&a=2&b=%2F+x", "/tools?q=..%2f..", "/?x"])
async def test_path_and_query_follow_the_configured_url(exporter: Exporter, rest: str) -> None:
    """What stands behind the webhook's path is kept, byte for byte."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        assert (await post(front.url + rest, HANG, KEY)).status == 200
        assert [(seen.method, seen.path) for seen in behind.seen] == [("POST", f"/hook{rest}")]
        assert front.service.sample("voice_hangs_total") == 1


@pytest.mark.parametrize(
    "path",
    ["/../admin", "/x/../../admin", "//admin", "/%2e%2e/admin", "/..;/admin", "/x//y", "/a%20b", "\\..\\x", "@evil/"],
)
async def test_no_path_leads_elsewhere(exporter: Exporter, connect: Connect, path: str) -> None:
    """Paths that a server could read as another place are 404 and go nowhere."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        wire = await connect(front.url)
        await wire.send(head(f"/webhook/vapi{path}", f"{KEY[0]}: {SECRET}", f"Content-Length: {len(HANG)}") + HANG)
        status, _ = await wire.answer()
        assert status in {400, 404}
        assert behind.seen == []


async def test_an_absolute_request_target_leads_nowhere_else(exporter: Exporter, connect: Connect) -> None:
    """A request target with a host of its own is not followed: this is no open proxy."""
    async with application() as behind, application() as other:
        front = await exporter(config(behind.url))
        wire = await connect(front.url)
        lines = (f"{KEY[0]}: {SECRET}", f"Content-Length: {len(HANG)}", "X-Original-URL: /x", f"X-Host: {other.url}")
        await wire.send(head(other.url, *lines) + HANG)
        await wire.answer()
        await wire.send(head("/webhook/vapi", *lines) + HANG)
        assert (await wire.answer())[0] == 200
        assert other.seen == []
        assert [seen.path for seen in behind.seen] == ["/hook"]


async def test_paths_below_a_webhook_without_relay_are_unknown(serve: Serve) -> None:
    """Only an application behind a relay has further paths, and they take POST alone."""
    async with running() as service, application() as behind:
        url = await serve(service.app)
        assert (await post(f"{url}/webhook/vapi/tools", HANG)).status == 404
        service.webhooks.configure(config(behind.url))
        assert (await post(f"{url}/webhook/vapi/tools", HANG, KEY)).status == 200
        assert (await post(f"{url}/webhook/interactly/tools", HANG)).status == 404
        assert (await post(f"{url}/webhook/unknown/tools", HANG)).status == 404


async def test_only_posts_are_passed_on(exporter: Exporter, connect: Connect) -> None:
    """Other methods are 405, on the webhook's path and below it."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        wire = await connect(front.url)
        for path in ("/webhook/vapi", "/webhook/vapi/tools"):
            for method in ("GET", "PUT", "DELETE", "OPTIONS"):
                await wire.send(head(path, f"{KEY[0]}: {SECRET}", method=method))
                assert (await wire.answer())[0] == 405
        assert behind.seen == []


async def test_headers_that_matter_go_on(exporter: Exporter) -> None:
    """The platform's headers, those of proxies in front, and nothing that aiohttp would add by itself."""
    sent = (("Content-Type", "application/json; charset=utf-8"), ("X-Call-Id", "c1"), ("Cookie", "a=1"))
    async with application() as behind:
        front = await exporter(config(behind.url))
        await post(front.url, HANG, KEY, *sent, ("Authorization", "Bearer its-own"), ("X-Forwarded-For", "203.0.113.9"))
        got = fields(behind)
        assert {(name, got[name.lower()]) for name, _ in sent} == set(sent)
        assert got["authorization"] == "Bearer its-own"
        assert got["host"] == behind.url.split("/")[2]
        assert got["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
        assert got["x-forwarded-proto"] == "http"
        assert got["x-forwarded-host"] == front.url.split("/")[2]
        assert got["via"] == "1.1 voice-exporter"
        assert got["content-length"] == str(len(HANG))
        assert got["user-agent"].startswith("Python/")


async def test_nothing_is_added_to_a_bare_request(exporter: Exporter, connect: Connect) -> None:
    """No user agent, content type, Accept or Accept-Encoding that the platform did not send."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        wire = await connect(front.url)
        await wire.send(head("/webhook/vapi", f"{KEY[0]}: {SECRET}", f"Content-Length: {len(HANG)}") + HANG)
        assert (await wire.answer())[0] == 200
        forwarded = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"}
        assert set(fields(behind)) == {"host", "content-length", *forwarded}


async def test_headers_of_the_connection_stay(exporter: Exporter, connect: Connect) -> None:
    """What is meant for the exporter alone goes no further; a body that came in chunks goes on whole."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        wire = await connect(front.url)
        lines = (f"{KEY[0]}: {SECRET}", "Connection: x-hop", "X-Hop: 1", "Keep-Alive: max=5", "TE: trailers")
        await wire.send(head("/webhook/vapi", *lines, "Transfer-Encoding: chunked"))
        await wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(HANG), HANG))
        assert (await wire.answer())[0] == 200
        assert fields(behind).keys().isdisjoint({"connection", "x-hop", "keep-alive", "te", "transfer-encoding"})
        assert behind.seen[0].body == HANG


async def test_who_asks_to_be_told_to_continue_is_told(exporter: Exporter, connect: Connect) -> None:
    """Expect is answered by the exporter and goes no further."""
    async with application() as behind:
        front = await exporter(config(behind.url))
        wire = await connect(front.url)
        lines = (f"{KEY[0]}: {SECRET}", f"Content-Length: {len(HANG)}", "Expect: 100-continue")
        await wire.send(head("/webhook/vapi", *lines))
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await wire.send(HANG)
        assert (await wire.answer())[0] == 200
        assert "expect" not in fields(behind)


AUTHS = {
    "header": (Auth(headers=("x-vapi-secret",)), {"x-vapi-secret": SECRET}),
    "own header": (Auth(headers=("x-own",)), {"x-own": SECRET, "x-vapi-secret": "whatever"}),
    "bearer": (Auth(type="bearer", headers=("authorization",)), {"authorization": f"Bearer {SECRET}"}),
    "nobody asks": (Auth(type="none"), {"x-vapi-secret": SECRET}),
}


@pytest.mark.parametrize("name", sorted(AUTHS))
@pytest.mark.parametrize("forward", [False, True])
async def test_the_secret_goes_on_only_if_asked(exporter: Exporter, name: str, *, forward: bool) -> None:
    """The headers that carry the webhook's secret are taken out, unless forward_secret is set."""
    auth, sent = AUTHS[name]
    async with application() as behind:
        front = await exporter(config(behind.url, auth=auth, forward_secret=forward))
        assert (await post(front.url, HANG, *sent.items())).status == 200
        got = fields(behind)
        assert {header: got.get(header) for header in sent} == (sent if forward else dict.fromkeys(sent))


@pytest.mark.parametrize("header", ["X-Interactly-Secret", "X-INTERACTLY.AI-SECRET"])
async def test_interactly_has_relays_as_well(exporter: Exporter, header: str) -> None:
    """Each platform has its own application; neither of the two spellings of the secret goes on."""
    async with application() as behind:
        front = await exporter(config(behind.url, platform="interactly"))
        url = front.url.replace("vapi", "interactly")
        assert (await post(url, HANG, (header, SECRET))).body == b'{"assistantId": "ada-example"}'
        assert header.lower() not in fields(behind)
        assert front.service.sample("voice_hangs_total", platform="interactly") == 1
        assert (await post(front.url, HANG)).body == b'{"status":"ok"}\n'
        assert len(behind.seen) == 1


async def test_a_signature_goes_on_with_the_bytes_it_signs(exporter: Exporter) -> None:
    """The application can still check the signature for itself: it is no secret, and the body is as it was."""
    now = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), f"{now}.".encode() + HANG, hashlib.sha256).hexdigest()
    async with application() as behind:
        front = await exporter(config(behind.url, auth=Auth(type="hmac")))
        assert (await post(front.url, HANG, ("X-Signature", signature), ("X-Timestamp", now))).status == 200
        assert fields(behind)["x-signature"] == signature
        assert behind.seen[0].body == HANG
        assert (await post(front.url, HANG, ("X-Signature", "0" * 64), ("X-Timestamp", now))).status == 401
        assert len(behind.seen) == 1


REFUSED = {
    "no secret": ((), HANG, 401),
    "wrong secret": ((("X-Vapi-Secret", "wrong"),), HANG, 401),
    "two secrets": ((KEY, KEY), HANG, 401),
    "too large": ((KEY,), b"x" * 1001, 413),
    "too large inflated": ((KEY, ("Content-Encoding", "gzip")), gzip.compress(b"x" * 1001), 413),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_who_may_not_post_reaches_nobody(exporter: Exporter, name: str) -> None:
    """Secrets and size come first: what is refused never reaches the application."""
    sent, body, status = REFUSED[name]
    async with application() as behind:
        settings = config(behind.url)
        front = await exporter(replace(settings, webhooks=replace(settings.webhooks, max_body_bytes=1000)))
        assert (await post(front.url, body, *sent)).status == status
        assert behind.seen == []


async def test_a_signature_that_nobody_can_check(exporter: Exporter) -> None:
    """Who signs must send what can be read: without a judgement on the sender nothing goes on."""
    async with application() as behind:
        front = await exporter(config(behind.url, auth=Auth(type="hmac")))
        assert (await post(front.url, HANG, ("Content-Encoding", "br"))).status == 400
        assert behind.seen == []


async def test_one_source_may_only_send_so_much(exporter: Exporter) -> None:
    """The rate limit holds in front of a relay, too."""
    async with application() as behind:
        front = await exporter(config(behind.url, limits=Limits(rate_limit=1)))
        statuses = [(await post(front.url, HANG, KEY)).status for _ in range(3)]
        assert statuses == [200, 429, 429]
        assert len(behind.seen) == 1


async def test_a_relay_that_leads_back_ends(exporter: Exporter) -> None:
    """An exporter that is configured as its own application answers 502 instead of asking itself for ever."""
    front = await exporter(config("http://127.0.0.1:9/", auth=Auth(type="none")))
    front.service.webhooks.configure(config(front.url, auth=Auth(type="none")))
    answer = await post(front.url, HANG)
    assert (answer.status, json.loads(answer.body)) == (502, {"error": "the relay leads back to the exporter"})
    assert front.service.sample("voice_hangs_total") == 1
