"""The documentation says what the code does."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter import config
from exporter.assets import render
from exporter.cli import main
from exporter.sentiment import analyser
from exporter.simulate import bodies
from tests.conftest import StartExporter
from tests.rules.promtool import promtool
from tests.support.pages import ELSEWHERE, HERE, NO_COMMANDS, ROOT, TEXTS, commands, program, runnable, spans
from tests.support.servers import free_port

PAGES = runpy.run_path(str(ROOT / "docs" / "build.py"))["PAGES"]
README = TEXTS["README.md"]


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_fresh(name: str) -> None:
    """A generated page is what docs/build.py writes now (make docs)."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link of a page names a file that is there."""
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", TEXTS[page])
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_first_curl_of_the_readme(start_exporter: StartExporter, tmp_path: Path) -> None:
    """The commands of the first screen, pasted into a shell, print what stands below them."""
    typed, printed = re.findall(r"```(?:sh|text)\n(curl .+?|\{.+?)```", README, re.DOTALL)[:2]
    address = f"127.0.0.1:{free_port()}"
    start_exporter("--web.listen-address", address)
    script = typed.replace("localhost:10060", address).replace("curl http", "curl -s http")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == printed


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules and dashboards as an operator has them."""
    folder = tmp_path_factory.mktemp("rendered")
    render(folder)
    return folder


@pytest.fixture
def machine(tmp_path: Path, rendered: Path) -> Path:
    """A folder in place of `/`, with the files that the commands name."""
    example = (ROOT / "docs" / "examples" / "voice-exporter.yml").read_text(encoding="utf-8")
    for folder in ("run/secrets", "etc/voice-exporter", "var/lib/prometheus"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("interactly", "vapi"):
        (tmp_path / "run" / "secrets" / name).write_text("a-secret-of-its-own\n")
    for name in ("FILE", "etc/voice-exporter/config.yml"):
        (tmp_path / name).write_text(here(example, tmp_path))
    (tmp_path / "mine.yml").write_text("hang_rate: {critical: 0.07}\n")
    (tmp_path / "recorded.jsonl").write_bytes(b"\n".join(body for _, body in bodies(1, 3)))
    shutil.copytree(rendered, tmp_path / "etc" / "prometheus" / "voice")
    return tmp_path


def here(text: str, machine: Path) -> str:
    """The text with the machine's folders for the system's."""
    return re.sub(r"(?<![\w.])/(?=(run|etc|var)/)", f"{machine}/", text)


def shell(script: str, machine: Path) -> str:
    """What a script prints on the machine; nothing in it may fail. Make only says what it would do."""
    script = f"set -e; make() {{ command make --dry-run -C '{ROOT}' \"$@\"; }}\n{here(script, machine)}"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=machine, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_is_run_or_known() -> None:
    """Nothing is left out in silence, and nothing is listed that no page shows."""
    assert {program(command) for text in TEXTS.values() for command in commands(text)} == HERE | ELSEWHERE.keys()


@pytest.mark.parametrize("page", TEXTS.keys() - {"CHANGELOG.md"})
def test_what_looks_like_a_command_is_one_or_is_known_as_none(page: str) -> None:
    """So that no command in a sentence is left out because nobody knows its program."""
    looking = {span for span in spans(TEXTS[page]) if re.match(r"[a-z./][\w./-]* ", span)}
    assert {span for span in looking if program(span) not in HERE | ELSEWHERE.keys()} <= NO_COMMANDS


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if [*runnable(text)]])
def test_commands_of_a_page_work(page: str, machine: Path) -> None:
    """What can be run here runs, in the order of the page."""
    shell("\n".join(runnable(TEXTS[page])), machine)


def test_commands_that_serve_work(start_exporter: StartExporter, machine: Path) -> None:
    """Each way to serve that is shown becomes ready, and stops."""
    shown = {each for text in TEXTS.values() for each in commands(text) if each.startswith("voice-exporter serve")}
    for command in shown:
        flags = command.replace("FILE", str(machine / "FILE")).split()[2:]
        assert start_exporter(*flags).stop() == 0


def test_prometheus_and_alertmanager_take_what_the_readme_connects(machine: Path) -> None:
    """The configuration loads the rules that the command below it writes; Alertmanager's example passes as well."""
    (snippet,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", README, re.DOTALL)
    (machine / "prometheus.yml").write_text(here(snippet, machine))
    rules = len([*(ROOT / "rules").glob("*.rules.yml")])
    assert f"{rules} rule files found" in shell("promtool check config prometheus.yml", machine)
    assert "SUCCESS" in shell("amtool check-config /etc/prometheus/voice/rules/alertmanager.yml", machine)


def test_rules_for_the_operator_are_rules(machine: Path) -> None:
    """What the deployment page writes for Kubernetes holds rules that promtool takes."""
    (command,) = (each for each in commands(TEXTS["docs/deploy/README.md"]) if "prometheus-rule" in each)
    resource = yaml.safe_load((machine / shell(command, machine).strip()).read_text(encoding="utf-8"))
    (machine / "spec.yml").write_text(yaml.safe_dump(resource["spec"]))
    assert promtool("check", "rules", machine / "spec.yml").returncode == 0


HAVE_TESTS = {
    "README.md": "test_prometheus_and_alertmanager_take_what_the_readme_connects",
    "docs/receivers.md": "tests/test_receivers.py",
}
"""Pages whose configurations are tried elsewhere."""


@pytest.mark.parametrize("page", {page for page, text in TEXTS.items() if "```yaml" in text} - HAVE_TESTS.keys())
def test_configurations_are_valid(page: str, machine: Path) -> None:
    """Every configuration that is shown loads, once its secret files are there."""
    shown = re.findall(r"```yaml\n(.*?)```", TEXTS[page], re.DOTALL)
    for number, snippet in enumerate(shown):
        path = machine / f"{number}.yml"
        path.write_text(here(snippet, machine))
        if snippet.startswith("scrape_configs:"):
            assert promtool("check", "config", "--syntax-only", path).returncode == 0
        else:
            config.load(path)


def test_the_analyser_of_ones_own_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is found by the name beside it."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXTS["docs/how-to.md"], re.DOTALL)
    (module, function) = re.findall(r"sentiment\.analyser: (\S+):(\S+)", code)[0]
    path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir()
    path.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert analyser.load(f"{module}:{function}")("Not again.") == ("negative", 0.93)
    finally:
        # Other tests rest upon there being no such module.
        for name in (module, module.partition(".")[0]):
            sys.modules.pop(name, None)


def test_the_example_loads_as_it_is() -> None:
    """Nothing has to be there for somebody who tries it in a checkout."""
    assert main(["check-config", str(ROOT / "docs" / "examples" / "voice-exporter.yml")]) == 0


def test_snippets_are_well_formed() -> None:
    """YAML and JSON in the documentation parse."""
    for page, text in TEXTS.items():
        for language, snippet in re.findall(r"```(yaml|json)\n(.*?)```", text, re.DOTALL):
            assert (yaml.safe_load if language == "yaml" else json.loads)(snippet), page
