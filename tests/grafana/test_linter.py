"""The rules of Grafana's dashboard-linter (https://github.com/grafana/dashboard-linter, docs/index.md), stricter."""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
import yaml

from tests.grafana.boards import LIVE, ROOT, UIDS, Target, board, filled, panels, targets, variables, windows
from tests.rules.lint import selectors, walk

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}
"""Excluded from the rules on job and instance: alerts have the labels that their rules left them, and
VoiceExporterDown has none where no exporter is left."""

UNITS = {"short", "none", "s", "dtdhms", "percentunit", "currencyUSD", "bytes"}
"""Of the units that the linter knows, those in use."""

COLUMN_UNITS = UNITS | {"bool_yes_no"}


def parsed() -> list[Target]:
    """Every query; they are few enough to be one test each rule."""
    return list(targets())


@pytest.mark.parametrize("uid", UIDS)
def test_template_datasource_rule(uid: str) -> None:
    """One data source, at first the default one, by the name and with the label that the linter asks for."""
    found = [variable for variable in variables(uid).values() if variable["type"] == "datasource"]
    assert [(variable["name"], variable["label"], variable["query"]) for variable in found] == [
        ("datasource", "Data source", "prometheus")
    ]
    assert found[0]["current"]["value"] == "default"


@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize("name", ["job", "instance", "platform", "assistant", "provider"])
def test_template_job_and_instance_rules(uid: str, name: str) -> None:
    """Job and instance, and our own, are queries of the chosen data source, for several or all; all is the default."""
    variable = variables(uid)[name]
    assert (variable["type"], variable["datasource"]) == ("query", DATASOURCE)
    assert variable["label"].startswith(name.title())
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
    assert variable["current"]["value"] == ["$__all"]


@pytest.mark.parametrize("uid", UIDS)
def test_template_label_promql_rule(uid: str) -> None:
    """Variables ask with functions of the data source, for series that parse."""
    for variable in _queries(uid):
        match = re.fullmatch(r"(label_values|query_result)\(([^}]*}?)(, [a-z_]+)?\)", variable["query"]["query"])
        assert match, variable
        scope = () if variable["name"] == "job" else ("job",) if variable["name"] == "instance" else ("job", "instance")
        assert all(f'{label}=~"${label}"' in match[2] for label in scope), variable
        promql.parse(match[2].removesuffix(", job"))


@pytest.mark.parametrize("uid", UIDS)
def test_template_on_time_change_reload_rule(uid: str) -> None:
    """Variables are looked up again when the time range changes."""
    assert all(variable["refresh"] == 2 for variable in _queries(uid))


def _queries(uid: str) -> Iterator[dict[str, Any]]:
    return (variable for variable in variables(uid).values() if variable["type"] == "query")


@pytest.mark.parametrize("uid", UIDS)
def test_panel_datasource_rule(uid: str) -> None:
    """Panels, queries and annotations ask the chosen data source."""
    asking = [*panels(uid), *(target for panel in panels(uid) for target in panel["targets"])]
    asking += board(uid)["annotations"]["list"]
    assert all(item["datasource"] == DATASOURCE for item in asking)


@pytest.mark.parametrize("uid", UIDS)
def test_panel_title_description_rule(uid: str) -> None:
    """Each panel has a title of its own within the dashboard, and a description that is a sentence."""
    titles = [panel["title"] for panel in panels(uid)]
    assert all(titles)
    assert len(set(zip(titles, (panel["type"] for panel in panels(uid)), strict=True))) == len(titles)
    for panel in panels(uid):
        assert re.fullmatch(r"\S.{10,}\.", panel["description"], re.DOTALL), panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_panel_units_rule(uid: str) -> None:
    """Each panel has a unit; so has each column that has one of its own."""
    for panel in panels(uid):
        if panel["type"] == "heatmap":
            assert panel["options"]["yAxis"]["unit"] in UNITS, panel["title"]
            continue
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        properties = [item for rule in panel["fieldConfig"]["overrides"] for item in rule["properties"]]
        assert {item["value"] for item in properties if item["id"] == "unit"} <= COLUMN_UNITS, panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_panel_no_targets_rule(uid: str) -> None:
    """Each panel has a query."""
    assert all(panel["targets"] for panel in panels(uid))


def test_target_promql_rule() -> None:
    """Every query is PromQL."""
    for target in parsed():
        promql.parse(filled(target.json["expr"]))


def test_target_rate_interval_rule() -> None:
    """A rate looks back over $__rate_interval; an increase over that, the time range, or an alert's own window."""
    magic = {**LIVE, "$__rate_interval": "1234567ms", "$__range": "7654321ms"}
    allowed = {1234.567, 7654.321} | windows() | {86400.0}  # a day: how long an exporter that is gone is remembered
    for target in parsed():
        expr = target.json["expr"]
        for name, value in magic.items():
            expr = expr.replace(name, value)
        for node in walk(promql.parse(expr)):
            spans = {range_.range.total_seconds() for range_ in walk(node) if isinstance(range_, promql.MatrixSelector)}
            assert spans <= allowed, target.name
            if isinstance(node, promql.Call) and node.func.name in {"rate", "irate"}:
                assert spans == {1234.567}, target.name


def test_target_job_and_instance_rules() -> None:
    """Every selector follows the chosen jobs and instances; alerts, which have other labels, are excluded."""
    for target in parsed():
        for selector, _ in selectors(target.parsed):
            matchers = {str(matcher) for matcher in selector.matchers.matchers}
            if selector.name not in ALERTS:
                assert {'job=~"$job"', 'instance=~"$instance"'} <= matchers, target.name


def test_target_counter_agg_rule() -> None:
    """Counters stand inside rate() or increase(); the created-timestamp test, for series just born, is excluded."""
    for target in parsed():
        for selector, above in selectors(target.parsed):
            if not (selector.name or "").endswith(("_total", "_bucket", "_sum", "_count")):
                continue
            if isinstance(above[0], promql.MatrixSelector):
                assert isinstance(above[1], promql.Call), target.name
                assert above[1].func.name in {"rate", "increase"}, target.name
            else:
                family = (selector.name or "").rpartition("_")[0]
                assert isinstance(above[0], promql.BinaryExpr), target.name
                assert str(above[0].op) == "and", target.name
                assert f"{family}_created{{" in str(above[0].rhs), target.name


@pytest.mark.parametrize("uid", UIDS)
def test_uneditable_dashboard_rule(uid: str) -> None:
    """Changes belong into the builder: the dashboard is not editable."""
    assert board(uid)["editable"] is False


def test_exclusions_are_those_that_are_needed() -> None:
    """The linter's own file excludes the panels of alerts from the rules on job and instance, and nothing else."""
    excluded = yaml.safe_load((ROOT / "grafana" / "dashboards" / ".lint").read_text())["exclusions"]
    asking = {
        (board(target.board)["title"], target.panel["title"])
        for target in parsed()
        if any(selector.name in ALERTS for selector, _ in selectors(target.parsed))
    }
    assert set(excluded) == {"target-job-rule", "target-instance-rule"}
    for rule in excluded.values():
        assert {(entry["dashboard"], entry["panel"]) for entry in rule["entries"]} == asking
