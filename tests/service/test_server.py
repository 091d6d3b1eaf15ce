"""The exporter as a process: start, signals, reload, stop, sockets."""

import http.client
import io
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import aiohttp
import pytest

from exporter.config import Config, PlatformConfig, WebhooksConfig
from exporter.service.server import Options, _web_addresses
from tests.conftest import Connect, Running, StartExporter, head, until
from tests.support.servers import free_port
from tests.webhooks.test_handler import HANG, PATH, post


async def metrics(url: str) -> str:
    """A scrape."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


def value(text: str, name: str) -> float:
    """The value of the only sample of that name."""
    return float(re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)[0])


def ends(running: Running) -> tuple[int, list[str]]:
    """Exit code and lines of a process that ends by itself, without the log's."""
    return running.wait(), [line for line in running.log.splitlines() if not line.startswith("time=")]


# --- start and stop ---


async def test_counts_go_on_after_a_restart(start_exporter: StartExporter) -> None:
    """SIGTERM is exit 0, and the next run knows what was counted and what was seen."""
    first = start_exporter()
    assert (await post(first.url, HANG))[0] == 200
    before = await metrics(first.url)
    assert first.stop() == 0

    second = start_exporter()
    assert (await post(second.url, HANG))[0] == 200
    after = await metrics(second.url)

    for name in ("voice_hangs_total", "voice_hangs_created"):
        assert value(after, name) == value(before, name)
    assert "msg=stopping" in first.log
    assert "level=error" not in first.log + second.log


async def test_every_sample_is_there_once(start_exporter: StartExporter) -> None:
    """Neither a fresh exporter nor one that restored its state shows a series twice."""
    for _ in range(2):
        running = start_exporter()
        assert (await post(running.url, HANG))[0] == 200
        samples = re.findall(r"^(\w+(?:{.*})?) ", await metrics(running.url), re.MULTILINE)
        assert len(samples) == len(set(samples))
        assert running.stop() == 0


async def test_in_memory_nothing_is_left(start_exporter: StartExporter, tmp_path: Path) -> None:
    """An empty storage path writes nothing anywhere."""
    running = start_exporter("--storage.path=")
    assert (await post(running.url, HANG))[0] == 200
    assert running.stop() == 0

    assert os.listdir(tmp_path) == ["exporter-0.log"]  # noqa: PTH208 - the rule for asynchronous tests wants no Path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_finishes_what_is_under_way(
    start_exporter: StartExporter, connect: Connect, number: signal.Signals
) -> None:
    """A request whose body is half there gets its 200; new connections are refused; then it is exit 0."""
    running = start_exporter()
    wire = await connect(running.url)
    await wire.send(head(PATH, f"Content-Length: {len(HANG)}", "Expect: 100-continue"))
    await wire.reader.readuntil(b"100 Continue\r\n\r\n")
    await wire.send(HANG[:100])
    running.signal(number)
    until(lambda: "msg=stopping" in running.log, "msg=stopping in the log")
    with pytest.raises(ConnectionError):
        await connect(running.url)

    await wire.send(HANG[100:])

    assert await wire.answer() == (200, b'{"status":"ok"}\n')
    assert running.wait() == 0
    second = start_exporter()
    assert value(await metrics(second.url), "voice_hangs_total") == 1


async def test_a_second_signal_ends_it_at_once(start_exporter: StartExporter, connect: Connect) -> None:
    """Who can't wait for slow clients need not."""
    running = start_exporter()
    wire = await connect(running.url)
    await wire.send(head(PATH, "Content-Length: 100", "Expect: 100-continue"))
    await wire.reader.readuntil(b"100 Continue\r\n\r\n")
    running.signal(signal.SIGTERM)
    until(lambda: "msg=stopping" in running.log, "msg=stopping in the log")
    running.signal(signal.SIGTERM)

    assert running.wait() == 1


def test_it_says_that_there_is_no_secret(start_exporter: StartExporter) -> None:
    """Without a secret it listens for this machine only, and the log says why."""
    assert 'msg="no webhook secret is configured" clients="of this machine"' in start_exporter().log


def test_the_default_address_depends_on_secrets() -> None:
    """Loopback without a secret, every address with one, and what was asked for in any case."""
    secret = Config(webhooks=WebhooksConfig({"vapi": PlatformConfig(secrets=(b"open sesame",))}))

    assert _web_addresses(Options(), Config()) == ["127.0.0.1:10060"]
    assert _web_addresses(Options(), secret) == [":10060"]
    assert _web_addresses(Options(web_addresses=["127.0.0.1:1"]), secret) == ["127.0.0.1:1"]


async def test_two_listeners(start_exporter: StartExporter) -> None:
    """``--webhook.listen-address`` takes the webhooks away from the first listener."""
    running = start_exporter("--webhook.listen-address=127.0.0.1:0")
    inside, outside = (f"http://{address}" for address in running.addresses)

    assert (await post(outside, HANG))[0] == 200
    assert (await post(inside, HANG))[0] == 404
    assert value(await metrics(inside), "voice_hangs_total") == 1
    assert (await post(outside, b"", "/metrics"))[0] == 404


# --- what keeps it from starting ---


def test_an_address_in_use_is_one_line(start_exporter: StartExporter) -> None:
    """Exit 1, the address, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        failed = start_exporter(f"--web.listen-address={address}", ready=False)

        what = "Address already in use; choose another with --web.listen-address"
        assert ends(failed) == (1, [f"voice-exporter: cannot listen on {address}: {what}"])


def test_an_address_of_another_machine_is_one_line(start_exporter: StartExporter) -> None:
    """Exit 1; here as for a port that only root may open."""
    failed = start_exporter("--web.listen-address=192.0.2.1:1", ready=False, VOICE_EXPORTER_WEBHOOK_SECRET="s3cret")

    code, lines = ends(failed)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("voice-exporter: cannot listen on 192.0.2.1:1: ")


def test_a_storage_path_that_is_no_directory_is_one_line(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Exit 1 and the path."""
    (tmp_path / "file").touch()
    code, lines = ends(start_exporter(f"--storage.path={tmp_path}/file/data", ready=False))

    assert (code, len(lines)) == (1, 1)
    assert f"{tmp_path}/file" in lines[0]


def test_a_second_exporter_on_one_storage_path_is_refused(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Exit 1 and one line; the first goes on."""
    first = start_exporter()
    code, lines = ends(start_exporter(ready=False))

    assert (code, len(lines)) == (1, 1)
    assert f"{tmp_path}/data" in lines[0]
    assert first.stop() == 0


@pytest.mark.parametrize("address", [":0", "0.0.0.0:0", "[::]:0"])
def test_a_public_address_needs_a_decision(start_exporter: StartExporter, address: str) -> None:
    """Exit 2 with what to configure, and nothing was listened on."""
    failed = start_exporter(f"--web.listen-address={address}", ready=False)

    code, lines = ends(failed)
    assert (code, len(lines)) == (2, 1)
    assert "VOICE_EXPORTER_WEBHOOK_SECRET" in lines[0]
    assert "auth: {type: none}" in lines[0]
    assert "listening" not in failed.log


async def test_a_public_address_can_be_open_by_decision(start_exporter: StartExporter, tmp_path: Path) -> None:
    """An explicit ``none`` opens that platform, and the one that was not decided stays closed."""
    config = tmp_path / "voice.yml"
    config.write_text("webhooks: {interactly: {auth: {type: none}}}")
    running = start_exporter("--web.listen-address=0.0.0.0:0", f"--config.file={config}")

    assert (await post(running.url, HANG))[0] == 200
    assert "clients=any" in running.log
    assert 'msg="the webhook has no secret and rejects all requests" platform=vapi' in running.log


def test_a_faulty_configuration_is_a_line_for_each_fault(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Exit 2; file, line and key are named."""
    config = tmp_path / "voice.yml"
    config.write_text("labels:\n  ttl: soon\nnonsense: 1\n")
    code, lines = ends(start_exporter(f"--config.file={config}", ready=False))

    assert code == 2
    assert [line.split(" ")[:3] for line in lines] == [
        ["voice-exporter:", f"{config}:2:", "labels.ttl:"],
        ["voice-exporter:", f"{config}:3:", "nonsense:"],
    ]


def test_a_faulty_web_configuration_is_named(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Exit 2 for that file as well."""
    config = tmp_path / "web.yml"
    config.write_text("basic_auth_users: {ada: plain}")
    code, lines = ends(start_exporter(f"--web.config.file={config}", ready=False))

    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith(f"voice-exporter: {config}:1: basic_auth_users: ")
    assert "plain" not in lines[0]


# --- reload ---


async def reloaded(running: Running, done: Callable[[str], bool]) -> str:
    """Send SIGHUP and wait until the log says what is waited for: a scrape."""
    seen = len(running.log)
    running.signal(signal.SIGHUP)
    until(lambda: done(running.log[seen:]), "the outcome of the reload in the log")
    return await metrics(running.url)


async def test_secrets_are_rotated_without_a_restart(start_exporter: StartExporter, tmp_path: Path) -> None:
    """SIGHUP takes a new secret, and the one that went is refused from then on."""
    config = tmp_path / "voice.yml"
    config.write_text("webhooks: {interactly: {secrets: [autumn]}}")
    running = start_exporter(f"--config.file={config}")
    assert (await post(running.url, HANG, x_interactly_secret="autumn"))[0] == 200
    assert value(await metrics(running.url), "voice_exporter_config_last_reload_successful") == 1
    config.write_text("webhooks: {interactly: {secrets: [winter]}}")

    scrape = await reloaded(running, lambda log: 'msg="configuration reloaded"' in log)

    assert value(scrape, "voice_exporter_config_last_reload_successful") == 1
    assert (await post(running.url, HANG, x_interactly_secret="autumn"))[0] == 401
    assert (await post(running.url, HANG, x_interactly_secret="winter"))[0] == 200
    assert "autumn" not in running.log
    assert running.stop() == 0


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ("nonsense: 1", "nonsense"),
        ("buckets: {llm_response_seconds: [1, 3, 5]}", "buckets.llm_response_seconds"),
        ("labels: {max_series: 7}", "labels.max_series"),
    ],
)
async def test_a_reload_that_cannot_be_leaves_everything_as_it_was(
    start_exporter: StartExporter, tmp_path: Path, changed: str, key: str
) -> None:
    """A fault, or what takes effect at a restart only: metric, log, and the old secret still in force."""
    config = tmp_path / "voice.yml"
    config.write_text("webhooks: {interactly: {secrets: [autumn]}}")
    running = start_exporter(f"--config.file={config}")
    success = value(await metrics(running.url), "voice_exporter_config_last_reload_success_timestamp_seconds")
    config.write_text(f"webhooks: {{interactly: {{secrets: [winter]}}}}\n{changed}\n")

    scrape = await reloaded(running, lambda log: 'msg="configuration not reloaded"' in log)

    assert key in running.log
    assert value(scrape, "voice_exporter_config_last_reload_successful") == 0
    assert value(scrape, "voice_exporter_config_last_reload_success_timestamp_seconds") == success
    assert (await post(running.url, HANG, x_interactly_secret="autumn"))[0] == 200
    assert (await post(running.url, HANG, x_interactly_secret="winter"))[0] == 401


async def test_a_reload_cannot_open_a_public_webhook(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Secrets that vanish from the file do not open the door."""
    config = tmp_path / "voice.yml"
    config.write_text("webhooks: {interactly: {secrets: [autumn]}}")
    running = start_exporter("--web.listen-address=0.0.0.0:0", f"--config.file={config}")
    config.write_text("")

    await reloaded(running, lambda log: 'msg="configuration not reloaded"' in log)

    assert (await post(running.url, HANG))[0] == 401


async def test_a_reload_by_http(start_exporter: StartExporter, tmp_path: Path) -> None:
    """The same with ``--web.enable-lifecycle``: the answer says what is wrong."""
    config = tmp_path / "voice.yml"
    config.write_text("")
    running = start_exporter(f"--config.file={config}", "--web.enable-lifecycle")
    config.write_text("labels:\n  ttl: soon\n")
    async with aiohttp.ClientSession() as session, session.post(f"{running.url}/-/reload") as answer:
        assert answer.status == 400
        assert (await answer.text()).startswith(f"{config}:2: labels.ttl: ")
    config.write_text("calls: {max_retries: 5}")
    async with aiohttp.ClientSession() as session, session.post(f"{running.url}/-/reload") as answer:
        assert answer.status == 200


# --- web configuration ---


async def test_basic_auth_is_for_everything_but_webhooks(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Platforms know no password; readers must."""
    config = tmp_path / "web.yml"
    config.write_text("basic_auth_users: {ada: $2b$04$RzqhdjaKXdhm1R7IcyWkuux3QjPQYTfWO5RUd7rVjUBdrdHmW9RZK}\n")
    running = start_exporter(f"--web.config.file={config}")

    assert (await post(running.url, HANG))[0] == 200
    for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/nothing"):
        async with aiohttp.ClientSession() as session, session.get(running.url + path) as answer:
            assert answer.status == 401


def test_tls(start_exporter: StartExporter, tmp_path: Path) -> None:
    """With a certificate, the web listener speaks TLS and nothing else."""
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    subprocess.run(["openssl", "req", "-x509", *curve, *files, *name], check=True, capture_output=True)
    config = tmp_path / "web.yml"
    config.write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}")
    running = start_exporter(f"--web.config.file={config}")

    url = f"https://{running.addresses[0]}{PATH}"
    trusted = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    with urllib.request.urlopen(url, HANG, context=trusted, timeout=20) as answer:
        assert answer.read() == b'{"status":"ok"}\n'
    with pytest.raises(OSError), urllib.request.urlopen(running.url, timeout=20):  # noqa: PT011, S310 - reset or closed
        pass


# --- systemd ---


def activate(sock: socket.socket, log: Path, *flags: str, **environment: str) -> Running:
    """Start an exporter on a socket that it inherits, as systemd does."""
    command = f'"{sys.executable}" -m exporter serve {" ".join(flags)}'
    script = f"export LISTEN_PID=$$ LISTEN_FDS=1; exec {command} 3<&{sock.fileno()}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-c", script],
            pass_fds=[sock.fileno()],
            stdout=out,
            stderr=out,
            env={**os.environ, **environment},
        )
    return Running(process, log)


async def test_a_restart_behind_an_inherited_socket_refuses_nobody(tmp_path: Path) -> None:
    """While one exporter stops and the next starts, a request waits in the socket and is then answered."""
    storage = f"--storage.path={tmp_path}/data"
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        first = activate(sock, tmp_path / "first.log", storage)
        first.wait_ready()
        assert first.addresses == [url.removeprefix("http://")]
        assert first.stop() == 0
        with socket.create_connection(sock.getsockname()) as waiting:
            waiting.sendall(head(PATH, f"Content-Length: {len(HANG)}", "Connection: close") + HANG)
            second = activate(sock, tmp_path / "second.log", storage)
            waiting.settimeout(20)
            answer = b"".join(iter(lambda: waiting.recv(4096), b""))

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert second.stop() == 0


def test_the_service_manager_is_told(start_exporter: StartExporter, tmp_path: Path) -> None:
    """READY=1, the reload with its clock, and the stop, in that order."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        running = start_exporter(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(200) == b"READY=1"
        running.signal(signal.SIGHUP)
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(200))
        assert manager.recv(200) == b"READY=1"
        assert running.stop() == 0
        assert manager.recv(200) == b"STOPPING=1"


# --- attacks ---


def bomb(gigabytes: int) -> bytes:
    """Zeros, packed to a thousandth."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + again * (1024 * gigabytes - 1)


def memory(running: Running) -> int:
    """The most memory that the process had so far, in bytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


async def test_a_bomb_does_not_explode(start_exporter: StartExporter) -> None:
    """Four gigabytes in four megabytes are refused with the memory of the eight megabytes that are allowed."""
    running = start_exporter()
    assert (await post(running.url, HANG))[0] == 200
    before = memory(running)

    packed = bomb(4)
    for _ in range(3):
        headers = {"Content-Encoding": "gzip"}
        async with aiohttp.ClientSession() as session:
            answer = await session.post(running.url + PATH, data=io.BytesIO(packed), headers=headers)
            assert answer.status == 413

    assert memory(running) - before < 64 * 2**20
    assert (await post(running.url, HANG))[0] == 200


def test_a_repeated_address_is_listened_on_too(start_exporter: StartExporter) -> None:
    """Each serves everything, as with other exporters."""
    exporter = start_exporter("--web.listen-address=127.0.0.1:0", "--web.listen-address=[::1]:0")

    assert len(exporter.addresses) == 2
    for address in exporter.addresses:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=10) as answer:
            assert answer.status == 200


def test_a_repeated_webhook_address_is_listened_on_too(start_exporter: StartExporter) -> None:
    """None of them serves the pages."""
    exporter = start_exporter("--webhook.listen-address=127.0.0.1:0", "--webhook.listen-address=[::1]:0")

    assert len(exporter.addresses) == 3
    for address in exporter.addresses[1:]:
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(f"http://{address}/webhook/vapi", timeout=10)


def test_one_public_address_among_several_makes_the_webhooks_public(start_exporter: StartExporter) -> None:
    """Without a secret that is refused."""
    exporter = start_exporter("--web.listen-address=127.0.0.1:0", "--web.listen-address=0.0.0.0:0", ready=False)

    assert exporter.wait() == 2
    assert "no webhook has a secret" in exporter.log


def test_fewer_connections_than_descriptors(tmp_path: Path) -> None:
    """Below a hard limit honest webhooks are served however many connect, and a line says what was done."""
    serve = [sys.executable, "-m", "exporter", "serve", f"--web.listen-address=127.0.0.1:{free_port()}"]
    command = ["bash", "-c", 'ulimit -n 400; exec "$@"', "bash", *serve, f"--storage.path={tmp_path / 'data'}"]
    log = tmp_path / "log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        exporter = Running(process, log)
        try:
            exporter.wait_ready()
            host, _, port = exporter.addresses[0].partition(":")
            with ExitStack() as idle:
                for _ in range(600):
                    idle.enter_context(socket.create_connection((host, int(port)), timeout=20))
                with closing(http.client.HTTPConnection(host, int(port), timeout=20)) as connection:
                    connection.request("POST", PATH, HANG)
                    assert connection.getresponse().status == 200
        finally:
            process.kill()

    assert "connections=200 max_connections=1000 open_files=400" in exporter.log
    assert exporter.log.count("fewer connections than configured") == 1
    assert "Traceback" not in exporter.log


def test_a_page_of_somebody_else_reads_and_reloads_nothing(start_exporter: StartExporter) -> None:
    """Through a name that leads here, or across sites; an address and names of this machine are served."""
    exporter = start_exporter("--web.enable-lifecycle", "--web.external-url=https://voice.example.com/x")

    def status(path: str, method: str = "GET", **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(exporter.addresses[0], timeout=20)) as connection:
            connection.request(method, path, headers=named)
            found: int = connection.getresponse().status
            return found

    for path in ("/metrics", "/", "/incidents", "/-/ready"):
        assert status(path, Host="evil.example:10060") == 403
    for host in ("localhost:1", "127.0.0.1", "voice.example.com"):
        assert status("/metrics", Host=host) == 200
    assert status("/-/reload", "POST", Origin="http://evil.example") == 403
    assert status("/-/reload", "POST", Sec_Fetch_Site="cross-site") == 403
    assert status("/-/reload", "POST") == 200
    assert status("/-/reload", "POST", Host="localhost", Origin="http://localhost") == 200
