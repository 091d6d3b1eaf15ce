"""The built wheel, installed where nothing of the source tree is."""

import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.servers import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_wheel_has_what_it_promises(wheel: Path) -> None:
    """Type marker, thresholds, runbooks, templates and licence are in it; tests and caches are not."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "exporter/py.typed" in names
    assert "exporter/assets/thresholds.yml" in names
    assert any(name.startswith("exporter/assets/runbooks/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "test" in name or "__pycache__" in name or name.endswith(".db")]


def test_installed_command_serves_and_renders(wheel: Path, tmp_path: Path) -> None:
    """In a clean environment the command serves, takes an event, and writes the same rules as the source tree."""
    venv.create(tmp_path / "env", with_pip=True)
    bin_ = tmp_path / "env" / "bin"
    subprocess.run([bin_ / "pip", "install", "--quiet", "--disable-pip-version-check", wheel], check=True)
    command = str(bin_ / "voice-exporter")
    rendered = subprocess.run([command, "assets", "out"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "out/rules/hangs.rules.yml" in rendered.stdout
    shipped = (ROOT / "rules" / "hangs.rules.yml").read_text()
    assert (tmp_path / "out" / "rules" / "hangs.rules.yml").read_text() == shipped
    address = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [command, "serve", "--storage.path=", f"--web.listen-address={address}"], cwd=tmp_path
    ) as server:
        try:
            until("the exporter is ready", lambda: _get(f"http://{address}/-/ready"))
            _get(f"http://{address}/webhook/interactly", b'{"message": {"type": "hang"}}')
            assert "voice_hangs_total" in _get(f"http://{address}/metrics")
        finally:
            server.terminate()
    assert server.returncode == 0


def _get(url: str, body: bytes | None = None) -> str:
    try:
        with urllib.request.urlopen(url, body, timeout=5) as answer:  # noqa: S310 - our own URL
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""
