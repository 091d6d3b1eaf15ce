"""What keeps the exporter from starting, and where it listens."""

import http.client
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from exporter.config import Config, PlatformConfig, WebhooksConfig
from exporter.service.server import Options, _web_addresses
from tests.conftest import Running, StartExporter
from tests.service.processes import ends, metrics, value
from tests.support.servers import free_port
from tests.webhooks.posting import HANG, PATH, post


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
