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
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Connect, Running, StartExporter, head
from tests.service.processes import metrics, value
from tests.support.waiting import until
from tests.webhooks.posting import HANG, PATH, post

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
    until("msg=stopping in the log", lambda: "msg=stopping" in running.log)
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
    until("msg=stopping in the log", lambda: "msg=stopping" in running.log)
    running.signal(signal.SIGTERM)

    assert running.wait() == 1


def test_it_says_that_there_is_no_secret(start_exporter: StartExporter) -> None:
    """Without a secret it listens for this machine only, and the log says why."""
    assert 'msg="no webhook secret is configured" clients="of this machine"' in start_exporter().log


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
