"""Where webhooks are, with which method, and which pages may post to them."""

import pytest

from exporter.config import Auth, Config
from tests.conftest import Connect, Serve, head
from tests.support.service import running
from tests.webhooks.posting import HANG, PATH, SECRET, config, post, rejected

# --- 403 ---


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("headers", "open_status"),
    [
        (("Host: localhost:1", "Origin: http://evil.example"), 403),
        (("Host: localhost:1", "Origin: http://localhost:3000"), 403),
        (("Host: localhost:1", "Sec-Fetch-Site: cross-site"), 403),
        (("Host: evil.example:1", "Origin: http://evil.example:1", "Sec-Fetch-Site: same-origin"), 403),
        (("Host: localhost:1", "Origin: http://localhost:1"), 200),
        (("Host: 192.0.2.1:1",), 200),
        (("Host: voice.example.com",), 200),
    ],
)
async def test_no_page_makes_a_browser_post(
    serve: Serve, connect: Connect, headers: tuple[str, ...], open_status: int, *, fast: bool
) -> None:
    """Where no secret protects: not across sites, and not through a name that leads here; with one all are let in."""
    for settings, status in ((Config(), open_status), (config(), 200)):
        async with running(settings) as service:
            wire = await connect(await serve(service.app))
            await wire.send(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            await wire.answer()
            lines = (*headers, f"X-Interactly-Secret: {SECRET}", f"Content-Length: {len(HANG)}")
            target = PATH if fast else f"{PATH}?regular"
            request = "\r\n".join((f"POST {target} HTTP/1.1", *lines, "", "")).encode()
            await wire.send(request + HANG)

            assert (await wire.answer())[0] == status
            assert service.webhooks.receiver.idle
            outcome = ("unknown", "unauthorized") if status == 403 else ("hang", "counted")
            assert service.refused() == {outcome: 1}


async def test_a_webhook_that_is_open_by_decision_takes_any_name(serve: Serve, connect: Connect) -> None:
    """Such as that of a proxy in front; across sites nobody posts there either."""
    opened = Auth("none", explicit=True)
    async with running(config(opened)) as service:
        url = await serve(service.app)
        for origin, status in (("", 200), ("Origin: http://evil.example", 403)):
            wire = await connect(url)
            lines = ("Host: voice.example.com", *filter(None, [origin]), f"Content-Length: {len(HANG)}")
            await wire.send("\r\n".join((f"POST {PATH} HTTP/1.1", *lines, "", "")).encode() + HANG)

            assert (await wire.answer())[0] == status


# --- 404 and 405 ---


@pytest.mark.parametrize(
    "target",
    [
        "/webhook/nobody",
        "/webhook/",
        "/webhook/interactly/",
        "/webhook//interactly",
        "//webhook/interactly",
        "/webhook/./interactly",
        "/webhook/x/../interactly",
        "/webhook/%69nteractly",
        "/webhook%2finteractly",
        "/WEBHOOK/interactly",
        "/webhook/interactly;x",
        "http://exporter/webhook/nobody",
        "http://exporter/webhook/%69nteractly",
        "http://exporter//webhook/interactly",
    ],
)
async def test_only_the_plain_path_is_known(serve: Serve, connect: Connect, target: str) -> None:
    """There is one way to write a webhook's path; anything else is a clean 404."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(target, f"Content-Length: {len(HANG)}") + HANG)

        assert await wire.answer() == (404, b'{"error": "unknown path or platform"}\n')
        assert service.refused() == {}
        assert rejected(service) == ("unknown", 404, "unknown path or platform")


@pytest.mark.parametrize("target", ["*", "webhook/interactly", "/webhook/inter\xe4ctly", "/ /", ""])
async def test_what_is_no_path_is_malformed(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """What HTTP does not allow is refused without a word about it, and fills no log."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(target, f"X-Interactly-Secret: {SECRET}"))

        assert await wire.answer() == (400, b'{"error": "malformed request"}')
        assert not caplog.records


@pytest.mark.parametrize("target", ["http://exporter/webhook/interactly", "HTTPS://x.example:1/webhook/interactly?a=b"])
async def test_a_whole_url_is_a_path(serve: Serve, connect: Connect, target: str) -> None:
    """As a client sends it that takes the exporter for its proxy: every server must take it."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(target, f"Content-Length: {len(HANG)}") + HANG)

        assert (await wire.answer())[0] == 200
        assert service.refused() == {("hang", "counted"): 1}


async def test_proxies_may_add_many_headers(serve: Serve, connect: Connect) -> None:
    """A chain of them adds a hundred; thousands are nobody's."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        many = [f"X-Hop-{number}: {number}" for number in range(200)]
        await wire.send(head(PATH, *many, f"Content-Length: {len(HANG)}") + HANG)
        assert (await wire.answer())[0] == 200
        await wire.send(head(PATH, *many, *many))

        assert (await wire.answer())[0] == 400


async def test_a_query_changes_nothing(serve: Serve) -> None:
    """The platform is in the path alone."""
    async with running() as service:
        assert (await post(await serve(service.app), HANG, f"{PATH}?platform=vapi"))[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_webhooks_take_posts_only(serve: Serve, connect: Connect, method: str) -> None:
    """Another method is 405 and told which one is allowed."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(PATH, method=method))

        answer = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
        assert answer.startswith("HTTP/1.1 405 ")
        assert "\r\nAllow: POST\r\n" in answer
