"""The dashboards under `grafana/dashboards`, as the tests read them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import promql_parser as promql

from exporter.assets import load

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "grafana" / "dashboards"
FILES: Final = sorted(FOLDER.glob("*.json"))
UIDS: Final = tuple(file.stem for file in FILES)

SCRAPE: Final = load().scrape_interval

LIVE: Final = {"$__rate_interval": "10s", "$__range_s": "3600", "$__range": "1h"}
"""What Grafana puts in for its own variables, for a scrape interval of a second."""


@dataclass(frozen=True)
class Target:
    """A query of a panel.

    Attributes:
        board: uid of the dashboard.
        panel: the panel's JSON.
        json: its own.
    """

    board: str
    panel: dict[str, Any]
    json: dict[str, Any]

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self.board}: {self.panel['title']} {self.json['refId']}"

    @property
    def parsed(self) -> promql.Expr:
        """Its query, with durations in place of Grafana's own variables; the others stand in strings."""
        return promql.parse(filled(self.json["expr"]))


@cache
def board(uid: str) -> dict[str, Any]:
    """A dashboard."""
    found: dict[str, Any] = json.loads((FOLDER / f"{uid}.json").read_text("utf-8"))
    return found


def everything(uid: str) -> list[dict[str, Any]]:
    """Rows and panels of a dashboard, those in collapsed rows included."""
    return [item for panel in board(uid)["panels"] for item in (panel, *panel.get("panels", ()))]


def panels(uid: str) -> list[dict[str, Any]]:
    """The panels of a dashboard that show something, collapsed or not."""
    return [panel for panel in everything(uid) if panel["type"] != "row"]


def targets() -> Iterator[Target]:
    """Every query of every panel."""
    for uid in UIDS:
        for panel in panels(uid):
            yield from (Target(uid, panel, target) for target in panel["targets"])


def variables(uid: str) -> dict[str, dict[str, Any]]:
    """The variables of a dashboard by name."""
    return {variable["name"]: variable for variable in board(uid)["templating"]["list"]}


def filled(expr: str, chosen: str | None = None) -> str:
    """The query with values for Grafana's own variables, and for the dashboard's when something is chosen."""
    for name, value in LIVE.items():
        expr = expr.replace(name, value)
    return re.sub(r"\$(job|instance|platform|assistant|provider)\b", chosen, expr) if chosen else expr


def windows() -> set[float]:
    """Every duration in thresholds.yml, in seconds."""

    def durations(section: object) -> Iterator[float]:
        for name in getattr(section, "__slots__", ()):
            value = getattr(section, name)
            if name in {"window", "lookback"}:
                yield value
            yield from durations(value)

    return set(durations(load()))
