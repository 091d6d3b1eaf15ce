import json
import re
from itertools import combinations
from typing import Any

import pytest

from exporter.yamlfile.durations import parse_duration
from grafana.builder import colours
from tests.grafana.boards import SCRAPE, UIDS, board, everything, panels, variables
from tests.rules.lint import check
from tests.rules.shipped import alerts, recorded

COLOURS = {value for name, value in vars(colours).items() if name.isupper() and isinstance(value, str)}
NEUTRAL = {colours.UNMEASURED}
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
    """Panels are numbered from 1, collapsed ones as well, and the queries of each by letters."""
    assert [panel["id"] for panel in everything(uid)] == list(range(1, len(everything(uid)) + 1))
    for panel in panels(uid):
        assert "".join(target["refId"] for target in panel["targets"]) == "ABCDEFGHIJKL"[: len(panel["targets"])]


@pytest.mark.parametrize("uid", UIDS)
def test_panels_fit_side_by_side(uid: str) -> None:
    """No panel leaves the 24 columns, covers another, or is too narrow to read at 1280 pixels."""
    places = [panel["gridPos"] for panel in board(uid)["panels"]]
    places += [panel["gridPos"] for row in board(uid)["panels"] for panel in row.get("panels", ())]
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
def test_percentiles_say_how_far_they_look_back(uid: str) -> None:
    """Percentiles over time are of a window that the title names: a minute of few calls would be noise."""
    for panel in panels(uid):
        asked = " ".join(target["expr"] for target in panel["targets"])
        if panel["type"] == "timeseries" and "histogram_quantile" in asked:
            spans = set(re.findall(r"increase\([^\[]*_bucket[^\[]*\[(\w+)\]", asked))
            assert len(spans) == 1, panel["title"]
            assert f", {spans.pop()}" in panel["title"]
        assert "$__rate_interval" not in asked or "histogram_quantile" not in asked, panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_nothing_measured_is_said_in_words(uid: str) -> None:
    """A panel without data says so, in the words of those that have their own: nothing is not 0, and not none."""
    words = [panel["fieldConfig"]["defaults"].get("noValue") for panel in panels(uid)]
    assert all(words)
    assert "none" not in words


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
    """From the overview's numbers one gets to the boards that explain them, and from an alert to its runbook."""
    text = json.dumps(board("voice-overview"))
    assert set(re.findall(r"/d/([\w-]+)", text)) == {"voice-latency", "voice-hangs-errors", "voice-exporter"}
    runbook = re.search(r'"(https?://[^"]*)/\$\{__value.raw\}\.md"', text)
    assert runbook
    assert runbook[1] == "http://localhost:10060/runbooks"


def test_alerts_lead_to_dashboards() -> None:
    """Every dashboard that an alert names is there."""
    assert {re.findall(r"/d/([\w-]+)\?", alert["annotations"]["dashboard_url"])[0] for alert in alerts()} == set(UIDS)


@pytest.mark.parametrize("uid", UIDS)
def test_alerts_are_annotations_on_request(uid: str) -> None:
    """Each dashboard can mark where an alert began: off, since many alerts at once hide what they are about."""
    annotation = board(uid)["annotations"]["list"][0]
    assert annotation["enable"] is False
    assert annotation["useValueForTime"] is True
    assert annotation["expr"].startswith("1000 * min by (")
    assert "ALERTS_FOR_STATE{" in annotation["expr"]
    assert 'alertstate="firing"' in annotation["expr"]


@pytest.mark.parametrize("uid", UIDS)
def test_no_data_is_neutral(uid: str) -> None:
    """A tile whose number is missing says so in words, on a ground that is no state: blue means measured and fine."""
    for panel in panels(uid):
        if panel["type"] == "stat":
            defaults = panel["fieldConfig"]["defaults"]
            special = [item["options"] for item in defaults["mappings"] if item["type"] == "special"]
            assert [item["match"] for item in special] == ["null+nan"], panel["title"]
            assert special[0]["result"]["color"] in NEUTRAL, panel["title"]
            assert special[0]["result"]["text"] == defaults["noValue"], panel["title"]


def test_first_tile_is_the_exporter() -> None:
    """The overview begins with what all other numbers rest on: is the exporter up, and when did it hear something."""
    first = panels("voice-overview")[0]
    assert first["title"] == "Exporter"
    assert "up{" in first["targets"][0]["expr"]
    assert "voice_exporter_last_event_timestamp_seconds{" in first["targets"][1]["expr"]
    assert all("last_over_time(" in target["expr"] for target in first["targets"])


@pytest.mark.parametrize("uid", UIDS)
def test_names_outlive_the_exporter(uid: str) -> None:
    """What an exporter that is gone had counted keeps its names: none rests on the information of this moment."""
    for panel in panels(uid):
        for target in panel["targets"]:
            if "voice_assistant_info{" in target["expr"]:
                assert "last_over_time(voice_assistant_info{" in target["expr"], panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_queries_know_the_scrape_interval(uid: str) -> None:
    """Each query carries it: a data source made by hand does not, and $__rate_interval would see too few scrapes."""
    intervals = {target["interval"] for panel in panels(uid) for target in panel["targets"]}
    assert {parse_duration(interval) for interval in intervals} == {SCRAPE}


@pytest.mark.parametrize("uid", UIDS)
def test_tiles_can_be_read_from_afar(uid: str) -> None:
    """Names and numbers of tiles have a size of their own, and titles fit at 800 pixels."""
    for panel in panels(uid):
        if panel["type"] == "stat" and panel["options"]["textMode"] != "name":
            sizes = panel["options"]["text"]
            assert sizes["titleSize"] >= 14, panel["title"]
            assert sizes["valueSize"] >= 24, panel["title"]
            assert panel["gridPos"]["w"] >= 6, panel["title"]
            assert len(panel["title"]) <= 16, panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_bars_have_names(uid: str) -> None:
    """Bars of one query are named by a label: one that stands alone would have no name."""
    for panel in panels(uid):
        if panel["type"] == "bargauge" and len(panel["targets"]) == 1:
            defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
            named = {rule["matcher"]["options"] for rule in overrides}
            assert defaults.get("displayName", "").startswith("${__field.labels.") or "+Inf" in named, panel["title"]


def test_lengths_of_conversations_are_spans() -> None:
    """Hangs by length of the conversation say from which message to which, not a bucket's bound."""
    panel = next(item for item in panels("voice-hangs-errors") if "length of the conversation" in item["title"])
    names = {rule["matcher"]["options"]: rule["properties"][0]["value"] for rule in panel["fieldConfig"]["overrides"]}
    assert (names["4.0"], names["9.0"], names["+Inf"]) == ("1 to 4", "5 to 9", "more than 99")


@pytest.mark.parametrize("uid", UIDS)
def test_many_lines_are_ranked(uid: str) -> None:
    """Lines by assistant, of which there may be hundreds, are ten, in a legend sorted by their highest value."""
    for panel in panels(uid):
        legends = {target.get("legendFormat") for target in panel["targets"]}
        if panel["type"] == "timeseries" and legends & {"{{assistant_name}}", "{{provider}} {{model}}"}:
            assert re.search(r"\b(top|bottom)k\(10,", panel["targets"][0]["expr"]), panel["title"]
            legend = panel["options"]["legend"]
            assert (legend["displayMode"], legend["sortBy"], legend["sortDesc"]) == ("table", "Max", True)


@pytest.mark.parametrize("uid", UIDS)
def test_half_of_the_queries_wait(uid: str) -> None:
    """Rarely read rows are collapsed: what is open asks at most 25 queries every refresh."""
    asked = sum(len(panel.get("targets", ())) for panel in board(uid)["panels"])
    assert asked <= 25
    rows = [panel for panel in board(uid)["panels"] if panel["type"] == "row"]
    assert not rows[0]["collapsed"]
    assert any(row["collapsed"] for row in rows)


@pytest.mark.parametrize("uid", ["voice-overview", "voice-latency", "voice-hangs-errors"])
def test_plateaus_are_explained(uid: str) -> None:
    """Where a percentile may stay at the last bound of a histogram, the words say that it means that or more."""
    for panel in panels(uid):
        asked = " ".join(target["expr"] for target in panel["targets"])
        if panel["type"] == "timeseries" and "histogram_quantile" in asked:
            assert re.search(r"stays at [\d.]+ s means that or more", panel["description"]), panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_areas_have_no_edge_of_what_is_0(uid: str) -> None:
    """What is stacked leaves out zeros: their line on top would look like a value."""
    for panel in panels(uid):
        custom = panel["fieldConfig"]["defaults"].get("custom") or {}
        if panel["type"] == "timeseries" and custom.get("stacking", {}).get("mode") == "normal":
            for target in panel["targets"]:
                assert "_total{" not in target["expr"] or target["expr"].endswith("> 0"), panel["title"]


def test_units_do_not_share_an_axis() -> None:
    """Tokens and characters differ by an order of magnitude: each has a panel."""
    for panel in panels("voice-overview"):
        asked = " ".join(target["expr"] for target in panel["targets"])
        assert not ("voice_llm_tokens_total" in asked and "voice_tts_characters_total" in asked)


@pytest.mark.parametrize("uid", UIDS)
def test_exemplars_do_not_cover_heatmaps(uid: str) -> None:
    """Heatmaps come without exemplars, which would hide them."""
    for panel in panels(uid):
        if panel["type"] == "heatmap":
            assert not any(target.get("exemplar") for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_ages_are_exact(uid: str) -> None:
    """Times since something are hours, minutes, seconds: "an hour ago" is anything from 45 to 89 minutes."""
    text = json.dumps(board(uid))
    assert "dateTimeFromNow" not in text


def test_alerts_are_listed_by_whatever_tells_them_apart() -> None:
    """The tile and the table of firing alerts count the same: by every label that an alert may have."""
    labels = {
        label for alert in alerts() for label in (check(alert["expr"], recorded()) or ()) | alert["labels"].keys()
    }
    tile, table = (panel for panel in panels("voice-overview") if panel["title"] == "Firing alerts")
    for target in (*tile["targets"], *table["targets"]):
        grouped = re.search(r"max by \(([^)]*)\)", target["expr"])
        assert grouped
        assert set(grouped[1].split(", ")) - {"alertname"} == labels - {"job"}


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


@pytest.mark.parametrize("uid", ["voice-overview", "voice-latency", "voice-hangs-errors"])
def test_a_choice_without_effect_is_said(uid: str) -> None:
    """A panel that cannot follow the chosen provider says so, and only such a panel does."""
    for panel in panels(uid):
        follows = "$provider" in json.dumps(panel["targets"])
        assert follows != panel["description"].endswith("Of all providers, whichever is chosen."), panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_assistants_are_chosen_by_name(uid: str) -> None:
    """The assistant's variable shows names and matches ids."""
    variable = variables(uid)["assistant"]
    row = 'voice_assistant_info{assistant_id="a-1",assistant_name="Front desk",job="j"} 1 1700000000'
    match = re.search(variable["regex"].strip("/").replace("?<", "?P<"), row)
    assert match
    assert match.groupdict() == {"value": "a-1", "text": "Front desk"}
