"""Puts the dashboards into files: templates for the package, and beside them what comes of the default thresholds."""

import json
from pathlib import Path
from typing import Final

from exporter.assets.dashboards import fill
from grafana.builder.exporter import exporter
from grafana.builder.hangs_errors import hangs_errors
from grafana.builder.latency import latency
from grafana.builder.overview import overview
from grafana.builder.places import DEFAULTS

ROOT: Final = Path(__file__).parent.parent.parent


def build() -> dict[str, str]:
    """The text of each file by its path in the repository."""
    made = {}
    for dashboard in (overview(), latency(), hangs_errors(), exporter()):
        name = f"{dashboard['uid']}.json"
        template = json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
        made[f"exporter/assets/templates/dashboards/{name}"] = template
        made[f"grafana/dashboards/{name}"] = fill(template, DEFAULTS)
    return made


def write() -> None:
    """Write all of them."""
    for path, text in build().items():
        (ROOT / path).write_text(text, "utf-8")
