"""The files under `rules/`, as the tests read them."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.rules.lint import check
from tests.rules.shapes import KEPT, Shape
from tests.support.yamls import loaded

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "rules"
TESTS: Final = sorted((RULES / "tests").glob("*.test.yml"))


@cache
def groups() -> tuple[dict[str, Any], ...]:
    """Every group of the committed files; each file has one."""
    return tuple(loaded(file.read_text())["groups"][0] for file in sorted(RULES.glob("*.rules.yml")))


@cache
def alertmanager() -> dict[str, Any]:
    """The example for Alertmanager."""
    found: dict[str, Any] = loaded((RULES / "alertmanager.yml").read_text())
    return found


def alerts() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def shapes(group: dict[str, Any]) -> dict[str, Shape]:
    """Labels of each series that a group records, in order: a rule may use those before it and none of other files."""
    found: dict[str, Shape] = {}
    for rule in group["rules"]:
        if name := rule.get("record"):
            # A state that outlasts its cause asks for its own last value.
            known = found if name not in rule["expr"] else {**found, name: level(name)}
            found[name] = check(rule["expr"], known)
    return found


def level(record: str) -> frozenset[str]:
    """The labels that a recorded series is named by, and those that every rule keeps."""
    return frozenset(re.findall(r"assistant_id|error_code|[a-z]+", record.partition(":")[0])) | KEPT


@cache
def recorded() -> Mapping[str, Shape]:
    """Labels of every recorded series."""
    return {name: shape for group in groups() for name, shape in shapes(group).items()}
