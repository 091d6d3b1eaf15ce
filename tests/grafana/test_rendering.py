import json
import re
from pathlib import Path

import pytest

from exporter.assets import load
from exporter.assets.dashboards import TEMPLATES, fill, render
from exporter.assets.thresholds import KEYS
from grafana.builder.build import build
from tests.grafana.boards import FILES, ROOT, UIDS

OWN = """\
hang_rate: {critical: 0.123, window: 2h}
response_time: {warning: 7s, quantile: 0.99}
links: {runbook_base_url: 'https://wiki.example/voice/'}
"""


@pytest.fixture(scope="module")
def built() -> dict[str, str]:
    """What the builder writes now."""
    return build()


def test_written_files_are_fresh(built: dict[str, str]) -> None:
    """Templates and dashboards are what ``python -m grafana.builder`` writes, and there are no others."""
    assert {path: (ROOT / path).read_text("utf-8") for path in built} == built
    templates = {f"exporter/assets/templates/dashboards/{item.name}" for item in TEMPLATES.iterdir()}
    assert templates | {str(file.relative_to(ROOT)) for file in FILES} == set(built)


def test_building_twice_gives_the_same(built: dict[str, str]) -> None:
    """Nothing in a dashboard is drawn by lot."""
    assert build() == built


def test_defaults_render_the_committed_dashboards() -> None:
    """The package renders without the builders what is committed."""
    assert render(load()) == {file.name: file.read_text("utf-8") for file in FILES}


def test_own_thresholds_come_into_every_place(tmp_path: Path) -> None:
    """An operator's numbers are in queries, lines, colours and words; no place is left open."""
    own = tmp_path / "own.yml"
    own.write_text(OWN)
    rendered = render(load(own))
    assert rendered.keys() == {f"{uid}.json" for uid in UIDS}
    overview = rendered["voice-overview.json"]
    assert not any("<<" in text for text in rendered.values())
    panel = next(panel for panel in json.loads(overview)["panels"] if panel["title"] == "Hang rate")
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == 0.123
    assert panel["targets"][0]["legendFormat"] == "all, 2h"
    assert "[2h]" in panel["targets"][0]["expr"]
    assert "time() - 7200" in panel["targets"][0]["expr"]
    assert "histogram_quantile(0.99, " in overview
    assert "Response p99, 10m" in overview
    assert json.loads(overview)["links"][-1]["url"] == "https://wiki.example/voice/"


def test_own_scrape_interval_is_in_every_query(tmp_path: Path) -> None:
    """Whoever scrapes every minute gets boards that look back far enough, whatever the data source was told."""
    own = tmp_path / "own.yml"
    own.write_text("scrape_interval: 1m\nevaluation_interval: 1m\n")
    for text in render(load(own)).values():
        board = json.loads(text)
        every = [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", ()))]
        assert {target["interval"] for panel in every for target in panel.get("targets", ())} == {"1m"}


def test_unknown_places_are_refused() -> None:
    """A template cannot name a threshold or a form that there is not."""
    assert fill('{"a": "<<hang_rate.critical>>", "b": "<<hang_rate.critical:percent>> of calls"}', load()) == (
        '{"a": 0.05, "b": "5% of calls"}'
    )
    with pytest.raises(AttributeError):
        fill('"<<hang_rate.fatal>>"', load())
    with pytest.raises(KeyError):
        fill("<<hang_rate.critical:colour>>", load())


def test_every_threshold_is_a_line_or_a_colour() -> None:
    """What thresholds.yml calls warning or critical stands in a dashboard as a number of its own."""
    keys = set(re.findall(r'"<<([a-z_.]+)>>"', "".join(item.read_text("utf-8") for item in TEMPLATES.iterdir())))
    wanted = {key.path for key in KEYS if key.path.rpartition(".")[2] in {"warning", "critical", "count"}}
    assert wanted <= keys
