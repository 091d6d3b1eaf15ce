"""What the deployment files say fits the exporter that they deploy."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
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


EXAMPLES = {
    "kubernetes.yaml": ["Secret", "StatefulSet", "Service"],
    "kubernetes-replicas.yaml": ["Secret", "Deployment", "PodDisruptionBudget", "Service", "Service"],
}
"""What is in the examples for Kubernetes."""


def documents(example: str) -> list[dict[str, Any]]:
    """The resources of an example."""
    found = list(yaml.safe_load_all((DEPLOY / example).read_text()))
    assert [document["kind"] for document in found] == EXAMPLES[example]
    return found


def pod(example: str) -> dict[str, Any]:
    """The pod of an example."""
    (found,) = (
        document["spec"]["template"] for document in documents(example) if "template" in document.get("spec", {})
    )
    spec: dict[str, Any] = found["spec"]
    return spec


@pytest.mark.parametrize("example", EXAMPLES)
def test_kubernetes_example_is_hardened_and_uses_known_flags(example: str) -> None:
    """The container has no privileges, probes that exist, and flags that serve knows."""
    (container,) = pod(example)["containers"]
    assert pod(example)["securityContext"]["runAsNonRoot"]
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


@pytest.mark.parametrize("version", ["1.25.0", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("example", EXAMPLES)
def test_kubernetes_takes_the_example(example: str, version: str) -> None:
    """Every resource is valid and every field known; references lead to what is in the file."""
    found = documents(example)
    for document in found:
        kubernetes_validate.validate(document, version, strict=True)
    secret = found[0]
    for item in pod(example)["containers"][0]["env"]:
        reference = item["valueFrom"]["secretKeyRef"]
        assert reference["name"] == secret["metadata"]["name"]
        assert reference["key"] in secret["stringData"]


def test_replicas_are_several_and_interchangeable() -> None:
    """Three without a volume, of which a drain of nodes takes one at a time; the Secret names their database."""
    _, workload, budget, *services = documents("kubernetes-replicas.yaml")
    assert workload["spec"]["replicas"] == 3
    assert budget["spec"]["maxUnavailable"] == 1
    assert "volumes" not in pod("kubernetes-replicas.yaml")
    (container,) = pod("kubernetes-replicas.yaml")["containers"]
    assert "VOICE_EXPORTER_STORAGE_URL" in {item["name"] for item in container["env"]}
    labels = workload["spec"]["template"]["metadata"]["labels"]
    for selector in (budget["spec"]["selector"]["matchLabels"], *(each["spec"]["selector"] for each in services)):
        assert selector.items() <= labels.items()


def test_replicas_are_scraped_once_and_each(tmp_path: Path) -> None:
    """Promtool takes the scrapes; the Service has the address of the one, the pods have the port of the other."""
    path = DEPLOY / "prometheus-kubernetes.yml"
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    once, each = yaml.safe_load(path.read_text())["scrape_configs"]
    *_, service, headless = documents("kubernetes-replicas.yaml")
    (port,) = (port["port"] for port in service["spec"]["ports"] if port["name"] == "metrics")
    assert once["static_configs"] == [{"targets": [f"{service['metadata']['name']}.NAMESPACE.svc:{port}"]}]
    assert each["metrics_path"] == "/metrics/replica"
    assert headless["spec"]["clusterIP"] == "None"
    (found,) = each["dns_sd_configs"]
    assert found["names"] == [f"{headless['metadata']['name']}.NAMESPACE.svc"]
    assert found["port"] in {
        port["containerPort"] for port in pod("kubernetes-replicas.yaml")["containers"][0]["ports"]
    }


def test_unit_uses_known_flags() -> None:
    """The systemd unit starts serve with flags that it knows, on the socket that the exporter looks for."""
    unit = (DEPLOY / "voice-exporter.service").read_text()
    command = re.search(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    assert command
    _, serve, *flags = shlex.split(command[1])
    assert serve == "serve"
    assert all(flag.partition("=")[0] in flags_of_serve() for flag in flags)
    assert "FileDescriptorName=web" in (DEPLOY / "voice-exporter.socket").read_text()


def test_unit_of_a_replica_has_no_directory() -> None:
    """What the page has operators put in place of the command is the same command without its storage."""
    unit = (DEPLOY / "voice-exporter.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    (shown,) = re.findall(r"^ExecStart=(/.+)$", (DEPLOY / "README.md").read_text(), re.MULTILINE)
    assert [word for word in command.split() if not word.startswith("--storage.path=")] == shown.split()


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
    for command in (composed, *(pod(example)["containers"][0]["args"] for example in EXAMPLES)):
        assert any(argument.startswith("--web.external-url=") for argument in command)
