"""What the Makefile needs of the machine, and what it says where that is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import ROOT

CHECK = ROOT / "tests" / "check-python"


def check(folder: Path, python: str = sys.executable, *given: str) -> subprocess.CompletedProcess[str]:
    """Check a Python and the environment of a checkout."""
    return subprocess.run([CHECK, python, ".venv", *given], cwd=folder, capture_output=True, text=True, check=True)


def environment(folder: Path, place: Path, python: str = sys.executable) -> Path:
    """An environment as venv makes it in that place."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(python)
    (programs / "pip").write_text(f"#!{place}/.venv/bin/python\n")
    return folder / ".venv"


@pytest.fixture
def old(tmp_path: Path) -> str:
    """A Python that says it is 3.10."""
    python = tmp_path / "python3.10"
    python.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; *) echo 3.10.12 ;; esac\n')
    python.chmod(0o755)
    return str(python)


def test_a_python_that_will_do_is_none_of_its_business(tmp_path: Path) -> None:
    """Without an environment there is nothing to say, and with one of this place neither, whoever made it."""
    assert check(tmp_path).stdout == ""
    made = environment(tmp_path, tmp_path)
    done = check(tmp_path, "python3-that-is-not-there")
    assert (done.stdout, done.stderr, made.exists()) == ("", "", True)


def test_an_old_python_is_refused_at_once(tmp_path: Path, old: str) -> None:
    """In one line that says what to do; so is one that is not there."""
    assert check(tmp_path, old).stdout == (
        f"{old} is Python 3.10.12, and 3.11 or later is needed: name another one, as in make PYTHON=python3.12\n"
    )
    assert check(tmp_path, "nowhere").stdout == (
        "there is no nowhere: install Python 3.11 or later, or name one, as in make PYTHON=python3.12\n"
    )


def test_an_environment_of_another_place_is_made_again(tmp_path: Path) -> None:
    """After a checkout was moved its programs lead nowhere."""
    made = environment(tmp_path, tmp_path / "before")
    assert check(tmp_path).stderr == "making .venv again: it was made in another place\n"
    assert not made.exists()


def test_an_environment_of_an_old_python_is_made_again(tmp_path: Path, old: str) -> None:
    """As soon as a better one is there; without one it stays, and the message is that of the old one."""
    made = environment(tmp_path, tmp_path, old)
    assert "3.11 or later is needed" in check(tmp_path, old, "given").stdout
    assert made.exists()
    assert check(tmp_path).stderr == "making .venv again: its Python is gone or too old\n"
    assert not made.exists()


def test_an_environment_of_another_python_is_made_again_where_one_was_named(tmp_path: Path) -> None:
    """Make PYTHON=... means that one; a plain make takes the environment as it is."""
    other = tmp_path / "other"
    other.write_text(
        f'#!/bin/sh\ncase "$2" in *base_prefix*) echo elsewhere ;; *) exec {sys.executable} "$@" ;; esac\n'
    )
    other.chmod(0o755)
    made = environment(tmp_path, tmp_path, str(other))
    assert (check(tmp_path).stderr, made.exists()) == ("", True)
    assert check(tmp_path, sys.executable, "given").stderr == "making .venv again: another Python made it\n"
    assert not made.exists()


def test_make_stops_with_the_line(old: str) -> None:
    """Nothing is tried with a Python that will not do."""
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "run", f"PYTHON={old}", "VENV=build/none"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"{old} is Python 3.10.12, and 3.11 or later is needed" in line


def test_without_apt_get_the_remedy_is_one_line(tmp_path: Path) -> None:
    """MacOS and Fedora learn what is missing, and what works without."""
    done = subprocess.run(
        ["/bin/sh", ROOT / "tests" / "install-debian-packages", "prometheus"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "no apt-get here: install prometheus to go on; make run and make lint work without\n"


def test_a_module_that_starts_programs_is_marked(request: pytest.FixtureRequest) -> None:
    """So that a quick look can leave it out."""
    assert request.node.get_closest_marker("processes")
