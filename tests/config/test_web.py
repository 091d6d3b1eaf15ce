import fnmatch
import shutil
import ssl
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.web import load
from exporter.config.web_keys import KEYS
from exporter.errors import WebConfigError
from exporter.http.access import WebConfig
from exporter.http.tls import Tls
from tests.support.certificates import Authority

FIXTURES = Path(__file__).parents[1] / "fixtures" / "web"
HASH = b"$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the certificates that the fixtures name."""
    folder = tmp_path_factory.mktemp("certificates")
    server = Authority(folder, "ca").issue("server", "IP:127.0.0.1")
    encrypt = ["openssl", "ec", "-aes256", "-passout", "pass:x", "-out", str(folder / "encrypted.key")]
    subprocess.run(encrypt, input=server.key.read_bytes(), check=True, capture_output=True)
    return folder


@pytest.fixture
def folder(certificates: Path, tmp_path: Path) -> Path:
    """A copy of the certificates, for a configuration beside them."""
    return shutil.copytree(certificates, tmp_path / "web")


def put(fixture: Path, folder: Path) -> Path:
    """Place a fixture beside the certificates."""
    path = folder / "web.yml"
    shutil.copy(fixture, path)
    return path


@pytest.mark.parametrize("fixture", sorted((FIXTURES / "bad").glob("*.yml")), ids=lambda path: path.stem)
def test_each_fault_is_one_line(fixture: Path, folder: Path) -> None:
    """The line names file, line, key and remedy as the fixture's first line expects (* for any text), and no secret."""
    path = put(fixture, folder)
    expected = fixture.read_text().partition("\n")[0].removeprefix("# ")
    found = faults(path)
    patterns = expected.replace("{file}", str(path)).replace("{folder}", str(folder)).split(" & ")
    assert len(found) == len(patterns)
    for line, pattern in zip(found, patterns, strict=True):
        assert line == pattern or ("*" in pattern and fnmatch.fnmatchcase(line, pattern.replace("[", "[[]")))
        assert not any(secret in line for secret in ("canary", "123456", "QOauhQ", "ada"))


@pytest.mark.parametrize("fixture", sorted((FIXTURES / "good").glob("*.yml")), ids=lambda path: path.stem)
def test_a_valid_file_makes_a_context(fixture: Path, folder: Path) -> None:
    """What loads can be served: with TLS exactly if the file asks for it."""
    config = load(put(fixture, folder))
    assert (config.ssl_context() is not None) == ("cert_file" in fixture.read_text())


def test_every_key_is_read(folder: Path) -> None:
    """Each key of the format ends up where it has its effect; paths are relative to the file."""
    path = put(FIXTURES / "good" / "everything.yml", folder)
    assert load(path) == WebConfig(
        file=str(path),
        tls=Tls(
            cert_file=folder / "server.pem",
            key_file=folder / "server.key",
            client_auth=ssl.CERT_REQUIRED,
            client_ca_file=folder / "ca.pem",
            client_allowed_sans=frozenset({"prometheus", "192.0.2.1"}),
            ciphers=("ECDHE-ECDSA-AES128-GCM-SHA256",),
            prefer_server_ciphers=False,
            min_version=ssl.TLSVersion.TLSv1_2,
            max_version=ssl.TLSVersion.TLSv1_3,
            curves=("prime256v1",),
        ),
        headers={
            "Content-Security-Policy": "default-src 'self'",
            "X-Frame-Options": "sameorigin",
            "X-Content-Type-Options": "",
            "X-XSS-Protection": "0",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        },
        users={"ada": HASH, "42": HASH.replace(b"$2y$10$", b"$2b$04$")},
    )


def test_http2_is_told_to_have_no_effect(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files shared with other exporters ask for HTTP/2; they are taken, and the log says what clients get."""
    load(put(FIXTURES / "good" / "tls.yml", folder))
    assert not caplog.messages
    load(put(FIXTURES / "good" / "everything.yml", folder))
    assert caplog.messages == ["a setting has no effect"]
    assert vars(caplog.records[0])["fields"] == {
        "key": "http_server_config.http2",
        "reason": "clients get HTTP/1.1",
    }


def test_without_a_file_everybody_reads_plain_http() -> None:
    """No file asks for nothing."""
    assert load(None) == WebConfig()
    assert WebConfig().ssl_context() is None


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    """A path that leads nowhere is told like any other fault."""
    with pytest.raises(WebConfigError, match=r"absent\.yml: cannot be read: No such file or directory"):
        load(tmp_path / "absent.yml")


def test_a_certificate_that_vanished_is_a_fault(folder: Path) -> None:
    """Between loading and listening a file may go; that is told like any other fault."""
    config = load(put(FIXTURES / "good" / "tls.yml", folder))
    (folder / "server.pem").unlink()
    with pytest.raises(WebConfigError, match=r"web\.yml: tls_server_config\.cert_file: cannot read .*server\.pem"):
        config.ssl_context()


def test_users_do_not_show(folder: Path) -> None:
    """Printing the configuration shows neither a user nor a hash."""
    shown = repr(load(put(FIXTURES / "good" / "users.yml", folder)))
    assert "ada" not in shown
    assert "QOauhQ" not in shown


_SECTIONS = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit", "headers")
_KEYS = st.one_of(st.sampled_from((*_SECTIONS, *(key.path.rpartition(".")[2] for key in KEYS))), st.text())
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from((HASH.decode(), "server.pem", "TLS13")),
)
_TREES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=20)


@given(
    st.one_of(st.dictionaries(st.sampled_from(_SECTIONS), _TREES).map(yaml.safe_dump), st.text()).map(str.encode)
    | st.binary()
)
def test_whatever_the_file_holds_a_fault_is_a_line(content: bytes) -> None:
    """Any content is either taken or refused with lines that begin with the file's name."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "web.yml")
        path.write_bytes(content)
        assert all(line.startswith(str(path)) and line.isprintable() for line in faults(path))


def faults(path: Path) -> list[str]:
    """What is wrong with a file, line by line."""
    try:
        load(path)
    except WebConfigError as error:
        return str(error).split("\n")
    return []
