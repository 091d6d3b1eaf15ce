"""What a release is made of."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from datetime import date
from importlib.metadata import requires, version
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from exporter import __version__
from tests.support.pages import ROOT

RELEASE = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["version"]["fallback-version"]
"""The release that this source is, or that it comes after."""
DEPLOY = ROOT / "docs" / "deploy"
CHART = ROOT / "deploy" / "helm" / "voice-exporter" / "Chart.yaml"


def git(*arguments: str) -> list[str]:
    """The lines that git prints; none where this is no repository."""
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False).stdout.split()


def test_the_version_is_everywhere_the_same() -> None:
    """Wherever a number has to be written, it is that of the release."""
    images = "".join(path.read_text() for path in DEPLOY.glob("*.yaml"))
    shown = (DEPLOY / "README.md").read_text()
    numbers = {
        "docs/deploy/README.md": re.findall(r"(?:voice_exporter-|@v)([0-9.]+[0-9])", shown),
        "Dockerfile": re.findall(r"^ARG VERSION=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE),
        "docs/deploy": re.findall(r"image: voice-exporter:(\S+)", images),
        "Chart.yaml": re.findall(r'^(?:version|appVersion): "?([^"\n]+)', CHART.read_text(), re.MULTILINE),
    }
    assert {name: {*found} for name, found in numbers.items()} == {name: {RELEASE} for name in numbers}


def test_the_newest_heading_of_the_changelog_is_this_release() -> None:
    """Each release has a date, a newer one stands above, and each heading has its link."""
    text = (ROOT / "CHANGELOG.md").read_text()
    first, *headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert first == "[Unreleased]"
    releases = [re.fullmatch(r"\[([0-9.]+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in headings]
    found = [(Version(release[1]), date.fromisoformat(release[2])) for release in releases if release]
    assert len(found) == len(headings)
    assert found == sorted(found, reverse=True)
    assert str(found[0][0]) == RELEASE
    linked = re.findall(r"^\[(\S+)\]: https://github.com/voice-exporter/voice-exporter/(.+)$", text, re.MULTILINE)
    numbers = [str(number) for number, _ in found]
    assert [name for name, _ in linked] == ["Unreleased", *numbers]
    assert [where for _, where in linked] == [
        f"compare/v{RELEASE}...HEAD",
        *(f"compare/v{older}...v{newer}" for newer, older in pairwise(numbers)),
        f"releases/tag/v{numbers[-1]}",
    ]


def test_tags_agree() -> None:
    """A tag of this commit is the release, and no tag before it is newer; a clone need not have any."""
    assert set(git("tag", "--points-at", "HEAD", "--list", "v*")) <= {f"v{RELEASE}"}
    for tag in git("tag", "--merged", "HEAD", "--list", "v*"):
        assert Version(tag) <= Version(RELEASE), tag


COMMIT = "git commit --quiet --allow-empty --message=."
START = f"git init --quiet && git add . && {COMMIT}"
NEXT = f"{Version(RELEASE).major}.{Version(RELEASE).minor}.{Version(RELEASE).micro + 1}"


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("true", RELEASE),
        (START, rf"{NEXT}\.dev1\+g\w+"),
        (f"{START} && git tag v9.8.7", r"9\.8\.7"),
        (f"{START} && git tag v9.8.7 && {COMMIT}", r"9\.8\.8\.dev1\+g\w+"),
    ],
    ids=["no repository", "no tag", "tagged", "after a tag"],
)
def test_the_version_is_that_of_the_tag(script: str, version: str, tmp_path: Path) -> None:
    """Without one the last release stands for it."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    somebody = {f"GIT_{role}_{what}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env={**os.environ, **somebody}, check=True)
    found = subprocess.run(
        [sys.executable, "-m", "hatchling", "version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(version, found.stdout.strip())


EXTRAS = ("", "postgres", "sentiment")
"""What the image is installed with."""


def needed(name: str, extras: Sequence[str] = ("",)) -> set[str]:
    """What a distribution needs at run time here, and what that needs."""
    found: set[str] = set()
    for requirement in map(Requirement, requires(name) or ()):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            found |= {requirement.name.lower().replace("_", "-")} | needed(requirement.name)
    return found


def test_every_dependency_is_pinned() -> None:
    """Make constraints was run after the last change of the dependencies, and its set is within their bounds."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))
    assert needed("voice-exporter", EXTRAS) <= pins.keys()
    installs = f"'.[{','.join(filter(None, EXTRAS))}]'"
    assert all(installs in (ROOT / name).read_text() for name in ("Dockerfile", "Makefile"))
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
    _, archive = sorted(first)
    name = archive.removesuffix(".tar.gz")
    assert sorted(first) == [f"{name}-py3-none-any.whl", f"{name}.tar.gz"]
    with tarfile.open(tmp_path / "first" / archive) as source:
        assert f"{name}/constraints.txt" in source.getnames()
        source.extractall(tmp_path, filter="data")
    assert build(tmp_path / name, tmp_path / "second") == first


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
