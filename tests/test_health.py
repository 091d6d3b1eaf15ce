"""`check-health`: whether the exporter lives, whatever it wants of its readers."""

import json
import socket
import threading
from pathlib import Path

import pytest

from exporter.cli import main
from tests.conftest import StartExporter
from tests.support.certificates import Authority
from tests.support.guarded import USERS
from tests.support.servers import free_port


def health(capsys: pytest.CaptureFixture[str], address: str, scheme: str = "http") -> tuple[int, str, str]:
    """Exit code and what is written."""
    code = main(["check-health", "--url", f"{scheme}://{address}"])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("guards", [(), ("basic",), ("tls",), ("tls", "basic"), ("mutual",)], ids=" ".join)
def test_an_exporter_that_answers_is_healthy(
    start_exporter: StartExporter, tmp_path: Path, capsys: pytest.CaptureFixture[str], guards: tuple[str, ...]
) -> None:
    """Without a password, and without a certificate of its own, which it needs not for that."""
    authority = Authority(tmp_path, "ca")
    server = authority.issue("server", "DNS:voice.example.com")
    tls = {"cert_file": str(server.cert), "key_file": str(server.key)}
    mutual = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": str(authority.identity.cert)}
    written: dict[str, object] = {}
    if "basic" in guards:
        written["basic_auth_users"] = {name: hashed.decode() for name, hashed in USERS.items()}
    if guards != ("basic",) and guards:
        written["tls_server_config"] = {**tls, **(mutual if "mutual" in guards else {})}
    (tmp_path / "web.yml").write_text(json.dumps(written))
    running = start_exporter(f"--web.config.file={tmp_path / 'web.yml'}")
    (address,) = running.addresses
    assert health(capsys, address) == (0, "healthy\n", "")
    running.process.kill()
    running.process.wait()
    code, out, err = health(capsys, address)
    assert (code, out) == (1, "")
    assert err.startswith(f"voice-exporter: {address} does not answer: ")
    assert len(err.splitlines()) == 1


def test_where_nobody_listens_nobody_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    """Over TLS as well."""
    for scheme in ("http", "https"):
        code, _, err = health(capsys, f"127.0.0.1:{free_port()}", scheme)
        assert code == 1
        assert "does not answer: [Errno 111] Connection refused" in err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", "answers 503"),
        (b"garbage\r\n\r\n", "does not answer: "),
        (b"", "does not answer: "),
    ],
)
def test_another_answer_is_not_health(capsys: pytest.CaptureFixture[str], answer: bytes, said: str) -> None:
    """An error of the server, or what is neither HTTP nor TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(1 if b"503" in answer else 2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        code, out, err = health(capsys, f"127.0.0.1:{listener.getsockname()[1]}")
        server.join(20)
    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize("url", ["", "localhost:10060", "ftp://localhost", "http://", "http://a:99999"])
def test_a_url_that_is_none_is_bad_usage(capsys: pytest.CaptureFixture[str], url: str) -> None:
    """Exit 2 with what one looks like."""
    with pytest.raises(SystemExit) as stopped:
        main(["check-health", "--url", url])
    assert stopped.value.code == 2
    assert "write one like http://127.0.0.1:10060" in capsys.readouterr().err
