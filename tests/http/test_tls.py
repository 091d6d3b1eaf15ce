import asyncio
import json
import logging
import shutil
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import uvloop

from exporter.http.access import WebConfig
from exporter.http.tls import CIPHERS, Tls, client_allowed
from tests.conftest import StartExporter
from tests.support.certificates import Authority, Identity
from tests.support.guarded import USERS, ask, serve


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


# Certificates and protocols


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
        with caplog.at_level(logging.ERROR, "exporter.http.tls"):
            assert await shown(url, client(authority)) == before
            assert await shown(url, client(authority)) == before
        [fields] = [vars(record)["fields"] for record in caplog.records]
        assert fields["key"] == "key_file"
        assert fields["reason"].startswith(f"{server.key} is not the key")
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
    async with serve(WebConfig(tls=replace(tls, ciphers=(name,), curves=("secp384r1",)))) as url:
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


async def test_without_authorities_the_systems_decide(
    tls: Tls, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Go does: who has a certificate of an authority that the machine trusts gets in."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.identity.cert))
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    async with serve(WebConfig(tls=replace(tls, client_auth=ssl.CERT_REQUIRED))) as url:
        good = authority.issue("of-the-system", "DNS:prometheus")
        assert (await ask(f"{url}/metrics", client(authority, good))).status == 200
        with pytest.raises(aiohttp.ClientError):
            await ask(f"{url}/metrics", client(authority, stranger.issue("not-of-the-system", "DNS:prometheus")))


async def test_certificate_and_key_given_as_text(server: Identity, authority: Authority) -> None:
    """They may stand in the file itself."""
    settings = Tls(cert=server.cert.read_text(), key=server.key.read_text())
    async with serve(WebConfig(tls=settings)) as url:
        assert await shown(url, client(authority)) == der(server)


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
            with pytest.raises(OSError, match=r"alert|reset|EOF|Broken pipe"):
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
