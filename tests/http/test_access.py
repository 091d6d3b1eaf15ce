import asyncio
import base64
import json
import signal
import threading
from pathlib import Path

import aiohttp
import bcrypt
import pytest

from exporter.errors import WebConfigError
from exporter.http.access import DEFAULT_HEADERS, WebConfig
from exporter.http.admission import TokenBucket
from exporter.http.basic_auth import MAX_WAITING
from exporter.http.tls import Tls
from tests.conftest import StartExporter
from tests.support.guarded import USERS, ask, guarding, serve
from tests.support.waiting import reached

# Basic authentication


@pytest.mark.parametrize(
    ("user", "status"), [("ada:one", 200), ("ada:two", 401), ("eve:one", 401), ("ada", 401), ("", 401), (":", 401)]
)
async def test_basic_auth(user: str, status: int) -> None:
    """Only a known user with the right password reads; the refusal asks for credentials."""
    async with serve(WebConfig(users=USERS)) as url:
        response = await ask(f"{url}/metrics", user=user)
        assert response.status == status
        assert response.headers.get("WWW-Authenticate") == (None if status == 200 else 'Basic realm="voice-exporter"')


async def test_webhooks_have_their_own_check() -> None:
    """A webhook needs no password, every other path does, existing or not, however it is written."""
    async with serve(WebConfig(users=USERS)) as url:
        assert (await ask(f"{url}/webhook/vapi", method="POST")).status == 200
        for path in ("/metrics", "/incidents", "/nothing", "/%6detrics", "//metrics", "/webhook"):
            assert (await ask(f"{url}{path}")).status == 401, path


async def test_a_path_cannot_pretend_to_be_a_webhook() -> None:
    """What starts like a webhook reaches no page."""
    async with serve(WebConfig(users=USERS)) as url:
        host, port = url.removeprefix("http://").split(":")
        for path in ("/webhook/../metrics", "/webhook/%2e%2e/metrics", "/webhook/..%2fmetrics", "/webhook/;/metrics"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            assert b"page" not in answer, path
            writer.close()
            await writer.wait_closed()


async def test_two_authorization_headers_are_refused() -> None:
    """Which of them counts is anybody's guess, so neither does."""
    value = f"Basic {base64.b64encode(b'ada:one').decode()}"
    async with serve(WebConfig(users=USERS)) as url, aiohttp.ClientSession() as session:
        headers = [("Authorization", value), ("Authorization", value)]
        async with session.get(f"{url}/metrics", headers=headers) as response:
            assert response.status == 401


async def test_too_many_guesses_at_once_are_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what may wait the answer is 429; all is well again once the guessing ends."""
    go_on, real = threading.Event(), bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *both: go_on.wait(20) and real(*both))
    async with serve(WebConfig(users=USERS)) as url:
        guesses = [asyncio.create_task(ask(f"{url}/metrics", user=f"ada:{n}")) for n in range(MAX_WAITING + 1)]
        (first,), rest = await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        assert (first.result().status, first.result().headers["Retry-After"]) == (429, "1")
        go_on.set()
        assert {answer.status for answer in await asyncio.gather(*rest)} == {401}
        assert (await ask(f"{url}/metrics", user="ada:one")).status == 200


async def test_without_users_everybody_reads() -> None:
    """An empty web configuration leaves the pages open."""
    async with serve(WebConfig()) as url:
        assert (await ask(f"{url}/metrics")).status == 200


# Headers


async def test_security_headers() -> None:
    """Defaults are set on every answer but a webhook's, the file's win over them, and the page's over both."""
    config = WebConfig(headers={"Strict-Transport-Security": "max-age=60", "X-Content-Type-Options": ""}, users=USERS)
    async with serve(config) as url:
        for user, path, status in (("ada:one", "/metrics", 200), ("", "/metrics", 401), ("ada:one", "/nothing", 404)):
            response = await ask(f"{url}{path}", user=user)
            assert response.status == status
            assert response.headers["Content-Security-Policy"] == DEFAULT_HEADERS["Content-Security-Policy"]
            assert response.headers["X-Frame-Options"] == "deny"
            assert response.headers["Strict-Transport-Security"] == "max-age=60"
            assert "X-Content-Type-Options" not in response.headers
        assert (await ask(f"{url}/framed", user="ada:one")).headers["X-Frame-Options"] == "sameorigin"
        webhook = await ask(f"{url}/webhook/vapi", method="POST")
        assert webhook.headers.keys().isdisjoint({*DEFAULT_HEADERS, "Strict-Transport-Security"})


# Reload


async def test_users_and_headers_change_without_a_restart() -> None:
    """A new configuration counts from the next request on, remembered passwords included."""
    before = WebConfig(users=USERS)
    guard = guarding(before)
    async with serve(before, guard) as url:
        assert (await ask(f"{url}/metrics", user="ada:one")).status == 200
        users = {"ada": bcrypt.hashpw(b"new", bcrypt.gensalt(4))}
        guard.prepare(WebConfig(users=users, headers={"X-Frame-Options": "sameorigin"}))()
        assert (await ask(f"{url}/metrics", user="ada:one")).status == 401
        response = await ask(f"{url}/metrics", user="ada:new")
        assert (response.status, response.headers["X-Frame-Options"]) == (200, "sameorigin")


async def test_a_rate_limit_is_for_pages() -> None:
    """So many at once and one more each interval, before any password is looked at; webhooks have their own limit."""
    async with serve(WebConfig(users=USERS, rate_limit=(3600.0, 2))) as url:
        statuses = [(await ask(f"{url}/metrics", user="ada:one")).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = await ask(f"{url}/metrics")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert (await ask(f"{url}/webhook/vapi", method="POST")).status == 200


def test_a_token_bucket_fills_again() -> None:
    """A burst, then one each interval, and never more than the burst; a burst of nothing lets nothing in."""
    bucket = TokenBucket(10.0, 2)
    assert [bucket.take(now) for now in (0, 0, 0, 9, 10, 10, 100, 100, 100)] == [
        *(True, True, False, False, True, False, True, True, False)
    ]
    assert not TokenBucket(10.0, 0).take(0)


async def test_tls_changes_at_a_restart_only() -> None:
    """A reload that changes TLS is refused and changes nothing else."""
    guard = guarding(WebConfig(users=USERS))
    with pytest.raises(WebConfigError, match="tls_server_config: changed: this takes effect at a restart only"):
        guard.prepare(WebConfig(tls=Tls(Path("server.pem"), Path("server.key"))))()
    async with serve(WebConfig(users=USERS), guard) as url:
        assert (await ask(f"{url}/metrics")).status == 401


# The exporter itself


async def test_a_signal_reloads_users(start_exporter: StartExporter, tmp_path: Path) -> None:
    """SIGHUP takes up new passwords; a broken file is told without its content, and the old users stay."""
    file = tmp_path / "web.yml"
    file.write_text(json.dumps({"basic_auth_users": {"ada": USERS["ada"].decode()}}))
    exporter = start_exporter(f"--web.config.file={file}")
    page_url = f"{exporter.url}/metrics"
    assert (await ask(page_url, user="ada:one")).status == 200
    file.write_text('basic_auth_users: {ada: "canary"}')
    exporter.signal(signal.SIGHUP)
    await reached("the fault in the log", lambda: "not reloaded" in exporter.log)
    assert (await ask(page_url, user="ada:one")).status == 200
    file.write_text(json.dumps({"basic_auth_users": {"ada": bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()}}))
    exporter.signal(signal.SIGHUP)
    await reached("a reload in the log", lambda: 'msg="configuration reloaded"' in exporter.log)
    assert (await ask(page_url, user="ada:one")).status == 401
    assert (await ask(page_url, user="ada:new")).status == 200
    assert "canary" not in exporter.log


async def test_a_broken_file_stops_the_start(start_exporter: StartExporter, tmp_path: Path) -> None:
    """The exporter does not start open because its guard cannot be read."""
    file = tmp_path / "web.yml"
    file.write_text("basic_auth_user: {}")
    exporter = start_exporter(f"--web.config.file={file}", ready=False)
    assert await asyncio.to_thread(exporter.wait) == 2
    assert exporter.log.count("\n") == 1
    assert f"{file}:1: basic_auth_user: unknown key" in exporter.log
