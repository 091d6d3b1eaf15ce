import json
import re
from itertools import combinations
from typing import Any

import pytest

from grafana.builder import colours
from tests.grafana.boards import UIDS, board, panels, variables
from tests.rules.shipped import alerts

COLOURS = {value for name, value in vars(colours).items() if name.isupper() and isinstance(value, str)}
STATES = {colours.GOOD, colours.WARNING, colours.CRITICAL, colours.PLAIN, colours.CLEAR, colours.BLUE}


def steps(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """The thresholds of a panel."""
    found: list[dict[str, Any]] = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    return found


@pytest.mark.parametrize("uid", UIDS)
def test_dashboard_is_one_that_grafana_9_4_reads(uid: str) -> None:
    """The schema is that of Grafana 9.4, the uid is the file's name, and no theme is chosen for the reader."""
    made = board(uid)
    assert (made["schemaVersion"], made["uid"]) == (36, uid)
    assert "style" not in made
    assert "id" not in made


@pytest.mark.parametrize("uid", UIDS)
def test_panels_have_numbers_of_their_own(uid: str) -> None:
    """Panels are numbered from 1, and the queries of each by letters."""
    assert [panel["id"] for panel in board(uid)["panels"]] == list(range(1, len(board(uid)["panels"]) + 1))
    for panel in panels(uid):
        assert "".join(target["refId"] for target in panel["targets"]) == "ABCDEFGHIJKL"[: len(panel["targets"])]


@pytest.mark.parametrize("uid", UIDS)
def test_panels_fit_side_by_side(uid: str) -> None:
    """No panel leaves the 24 columns, covers another, or is too narrow to read at 1280 pixels."""
    places = [panel["gridPos"] for panel in board(uid)["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)
    assert min(panel["gridPos"]["w"] for panel in panels(uid) if panel["type"] != "stat") >= 6
    assert min(panel["gridPos"]["w"] for panel in panels(uid)) >= 4


@pytest.mark.parametrize("uid", UIDS)
def test_rows_are_filled(uid: str) -> None:
    """Panels that start in a line end in a line, and leave no hole beside them."""
    lines: dict[int, list[dict[str, int]]] = {}
    for panel in panels(uid):
        lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
    for line in lines.values():
        assert sum(place["w"] for place in line) == 24, line
        assert len({place["h"] for place in line}) == 1, line


@pytest.mark.parametrize("uid", UIDS)
def test_nothing_measured_is_said_in_words(uid: str) -> None:
    """A panel without data says so: nothing is not 0."""
    assert all(panel["fieldConfig"]["defaults"].get("noValue") for panel in panels(uid))


@pytest.mark.parametrize("uid", UIDS)
def test_thresholds_are_in_view(uid: str) -> None:
    """Thresholds rise; a line is never above the axis, however low the values are."""
    for panel in panels(uid):
        values = [step["value"] for step in steps(panel)]
        assert not values or (values[0] is None and values[1:] == sorted(values[1:])), panel["title"]
        custom = panel["fieldConfig"]["defaults"].get("custom") or {}
        if "thresholdsStyle" in custom:
            assert custom["thresholdsStyle"]["mode"] == "dashed"
            assert custom["axisSoftMax"] == values[-1], panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_colours_stay_apart_for_the_colour_blind(uid: str) -> None:
    """States are blue, orange and dark red; what colour alone tells apart has a colour of Okabe and Ito's."""
    for panel in panels(uid):
        assert {step["color"] for step in steps(panel)} <= STATES, panel["title"]
        text = json.dumps(panel["fieldConfig"]["overrides"])
        used = set(re.findall(r'"(?:fixedColor|color)": "([^"]+)"', text))
        assert used <= COLOURS | {"light-orange"}, panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_links_lead_to_dashboards(uid: str) -> None:
    """Dashboards are linked by their common tag, and links inside panels lead to one of the four."""
    links = board(uid)["links"]
    assert (links[0]["type"], links[0]["tags"], links[0]["keepTime"], links[0]["includeVars"]) == (
        "dashboards",
        board(uid)["tags"],
        True,
        True,
    )
    assert set(re.findall(r"/d/([\w-]+)", json.dumps(board(uid)))) <= set(UIDS)


def test_overview_leads_on() -> None:
    """From the overview's numbers one gets to both boards that explain them, and from an alert to its runbook."""
    text = json.dumps(board("voice-overview"))
    assert set(re.findall(r"/d/([\w-]+)", text)) == {"voice-latency", "voice-hangs-errors"}
    runbook = re.search(r'"(https?://[^"]*)/\$\{__value.raw\}\.md"', text)
    assert runbook
    urls = {alert["annotations"]["runbook_url"] for alert in alerts()}
    assert urls == {f"{runbook[1]}/{alert['alert']}.md" for alert in alerts()}


def test_alerts_lead_to_dashboards() -> None:
    """Every dashboard that an alert names is there."""
    assert {alert["annotations"]["dashboard_url"].rpartition("/")[2] for alert in alerts()} == set(UIDS)


@pytest.mark.parametrize("uid", UIDS)
def test_alerts_are_annotations(uid: str) -> None:
    """Each dashboard shows since when alerts fire."""
    annotation = board(uid)["annotations"]["list"][0]
    assert annotation["enable"]
    assert 'alertstate="firing"' in annotation["expr"]


@pytest.mark.parametrize("uid", UIDS)
def test_variables_are_those_in_use(uid: str) -> None:
    """Every variable is used, and every variable that is used exists."""
    made = board(uid)
    text = json.dumps([made["panels"], made["annotations"], made["templating"]])
    used = set(re.findall(r"\$\{?(?!__)([a-z]+)", text))
    assert used == set(variables(uid))


@pytest.mark.parametrize("uid", UIDS)
def test_variables_are_told_apart_by_name(uid: str) -> None:
    """No variable has an id: Grafana's older engine keys by it, and variables that share one replace each other."""
    listed = board(uid)["templating"]["list"]
    keys = {variable.get("id") or variable["name"] for variable in listed}
    assert len(keys) == len(listed) == 6
    assert not any("id" in variable for variable in listed)


@pytest.mark.parametrize("uid", UIDS)
def test_assistants_are_chosen_by_name(uid: str) -> None:
    """The assistant's variable shows names and matches ids."""
    variable = variables(uid)["assistant"]
    row = 'voice_assistant_info{assistant_id="a-1",assistant_name="Front desk",job="j"} 1 1700000000'
    match = re.search(variable["regex"].strip("/").replace("?<", "?P<"), row)
    assert match
    assert match.groupdict() == {"value": "a-1", "text": "Front desk"}
