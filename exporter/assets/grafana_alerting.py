"""Alerts that Grafana sends itself, for teams without an Alertmanager: a file for its provisioning.

Prometheus goes on evaluating the shipped rules; Grafana looks at what fires there, so that there is one definition of
each alert. Checked with Grafana 10.4; the form is that of Grafana 9.4 and later.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, Final

import yaml

from exporter.assets.emit import header
from exporter.assets.model import Links, Thresholds
from exporter.assets.rule import Alert, Group

DATASOURCE: Final = "prometheus"
"""Uid of the data source, as grafana/provisioning has it."""

CONTACT: Final = "voice-on-call"

_WATCHDOG: Final = "VoiceWatchdog"
_TICK: Final = 10
"""Grafana evaluates every ten seconds or a multiple of that."""

_COMMENT: Final = (
    "Grafana-managed alerts, for teams without an Alertmanager: put this file into provisioning/alerting, load the"
    " shipped rules into Prometheus, and set the address of the contact point. Notification policies are one tree for"
    " the whole organization, which a file would replace: route what has the label team=voice to the contact point"
    " voice-on-call on Grafana's own page. Grafana can't ask an exporter where it is: set links.runbook_base_url of the"
    " thresholds, or replace http://localhost:10060 in this file."
)
_DESCRIPTION: Final = (
    '{{ range $name, $value := $labels }}{{ if not (match "^(__.+__|alertname|grafana_folder)$" $name) }}'
    "{{ $name }}: {{ $value }}. {{ end }}{{ end }}"
)
"""What fires, without the labels of Grafana itself."""


def alerting_file(groups: Sequence[Group], t: Thresholds) -> str:
    """A file for Grafana's `provisioning/alerting`."""
    content = {
        "apiVersion": 1,
        "contactPoints": [{"orgId": 1, "name": CONTACT, "receivers": [_receiver()]}],
        "groups": [_group(group, t) for group in groups if group.alerts],
    }
    return f"{header(_COMMENT, t)}\n{yaml.safe_dump(content, sort_keys=False, width=118, allow_unicode=True)}"


def _receiver() -> dict[str, Any]:
    return {"uid": CONTACT, "type": "email", "settings": {"addresses": "on-call@example.com", "singleEmail": False}}


def _group(group: Group, t: Thresholds) -> dict[str, Any]:
    return {
        "orgId": 1,
        "name": group.name,
        "folder": "Voice",
        "interval": f"{_TICK * ceil(t.evaluation_interval / _TICK)}s",
        "rules": [_rule(alert, t.links) for alert in _once(group.alerts)],
    }


def _once(alerts: Iterable[Alert]) -> Iterator[Alert]:
    """The alerts without those of a name that came before: what fires carries its severity itself."""
    return iter({alert.name: alert for alert in alerts}.values())


def _rule(alert: Alert, links: Links) -> dict[str, Any]:
    annotations = {**alert.annotations(links, asking=False), "description": _DESCRIPTION}
    labels = {"team": "voice"}
    expr = f'max without (alertname, alertstate) (ALERTS{{alertname="{alert.name}", alertstate="firing"}})'
    if alert.name == _WATCHDOG:
        expr = f'absent(ALERTS{{alertname="{_WATCHDOG}", alertstate="firing"}})'
        labels["severity"] = "critical"
        annotations["summary"] = "Prometheus does not evaluate the rules of the voice exporter: no alert would come."
    return {
        "uid": alert.name.lower()[:40],
        "title": alert.name,
        "condition": "B",
        "for": "0s",
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": labels,
        "annotations": annotations,
        "data": [_query(expr), _threshold()],
    }


def _query(expr: str) -> Mapping[str, Any]:
    model = {"refId": "A", "expr": expr, "instant": True, "range": False}
    return {
        "refId": "A",
        "relativeTimeRange": {"from": 60, "to": 0},
        "datasourceUid": DATASOURCE,
        "model": model,
    }


def _threshold() -> Mapping[str, Any]:
    conditions = [{"evaluator": {"type": "gt", "params": [0]}}]
    model = {"refId": "B", "type": "threshold", "expression": "A", "conditions": conditions}
    return {"refId": "B", "datasourceUid": "__expr__", "model": model}
