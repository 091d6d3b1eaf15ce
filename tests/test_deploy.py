"""What the deployment files say fits the exporter that they deploy."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli import COMMANDS
from tests.security.test_floods import LARGE

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "docs" / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def flags_of_serve() -> str:
    """The help of serve, as the reference page has it."""
    return (ROOT / "docs" / "cli.md").read_text()


def test_image_is_small_and_without_root() -> None:
    """The base is pinned, the user is a number, and all that is copied exists."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.\d+-slim-bookworm", base) for base in bases)
    assert re.search(r"^USER 10060:10060$", DOCKERFILE, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert all((ROOT / name).exists() for names in copied for name in names.split())
    allowed = (ROOT / ".dockerignore").read_text()
    assert all(f"!{name}\n" in allowed for names in copied for name in names.split())


def test_healthcheck_is_a_command() -> None:
    """The image's health check is a command of the exporter, tested as such."""
    command = re.search(r"^HEALTHCHECK .*\\\n +CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert command
    name, *arguments = json.loads(command[1])
    assert (name, arguments) == ("voice-exporter", ["check-health"])
    assert "check-health" in COMMANDS


def containers() -> list[dict[str, Any]]:
    """The containers of the Kubernetes example."""
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    pods = [document["spec"]["template"]["spec"] for document in documents if document["kind"] == "StatefulSet"]
    assert [document["kind"] for document in documents] == ["Secret", "StatefulSet", "Service"]
    assert all(pod["securityContext"]["runAsNonRoot"] for pod in pods)
    return [container for pod in pods for container in pod["containers"]]


def test_kubernetes_example_is_hardened_and_uses_known_flags() -> None:
    """The container has no privileges, probes that exist, and flags that serve knows."""
    (container,) = containers()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert LARGE < 1024
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert all(argument.partition("=")[0] in flags_of_serve() for argument in container["args"])


def test_unit_uses_known_flags() -> None:
    """The systemd unit starts serve with flags that it knows, on the socket that the exporter looks for."""
    unit = (DEPLOY / "voice-exporter.service").read_text()
    command = re.search(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    assert command
    _, serve, *flags = shlex.split(command[1])
    assert serve == "serve"
    assert all(flag.partition("=")[0] in flags_of_serve() for flag in flags)
    assert "FileDescriptorName=web" in (DEPLOY / "voice-exporter.socket").read_text()


def test_unit_leaves_nothing_behind() -> None:
    """No core that holds bodies, and no view of /proc that costs the metrics of the process."""
    unit = (DEPLOY / "voice-exporter.service").read_text()
    assert "\nLimitCORE=0\n" in unit
    assert "\nProcSubset=" not in unit


def test_systemd_finds_the_unit_hardened(tmp_path: Path) -> None:
    """Where systemd is installed, it rates the exposure 1.5 of 10 or less."""
    analyze = shutil.which("systemd-analyze")
    unit = tmp_path / "voice-exporter.service"
    unit.write_text((DEPLOY / "voice-exporter.service").read_text())
    if analyze:
        command = [analyze, "security", "--offline=true", "--threshold=15", "--no-pager", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["voice-exporter.service", "voice-exporter.socket"])
def test_systemd_accepts_the_units(name: str, tmp_path: Path) -> None:
    """Where systemd is installed, it finds nothing wrong with the units."""
    analyze = shutil.which("systemd-analyze")
    for path in DEPLOY.glob("voice-exporter.s*"):
        text = path.read_text().replace("/opt/voice-exporter/bin/voice-exporter", "/bin/true")
        (tmp_path / path.name).write_text(text)
    if analyze:
        done = subprocess.run([analyze, "verify", tmp_path / name], capture_output=True, text=True, check=False)
        assert "voice-exporter" not in done.stderr, done.stderr


def test_links_lead_out_of_the_container() -> None:
    """Where the exporter has a name that nobody outside resolves, its flags say where people reach it."""
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["exporter"]["command"]
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    (workload,) = (each for each in documents if "template" in each.get("spec", {}))
    for command in (composed, workload["spec"]["template"]["spec"]["containers"][0]["args"]):
        assert any(argument.startswith("--web.external-url=") for argument in command)
