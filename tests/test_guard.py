import asyncio
import base64
import json
import logging
import shutil
import signal
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import uvloop
from aiohttp import web

from exporter.guard import DEFAULT_HEADERS, Guard
from exporter.passwords import MAX_WAITING
from exporter.tls import CIPHERS, Tls, client_allowed
from exporter.webconfig import WebConfig, WebConfigError
from tests.certificates import Authority, Identity
from tests.conftest import StartExporter, until

USERS = {"ada": bcrypt.hashpw(b"one", bcrypt.gensalt(4))}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that all here trust."""
    return Authority(tmp_path_factory.mktemp("authority"), "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts, until told to."""
    return Authority(tmp_path_factory.mktemp("stranger"), "other-ca")


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Identity:
    """A server's certificate in files that may be overwritten."""
    own = Identity(tmp_path / "server.pem", tmp_path / "server.key")
    own.replace(authority.issue("server", "IP:127.0.0.1"))
    return own


@pytest.fixture
def tls(server: Identity) -> Tls:
    """TLS as the file asks for it when it only names certificate and key."""
    return Tls(cert_file=server.cert, key_file=server.key)


@pytest.fixture
def mutual(tls: Tls, authority: Authority, tmp_path: Path) -> Tls:
    """TLS that wants a client certificate, with the authorities in a file that may be overwritten."""
    path = tmp_path / "clients.pem"
    shutil.copy(authority.identity.cert, path)
    return replace(tls, client_auth=ssl.CERT_REQUIRED, client_ca_file=path)


def client(authority: Authority, identity: Identity | None = None) -> ssl.SSLContext:
    """TLS of a client that trusts the authority and shows the certificate."""
    context = ssl.create_default_context(cafile=str(authority.identity.cert))
    if identity:
        context.load_cert_chain(identity.cert, identity.key)
    return context


async def page(_request: web.Request) -> web.Response:
    """What is guarded."""
    return web.Response(text="page")


async def framed(_request: web.Request) -> web.Response:
    """A page that sets a header itself."""
    return web.Response(text="page", headers={"X-Frame-Options": "sameorigin"})


@asynccontextmanager
async def serve(config: WebConfig, guard: Guard | None = None) -> AsyncIterator[str]:
    """A guarded application on a free port; yields its URL."""
    app = web.Application()
    app.router.add_get("/metrics", page)
    app.router.add_get("/framed", framed)
    app.router.add_post("/webhook/vapi", page)
    (guard or guarding(config)).install(app)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=config.ssl_context())
        await site.start()
        yield f"{'https' if config.tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def guarding(config: WebConfig) -> Guard:
    """A guard that knows webhooks by their path."""
    return Guard(config, lambda request: request.path.startswith("/webhook/"))


async def ask(
    url: str, context: ssl.SSLContext | None = None, *, user: str = "", method: str = "GET"
) -> aiohttp.ClientResponse:
    """One request over a connection of its own."""
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, ssl=context or True, headers=headers) as response,
    ):
        await response.read()
        return response


async def shown(url: str, context: ssl.SSLContext) -> bytes:
    """The certificate that the server shows."""
    host, port = url.removeprefix("https://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return certificate


def der(identity: Identity) -> bytes:
    """A certificate as it goes over the wire."""
    return ssl.PEM_cert_to_DER_cert(identity.cert.read_text())


# TLS


async def test_pages_are_served_over_tls(tls: Tls, authority: Authority) -> None:
    """A client that trusts the authority reads the page; plain HTTP gets nothing."""
    async with serve(WebConfig(tls=tls)) as url:
        assert (await ask(f"{url}/metrics", client(authority))).status == 200
        with pytest.raises(aiohttp.ClientError):
            await ask(url.replace("https", "http") + "/metrics")


async def test_a_new_certificate_is_shown_without_a_restart(tls: Tls, server: Identity, authority: Authority) -> None:
    """The files are replaced, and the next handshake shows the new certificate."""
    async with serve(WebConfig(tls=tls)) as url:
        before = await shown(url, client(authority))
        server.replace(authority.issue("renewed", "IP:127.0.0.1"))
        after = await shown(url, client(authority))
        assert before != after == der(server)


def test_a_new_certificate_is_shown_under_uvloop(tls: Tls, server: Identity, authority: Authority) -> None:
    """The same on the event loop that the exporter runs on, client certificates included."""

    async def scenario() -> None:
        required = replace(tls, client_auth=ssl.CERT_REQUIRED, client_ca_file=authority.identity.cert)
        context = client(authority, authority.issue("prometheus", "DNS:prometheus"))
        async with serve(WebConfig(tls=replace(required, client_allowed_sans=frozenset({"prometheus"})))) as url:
            server.replace(authority.issue("renewed-uv", "IP:127.0.0.1"))
            assert await shown(url, context) == der(server)
            assert (await ask(f"{url}/metrics", context)).status == 200

    uvloop.run(scenario())


async def test_a_broken_certificate_leaves_the_old_one(
    tls: Tls, server: Identity, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a rotation, or rubbish, is logged once and not used; the rest of the rotation is."""
    renewed = authority.issue("renewed-late", "IP:127.0.0.1")
    async with serve(WebConfig(tls=tls)) as url:
        before = await shown(url, client(authority))
        shutil.copy(renewed.cert, server.cert)
        with caplog.at_level(logging.ERROR, "exporter.tls"):
            assert await shown(url, client(authority)) == before
            assert await shown(url, client(authority)) == before
        assert [f"key_file: {server.key} is not the key" in message for message in caplog.messages] == [True]
        server.key.unlink()
        assert await shown(url, client(authority)) == before
        shutil.copy(renewed.key, server.key)
        assert await shown(url, client(authority)) == der(renewed)


async def test_old_protocols_are_refused(tls: Tls, authority: Authority) -> None:
    """A client below min_version or above max_version gets no connection."""
    old, new = client(authority), client(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    new.minimum_version = ssl.TLSVersion.TLSv1_3
    for settings, welcome, refused in (
        (replace(tls, min_version=ssl.TLSVersion.TLSv1_3), new, old),
        (replace(tls, max_version=ssl.TLSVersion.TLSv1_2), old, new),
    ):
        async with serve(WebConfig(tls=settings)) as url:
            assert (await ask(f"{url}/metrics", welcome)).status == 200
            with pytest.raises(aiohttp.ClientConnectorError):
                await ask(f"{url}/metrics", refused)


async def test_cipher_suites_and_curve_are_the_only_ones(tls: Tls, authority: Authority) -> None:
    """A TLS 1.2 client that knows none of the suites, or not the curve, gets no connection."""
    name = CIPHERS["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]
    matching, cipher, curve = client(authority), client(authority), client(authority)
    matching.maximum_version = cipher.maximum_version = ssl.TLSVersion.TLSv1_2
    cipher.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    curve.set_ecdh_curve("secp521r1")
    async with serve(WebConfig(tls=replace(tls, ciphers=(name,), curve="secp384r1"))) as url:
        assert (await ask(f"{url}/metrics", matching)).status == 200
        for other in (cipher, curve):
            with pytest.raises(aiohttp.ClientConnectorError):
                await ask(f"{url}/metrics", other)


def test_every_cipher_is_known_to_openssl() -> None:
    """The names that Go's are translated to exist."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name in CIPHERS.values():
        context.set_ciphers(name)
        assert name in {cipher["name"] for cipher in context.get_ciphers()}


@pytest.mark.parametrize("prefer", [True, False])
async def test_whose_cipher_order_counts(tls: Tls, authority: Authority, prefer: bool) -> None:
    """The server's order with prefer_server_cipher_suites, else the client's."""
    ours, theirs = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"
    context = client(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{theirs}:{ours}")
    async with serve(WebConfig(tls=replace(tls, ciphers=(ours, theirs), prefer_server_ciphers=prefer))) as url:
        host, port = url.removeprefix("https://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        assert writer.get_extra_info("cipher")[0] == (ours if prefer else theirs)
        writer.close()
        await writer.wait_closed()


# Client certificates


async def test_a_client_certificate_is_required(mutual: Tls, authority: Authority, stranger: Authority) -> None:
    """None, or one of another authority, gets no connection."""
    good = authority.issue("prometheus", "DNS:prometheus")
    async with serve(WebConfig(tls=mutual)) as url:
        assert (await ask(f"{url}/metrics", client(authority, good))).status == 200
        for bad in (None, stranger.issue("eve", "DNS:prometheus")):
            with pytest.raises(aiohttp.ClientError):
                await ask(f"{url}/metrics", client(authority, bad))


async def test_a_client_certificate_is_verified_if_given(
    mutual: Tls, authority: Authority, stranger: Authority
) -> None:
    """No certificate is fine then, a bad one is not."""
    settings = replace(mutual, client_auth=ssl.CERT_OPTIONAL)
    async with serve(WebConfig(tls=settings)) as url:
        assert (await ask(f"{url}/metrics", client(authority))).status == 200
        with pytest.raises(aiohttp.ClientError):
            await ask(f"{url}/metrics", client(authority, stranger.issue("eve", "DNS:prometheus")))


async def test_authorities_given_as_text(mutual: Tls, authority: Authority) -> None:
    """The authorities may stand in the file itself."""
    settings = replace(mutual, client_ca_file=None, client_ca=authority.identity.cert.read_text())
    good = authority.issue("prometheus", "DNS:prometheus")
    async with serve(WebConfig(tls=settings)) as url:
        assert (await ask(f"{url}/metrics", client(authority, good))).status == 200
        with pytest.raises(aiohttp.ClientError):
            await ask(f"{url}/metrics", client(authority))


async def test_a_client_needs_an_allowed_name(mutual: Tls, authority: Authority) -> None:
    """A verified certificate without an allowed name reads nothing and posts nothing."""
    settings = replace(mutual, client_allowed_sans=frozenset({"prometheus", "::1", "spiffe://example/prometheus"}))
    async with serve(WebConfig(tls=settings)) as url:
        for index, san in enumerate(
            ("DNS:other,DNS:prometheus", "IP:0:0:0:0:0:0:0:1", "URI:spiffe://example/prometheus")
        ):
            good = authority.issue(f"good-{index}", san)
            assert (await ask(f"{url}/metrics", client(authority, good))).status == 200
        bad = authority.issue("prometheus", "DNS:prometheus.example")
        assert (await ask(f"{url}/metrics", client(authority, bad))).status == 403
        assert (await ask(f"{url}/webhook/vapi", client(authority, bad), method="POST")).status == 403


def test_no_certificate_has_no_name(mutual: Tls) -> None:
    """Without a certificate, or one without names, no allowed name is there."""
    settings = replace(mutual, client_allowed_sans=frozenset({"prometheus"}))
    assert not client_allowed(settings, None)
    assert not client_allowed(settings, {})
    assert client_allowed(mutual, None)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_removed_authority_is_not_trusted_any_more(
    mutual: Tls, authority: Authority, stranger: Authority, version: ssl.TLSVersion
) -> None:
    """Its clients are refused from the next handshake on; a session resumes before that, and not after."""
    assert mutual.client_ca_file
    context = client(authority, authority.issue("prometheus", "DNS:prometheus"))
    context.minimum_version = context.maximum_version = version
    async with serve(WebConfig(tls=mutual)) as url:
        session, _ = await asyncio.to_thread(fetch, url, context, None)
        session, resumed = await asyncio.to_thread(fetch, url, context, session)
        assert resumed
        shutil.copy(stranger.identity.cert, mutual.client_ca_file)
        for old in (session, None):
            with pytest.raises(OSError, match=r"alert|reset|EOF"):
                await asyncio.to_thread(fetch, url, context, old)


def fetch(
    url: str, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bool | None]:
    """One request that tries to resume a session; gives the session for the next, and whether this one was resumed."""
    host, port = url.removeprefix("https://").split(":")
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname=host, session=session) as connection,
    ):
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        if not answer.startswith(b"HTTP/1."):
            raise OSError("EOF")
        return connection.session, connection.session_reused


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
        for path in ("/metrics", "/nothing", "/%6detrics", "//metrics", "/webhook"):
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
        guard.update(WebConfig(users=users, headers={"X-Frame-Options": "sameorigin"}))
        assert (await ask(f"{url}/metrics", user="ada:one")).status == 401
        response = await ask(f"{url}/metrics", user="ada:new")
        assert (response.status, response.headers["X-Frame-Options"]) == (200, "sameorigin")


async def test_tls_changes_at_a_restart_only(tls: Tls) -> None:
    """A reload that changes TLS is refused and changes nothing else."""
    guard = guarding(WebConfig(users=USERS))
    with pytest.raises(WebConfigError, match="tls_server_config: changed: this takes effect at a restart only"):
        guard.update(WebConfig(tls=tls))
    async with serve(WebConfig(users=USERS), guard) as url:
        assert (await ask(f"{url}/metrics")).status == 401


# The exporter itself


async def test_the_exporter_guards_its_pages_and_not_its_webhooks(
    start_exporter: StartExporter, server: Identity, authority: Authority
) -> None:
    """With listeners apart, pages need TLS and a password, and webhooks neither."""
    users = {name: hashed.decode() for name, hashed in USERS.items()}
    tls = {"cert_file": server.cert.name, "key_file": server.key.name}
    file = server.cert.parent / "web.yml"
    file.write_text(json.dumps({"tls_server_config": tls, "basic_auth_users": users}))
    exporter = start_exporter(f"--web.config.file={file}", "--webhook.listen-address=127.0.0.1:0")
    pages, webhooks = exporter.addresses
    for path in ("/metrics", "/", "/-/healthy", "/-/ready", "/nothing"):
        assert (await ask(f"https://{pages}{path}", client(authority))).status == 401
    assert (await ask(f"https://{pages}/metrics", client(authority), user="ada:one")).status == 200
    assert (await ask(f"http://{webhooks}/webhook/vapi", method="POST")).status == 400
    assert (await ask(f"http://{webhooks}/metrics", user="ada:one")).status == 404
    assert exporter.stop() == 0


async def test_a_signal_reloads_users(start_exporter: StartExporter, tmp_path: Path) -> None:
    """SIGHUP takes up new passwords; a broken file is told without its content, and the old users stay."""
    file = tmp_path / "web.yml"
    file.write_text(json.dumps({"basic_auth_users": {"ada": USERS["ada"].decode()}}))
    exporter = start_exporter(f"--web.config.file={file}")
    page_url = f"{exporter.url}/metrics"
    assert (await ask(page_url, user="ada:one")).status == 200
    file.write_text('basic_auth_users: {ada: "canary"}')
    exporter.signal(signal.SIGHUP)
    await asyncio.to_thread(until, lambda: "not reloaded" in exporter.log, "the fault in the log")
    assert (await ask(page_url, user="ada:one")).status == 200
    file.write_text(json.dumps({"basic_auth_users": {"ada": bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()}}))
    exporter.signal(signal.SIGHUP)
    await asyncio.to_thread(until, lambda: 'msg="configuration reloaded"' in exporter.log, "a reload in the log")
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
