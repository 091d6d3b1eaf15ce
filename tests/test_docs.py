"""The documentation says what the code does."""

import json
import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter import config
from tests.conftest import StartExporter
from tests.servers import free_port

ROOT = Path(__file__).parent.parent
PAGES = runpy.run_path(str(ROOT / "docs" / "build.py"))["PAGES"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PATHS = [path for where in ("", "docs/**/", "grafana/", "rules/**/") for path in ROOT.glob(f"{where}*.md")]


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_fresh(name: str) -> None:
    """A generated page is what docs/build.py writes now (make docs)."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("page", sorted(PATHS), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there."""
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_first_curl_of_the_readme(start_exporter: StartExporter, tmp_path: Path) -> None:
    """The commands of the first screen, pasted into a shell, print what stands below them."""
    commands, printed = re.findall(r"```(?:sh|text)\n(curl .+?|\{.+?)```", README, re.DOTALL)[:2]
    address = f"127.0.0.1:{free_port()}"
    start_exporter("--web.listen-address", address)
    script = commands.replace("localhost:10060", address).replace("curl http", "curl -s http")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == printed


def test_example_configuration_is_valid(tmp_path: Path) -> None:
    """The example of the configuration page loads, once its secret files are there."""
    text = (ROOT / "docs" / "examples" / "voice-exporter.yml").read_text(encoding="utf-8")
    for name in ("interactly", "vapi"):
        (tmp_path / name).write_text("a-secret-of-its-own\n")
    (tmp_path / "voice-exporter.yml").write_text(text.replace("/run/secrets/", ""))
    assert config.load(tmp_path / "voice-exporter.yml").calls.max_retries == 3


def test_snippets_are_well_formed() -> None:
    """YAML and JSON in the documentation parse."""
    for page in PATHS:
        text = page.read_text(encoding="utf-8")
        for language, snippet in re.findall(r"```(yaml|json)\n(.*?)```", text, re.DOTALL):
            assert (yaml.safe_load if language == "yaml" else json.loads)(snippet), page
