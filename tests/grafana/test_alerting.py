"""Grafana's own alerts: the optional file for teams without an Alertmanager."""

from typing import Any

import promql_parser as promql
import yaml

from tests.grafana.boards import ROOT
from tests.grafana.test_compose import provisioned
from tests.rules.shipped import alerts

FILE = ROOT / "grafana" / "alerting" / "voice.yml"


def content() -> dict[str, Any]:
    """The committed file."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return found


def rules() -> list[dict[str, Any]]:
    """Its rules."""
    return [rule for group in content()["groups"] for rule in group["rules"]]


def test_every_alert_is_there_once() -> None:
    """Each alert of the shipped rules has one rule, whatever its severities."""
    titles = [rule["title"] for rule in rules()]
    assert sorted(titles) == sorted({alert["alert"] for alert in alerts()})
    uids = [rule["uid"] for rule in rules()]
    assert len(set(uids)) == len(uids)
    assert max(map(len, uids)) <= 40


def test_rules_look_at_what_fires_in_prometheus() -> None:
    """A rule asks for the alert of its name, and for the watchdog whether it is gone."""
    for rule in rules():
        query, threshold = rule["data"]
        promql.parse(query["model"]["expr"])
        assert f'ALERTS{{alertname="{rule["title"]}", alertstate="firing"}}' in query["model"]["expr"]
        assert query["model"]["expr"].startswith("absent(") == (rule["title"] == "VoiceWatchdog")
        assert threshold["refId"] == rule["condition"]
        assert threshold["model"]["expression"] == query["refId"]


def test_links_ask_nothing() -> None:
    """Grafana knows no query in a template: its links to an exporter lead to one address, for all alerts."""
    for rule in rules():
        links = [url for name, url in rule["annotations"].items() if name in {"runbook_url", "incidents_url"}]
        assert links
        assert all(url.startswith("http://localhost:10060/") for url in links)


def test_intervals_are_those_that_grafana_takes() -> None:
    """Grafana evaluates in multiples of ten seconds, not more often than Prometheus does."""
    for group in content()["groups"]:
        seconds = int(group["interval"].removesuffix("s"))
        assert seconds % 10 == 0
        assert seconds >= 15


def test_data_source_is_the_provisioned_one() -> None:
    """The file names the data source as the provisioning beside it does."""
    [source] = [item for item in provisioned("datasources")["datasources"] if item["type"] == "prometheus"]
    assert {rule["data"][0]["datasourceUid"] for rule in rules()} == {source["uid"]}


def test_nothing_replaces_a_teams_policies() -> None:
    """Notification policies are one tree for a whole organization: the file leaves them alone."""
    assert content().keys() == {"apiVersion", "contactPoints", "groups"}
