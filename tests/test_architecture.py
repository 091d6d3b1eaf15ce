import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
LAYERS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0][
    "layers"
]


def test_the_drawn_order_is_the_enforced_one() -> None:
    """The order of the packages on the page is the one that make lint holds the imports to."""
    block = next(block for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) if block.startswith("cli"))
    drawn = [set(re.split(r" {2,}", line)[0].split(", ")) for line in block.splitlines()]

    assert drawn == [set(layer.replace("(", "").replace(")", "").split(" | ")) for layer in LAYERS]


def test_every_module_that_is_named_exists() -> None:
    """A path in the page, below exporter/ or in full, is a file or folder of the package."""
    named = {name for name in re.findall(r"`([a-z_/]+(?:\.py|/))", PAGE) if "<" not in name}

    assert named
    assert [
        name for name in named if not any((ROOT / "exporter" / at / name).exists() for at in ("", "..", "calls"))
    ] == []


def test_no_module_passes_400_lines() -> None:
    """CONTRIBUTING's limit holds for every module of the package, and of its tests."""
    modules = [path for folder in ("exporter", "tests") for path in (ROOT / folder).rglob("*.py")]

    assert [str(path) for path in modules if len(path.read_text().splitlines()) > 400] == []


def test_a_module_that_starts_no_program_is_not_marked(request: pytest.FixtureRequest) -> None:
    """So that a quick look has it."""
    assert request.node.get_closest_marker("processes") is None
