import re
from typing import Any

import pytest

from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from tests.grafana.boards import UIDS, Target, board, filled, panels, targets, variables
from tests.rules.lint import check, selectors
from tests.rules.shapes import sample

UNSEEN: dict[Metric, str] = {m.EXTERNAL_URL: "a link, for the rules to read"}
"""Metrics without a panel, with the reason."""


def test_queries_ask_for_what_there_is() -> None:
    """Metrics, labels and values exist; rates are of counters; no raw counter compares: as the rules are held."""
    for target in targets():
        check(filled(target.json["expr"]), shortest_range=0)


def test_annotations_and_variables_ask_for_what_there_is() -> None:
    """So do the queries beside the panels."""
    for uid in UIDS:
        check(filled(board(uid)["annotations"]["list"][0]["expr"]))
        asked = [str(variable["query"]) for variable in variables(uid).values() if variable["type"] == "query"]
        for series, label in re.findall(r"label_values\((\w+(?:\{[^}]*\})?), (\w+)\)", "".join(asked)):
            check(f"count by ({label}) ({series})")
        check(re.findall(r"query_result\((.*?\})\)", "".join(asked))[0])


def test_legends_name_labels_that_are_there() -> None:
    """A legend takes its words from labels that the query's result has."""
    for target in targets():
        labels = check(filled(target.json["expr"]), shortest_range=0) or frozenset()
        used = set(re.findall(r"\{\{(\w+)\}\}", target.json.get("legendFormat", "")))
        known = labels | {"le"} if target.json.get("format") == "heatmap" else labels
        assert used <= known, target.name


def test_every_metric_has_a_panel() -> None:
    """Whatever the exporter measures can be seen."""
    seen = {sample(selector.name, {}).metric for target in targets() for selector, _ in selectors(target.parsed)}
    assert set(m.METRICS.values()) - seen == set(UNSEEN)


def test_series_with_unknown_labels_do_not_hide_behind_one_name() -> None:
    """Queries with more than one series have a legend that tells them apart, or a table with their labels."""
    for target in targets():
        labels = check(filled(target.json["expr"]), shortest_range=0) or frozenset()
        if target.panel["type"] in {"timeseries", "stat", "bargauge"} and labels - {"le"}:
            assert "{{" in target.json.get("legendFormat", ""), target.name


@pytest.mark.parametrize("uid", UIDS)
def test_table_columns_are_those_of_the_queries(uid: str) -> None:
    """A table names every label and every number of its queries, hides none by mistake, and sorts by a column."""
    for panel in panels(uid):
        if panel["type"] == "table":
            _check_table(uid, panel)


def _check_table(uid: str, panel: dict[str, Any]) -> None:
    organize = next(item["options"] for item in panel["transformations"] if item["id"] == "organize")
    asked = [Target(uid, panel, target) for target in panel["targets"]]
    numbers = {f"Value #{target.json['refId']}" for target in asked} if len(asked) > 1 else {"Value"}
    labels = {label for target in asked for label in check(filled(target.json["expr"]), shortest_range=0) or ()}
    assert (labels | numbers) - {"assistant_id"} == set(organize["renameByName"]), panel["title"]
    assert list(organize["indexByName"]) == list(organize["renameByName"]), panel["title"]
    titles = set(organize["renameByName"].values())
    assert panel["options"]["sortBy"][0]["displayName"] in titles, panel["title"]
    named = {rule["matcher"]["options"] for rule in panel["fieldConfig"]["overrides"]}
    assert named <= titles | {"assistant_id"}, panel["title"]
