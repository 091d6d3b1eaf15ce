"""What Prometheus says of the alerts themselves."""

from typing import Final

from grafana_foundation_sdk.builders import common, stat
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from exporter.assets.promql import indent
from grafana.builder import colours as c
from grafana.builder.panels import counted, judged, now, tile
from grafana.builder.places import DEFAULTS, text
from grafana.builder.query import named
from grafana.builder.tables import Column, Table, linked, ranking

ACTED_ON: Final = "critical|high|warning"
"""Severities that somebody acts on; info can wait."""

_SCOPE: Final = 'alertname=~"Voice.+", alertname!="VoiceWatchdog", job=~"$job|"'
_CHOSEN: Final = 'platform=~"$platform|", assistant_id=~"$assistant|", provider=~"$provider|"'
_NAMES: Final = {"severity": "Severity", "alertname": "Alert", "assistant_name": "Assistant"}
_DETAILS: Final = {
    "provider": "Provider",
    "component": "Component",
    "platform": "Platform",
    "model": "Model",
    "error_code": "Error",
    "cause": "Cause",
    "reason": "Reason",
    "outcome": "Outcome",
    "event": "Event",
    "label": "Label",
    "field": "Field",
    "scope": "Scope",
    "instance": "Instance",
    **{label: label.capitalize() for label in DEFAULTS.labels.keep},
}
_BY: Final = ("severity", "alertname", "assistant_id", *_DETAILS)
"""What tells alerts apart, for their number as for their list."""

_SEVERITIES: Final = {"critical": c.CRITICAL, "high": c.WARNING, "warning": "light-orange"}


def alerts(severity: str, series: str = "ALERTS") -> str:
    """Alerts of some severities: those of what is chosen, and those that do not name it."""
    state = ', alertstate="firing"' if series == "ALERTS" else ""
    return f'{series}{{{_SCOPE}, {_CHOSEN}, severity=~"{severity}"{state}}}'


def onsets() -> str:
    """When those alerts that fire began to hold, in Unix time."""
    return f"{alerts(ACTED_ON, 'ALERTS_FOR_STATE')}\nand ignoring (alertstate)\n{alerts(ACTED_ON)}"


def count() -> stat.Panel:
    """How many alerts fire."""

    def of(severity: str) -> str:
        fire = f"max by ({', '.join(_BY)}) ({alerts(severity)})"
        return f'count({fire})\nor\n0 * count(ALERTS{{alertname="VoiceWatchdog", alertstate="firing"}})'

    panel = tile(
        "Firing alerts",
        "Alerts that fire now. Without a number, Prometheus has not loaded the exporter's rules.",
        now(of("critical"), "critical"),
        now(of("high|warning"), "high, warning"),
        empty="no rules",
    )
    judged(counted(panel), c.above(warning=1))
    critical = c.thresholds(c.above(critical=1)).build()
    return panel.override_by_name("critical", [DynamicConfigValue(id_val="thresholds", value=critical)])


def listing() -> Table:
    """Which alerts fire, since when, with their runbooks."""
    fires = f"time()\n- max by ({', '.join(_BY)}) (\n{indent(onsets())}\n)"
    known = f"{named(fires, outlive=True)}\nor ignoring (assistant_name)\n(\n{indent(fires)}\n)"
    panel = ranking(
        "Firing alerts",
        "How long each alert has held, hours:minutes:seconds. Empty is good, where the rules are loaded. The name of an"
        " alert leads to its runbook.",
        _NAMES,
        _DETAILS,
        Column("Firing for", known, "dtdhms", width=100),
    )
    linked(panel, "Alert", "Runbook", f"{text('links.runbooks', 'url')}/${{__value.raw}}.md")
    panel.override_by_name("Severity", _colours()).no_value("none fires, or no rules")
    panel.sort_by([common.TableSortByFieldState().display_name("Severity")])
    return panel


def _colours() -> list[DynamicConfigValue]:
    mapping = {name: {"color": colour, "index": at} for at, (name, colour) in enumerate(_SEVERITIES.items())}
    return [
        DynamicConfigValue(id_val="mappings", value=[{"type": "value", "options": mapping}]),
        DynamicConfigValue(id_val="custom.displayMode", value="color-background-solid"),
    ]
