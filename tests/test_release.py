"""What a release is made of."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from exporter import __version__
from tests.support.pages import ROOT


def test_the_version_is_everywhere_the_same() -> None:
    """The image's label and the Kubernetes example name the version that is being built."""
    label = re.search(r"org\.opencontainers\.image\.version=(\S+)", (ROOT / "Dockerfile").read_text())
    image = re.search(r"image: voice-exporter:(\S+)", (ROOT / "docs" / "deploy" / "kubernetes.yaml").read_text())
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert label
    assert image
    assert project
    assert {label[1], image[1], project[1]} == {__version__}


def needed(name: str) -> set[str]:
    """What a distribution needs at run time here, and what that needs."""
    found: set[str] = set()
    for requirement in map(Requirement, requires(name) or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found |= {requirement.name.lower().replace("_", "-")} | needed(requirement.name)
    return found


def test_every_dependency_is_pinned() -> None:
    """Make constraints was run after the last change of the dependencies, and its set is within their bounds."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))
    assert needed("voice-exporter") <= pins.keys()
    for requirement in map(Requirement, requires("voice-exporter") or ()):
        pinned = pins.get(requirement.name.lower())
        assert pinned is None or requirement.specifier.contains(pinned), requirement


def build(source: Path, target: Path) -> dict[str, str]:
    """Build wheel and source as make dist does: digests by file name."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(
        command, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in target.iterdir()}


def test_a_release_is_the_same_wherever_it_is_built(tmp_path: Path) -> None:
    """Built again from its own source, in another place and at another time, it has the same bytes."""
    first = build(ROOT, tmp_path / "first")
    assert sorted(first) == [f"voice_exporter-{__version__}-py3-none-any.whl", f"voice_exporter-{__version__}.tar.gz"]
    with tarfile.open(tmp_path / "first" / f"voice_exporter-{__version__}.tar.gz") as source:
        assert f"voice_exporter-{__version__}/constraints.txt" in source.getnames()
        source.extractall(tmp_path, filter="data")
    assert build(tmp_path / f"voice_exporter-{__version__}", tmp_path / "second") == first


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_issue_forms_are_well_formed(form: Path) -> None:
    """GitHub shows a form that has a name, a description and a body, whose fields have an id each."""
    read = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.stem != "config":
        assert {"name", "description", "body"} <= read.keys()
        assert all("id" in field for field in read["body"] if field["type"] != "markdown")


def test_the_installed_version_is_the_projects() -> None:
    """What --version says comes from the distribution's metadata."""
    assert version("voice-exporter") == __version__
