"""The examples of proxies in front of the exporter, in the real proxies."""

import asyncio
import hashlib
import hmac
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Running, StartExporter
from tests.support import proxies
from tests.support.certificates import Authority, Identity
from tests.support.pages import ROOT
from tests.support.postgres import Postgres
from tests.support.servers import free_port
from tests.support.waiting import until
from tests.webhooks.posting import HANG

EXAMPLES = ROOT / "docs" / "examples"
SECRET = "s3cr3t-of-the-platforms"
BACKEND = "127.0.0.1:10060"


def adapted(name: str, **places: str) -> str:
    """An example with other words in the places of some; each is there."""
    text = (EXAMPLES / name).read_text()
    for before, after in places.items():
        assert before in text
        text = text.replace(before, after)
    return text


def nginx(folder: Path, port: int, backend: str, identity: Identity) -> list[str]:
    """The command of an nginx whose configuration includes the example."""
    live = "/etc/letsencrypt/live/voice.example.com"
    places = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        f"{live}/fullchain.pem": str(identity.cert),
        f"{live}/privkey.pem": str(identity.key),
        BACKEND: backend,
    }
    return proxies.nginx(folder, adapted("nginx.conf", **places))


def caddy(folder: Path, port: int, backend: str, identity: Identity) -> list[str]:
    """The command of a Caddy whose configuration is the example, but for its certificate."""
    here = f"https://127.0.0.1:{port} {{\n\ttls {identity.cert} {identity.key}"
    text = adapted("Caddyfile", **{"voice.example.com {": here, BACKEND: backend})
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture
def exporter(start_exporter: StartExporter, tmp_path: Path) -> Running:
    """An exporter behind a proxy: Vapi signs the URL, Interactly sends its secret."""
    config = tmp_path / "voice.yml"
    config.write_text(
        f"limits: {{rate_limit: 1000, trusted_proxies: [127.0.0.1]}}\n"
        f"webhooks: {{interactly: {{secrets: [{SECRET}]}},"
        f' vapi: {{secrets: [{SECRET}], auth: {{type: hmac, payload_format: "{{url}}{{body}}"}}}}}}'
    )
    return start_exporter(f"--config.file={config}")


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path, exporter: Running) -> Iterator[str]:
    """Where the proxy listens."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    identity = Authority(folder, "ca").issue("proxy", "IP:127.0.0.1")
    port = free_port()
    command: Callable[[Path, int, str, Identity], list[str]] = request.param
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        words = command(folder, port, exporter.addresses[0], identity)
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    try:
        address = f"https://127.0.0.1:{port}"
        until("the proxy answers", lambda: process.poll() is None and _answers(address, folder / "log"), seconds=60)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _answers(url: str, log: Path) -> bool:
    done = subprocess.run(["curl", "-sk", "-o", os.devnull, url], check=False)
    assert done.returncode in {0, 7, 35}, log.read_text()
    return done.returncode == 0


@pytest.fixture
def replicas(start_exporter: StartExporter, postgres: Postgres) -> list[Running]:
    """Three that share a database."""
    storage = f"--storage.url={postgres.database()}"
    started = [start_exporter(storage, ready=False) for _ in range(3)]
    for replica in started:
        replica.wait_ready()
    return started


@pytest.fixture
def balancer(replicas: list[Running], tmp_path: Path) -> Iterator[str]:
    """Where nginx listens in front of the replicas."""
    port = free_port()
    servers = {f"replica-{number}:10060": replica.addresses[0] for number, replica in enumerate(replicas, 1)}
    example = adapted("nginx-replicas.conf", **servers, **{"listen 10060": f"listen 127.0.0.1:{port}"})
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(proxies.nginx(tmp_path, example), stdout=log, stderr=log)
    until("nginx answers", lambda: _answers(url, tmp_path / "log"))
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(20)


async def test_replicas_behind_nginx(balancer: str, replicas: list[Running]) -> None:
    """One dies with a request in its hands: every event is taken, and counted once; a page is answered as well."""
    host, _, port = replicas[1].addresses[0].rpartition(":")
    dying: list[asyncio.Server] = []

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        dying[0].close()
        writer.transport.abort()

    statuses = []
    for number in range(30):
        if number == 10:
            replicas[1].process.kill()
            replicas[1].process.wait()
            dying.append(await asyncio.start_server(die, host, int(port)))
        event = b'{"message": {"type": "hang", "timestamp": %d, "call": {"id": "c-1"}}}' % (1772702490000 + number)
        statuses.append(await post(f"{balancer}/webhook/interactly", event, {}))
    async with aiohttp.ClientSession() as session, session.get(f"{balancer}/metrics") as answer:
        counted = re.findall(r"^voice_hangs_total{.*} (\d+)$", await answer.text(), re.MULTILINE)
    assert not dying[0].is_serving()
    assert (statuses, counted) == ([200] * 30, ["30"])


async def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer to a request."""
    connector = aiohttp.TCPConnector(ssl=False)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, data=BytesIO(body), headers=headers) as answer,
    ):
        await answer.read()
        return answer.status


async def test_webhooks_come_through_with_their_secrets(proxy: str) -> None:
    """Either spelling of Interactly's header, one of which has a dot, and a signature over the URL that was asked."""
    for header in ("x-interactly-secret", "X-INTERACTLY.AI-SECRET"):
        assert await post(f"{proxy}/webhook/interactly", HANG, {header: SECRET}) == 200
        assert await post(f"{proxy}/webhook/interactly", HANG, {header: "wrong"}) == 401
    url, body = f"{proxy}/webhook/vapi?assistant=1", b'{"message":{"type":"hang","call":{"id":"c-1"}}}'
    digest = hmac.new(SECRET.encode(), url.encode() + body, hashlib.sha256).hexdigest()
    assert await post(url, body, {"X-Signature": digest}) == 200
    assert await post(url, body + b" ", {"X-Signature": digest}) == 401


async def test_nothing_else_is_published(proxy: str) -> None:
    """Metrics, pages and reload stay inside."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
        for path in ("/", "/metrics", "/-/healthy", "/-/reload", "/incidents"):
            async with session.get(proxy + path, allow_redirects=False) as answer:
                assert answer.status == 404, path


def test_a_body_may_be_as_large_as_the_exporter_takes(proxy: str, tmp_path: Path) -> None:
    """More than the megabyte that nginx takes by itself, and not more than the exporter does."""
    body = tmp_path / "body"
    for megabytes, status in ((3, "200"), (9, "413")):
        body.write_bytes(HANG + b" " * (megabytes * 1024 * 1024))
        # curl ends a connection whose request is refused half-way; aiohttp's client leaves it open for a while.
        command = ["curl", "-sk", "-o", os.devnull, "-w", "%{http_code}", "--data-binary", f"@{body}"]
        command += ["-H", f"x-interactly-secret: {SECRET}", f"{proxy}/webhook/interactly"]
        assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == status


def test_the_exporters_own_tls_is_as_shown(start_exporter: StartExporter, tmp_path: Path) -> None:
    """With the certificate in its place, metrics need TLS and the password, and webhooks none."""
    identity = Authority(tmp_path, "ca").issue("server", "IP:127.0.0.1")
    places = {
        "/etc/voice-exporter/server.pem": str(identity.cert),
        "/etc/voice-exporter/server.key": str(identity.key),
    }
    (tmp_path / "web.yml").write_text(adapted("web.yml", **places))
    running = start_exporter(f"--web.config.file={tmp_path / 'web.yml'}")
    url = f"https://{running.addresses[0]}"
    for path, status in (("/metrics", "401"), ("/webhook/vapi", "405")):
        command = ["curl", "-sk", "-o", os.devnull, "-w", "%{http_code}", url + path]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == status
