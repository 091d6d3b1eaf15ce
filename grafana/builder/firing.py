"""What Prometheus says of the alerts themselves."""

from typing import Final

from grafana_foundation_sdk.builders import common, stat
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from exporter.assets.promql import indent
from grafana.builder import colours as c
from grafana.builder.panels import judged, now, tile
from grafana.builder.places import text
from grafana.builder.query import named
from grafana.builder.tables import Column, Table, linked, ranking

ACTED_ON: Final = "critical|high|warning"
"""Severities that somebody acts on; info can wait."""

_SCOPE: Final = 'alertname=~"Voice.+", alertname!="VoiceWatchdog", job=~"$job|"'
_CHOSEN: Final = 'platform=~"$platform|", assistant_id=~"$assistant|", provider=~"$provider|"'
_SEVERITIES: Final = {"critical": c.CRITICAL, "high": c.WARNING, "warning": "light-orange"}


def alerts(severity: str, series: str = "ALERTS") -> str:
    """Alerts of some severities: those of what is chosen, and those that do not name it."""
    state = ', alertstate="firing"' if series == "ALERTS" else ""
    return f'{series}{{{_SCOPE}, {_CHOSEN}, severity=~"{severity}"{state}}}'


def count() -> stat.Panel:
    """How many alerts fire."""

    def of(severity: str) -> str:
        return f'count({alerts(severity)})\nor\n0 * count(ALERTS{{alertname="VoiceWatchdog", alertstate="firing"}})'

    panel = tile(
        "Firing alerts",
        "Alerts that fire now. Without a number, Prometheus has not loaded the exporter's rules.",
        now(of("critical"), "critical"),
        now(of("high|warning"), "high and warning"),
    )
    judged(panel, c.above(warning=1)).no_value("no rules")
    critical = c.thresholds(c.above(critical=1)).build()
    return panel.override_by_name("critical", [DynamicConfigValue(id_val="thresholds", value=critical)])


def listing() -> Table:
    """Which alerts fire, since when, with their runbooks."""
    labels = {
        "severity": "Severity",
        "alertname": "Alert",
        "platform": "Platform",
        "assistant_name": "Assistant",
        "component": "Component",
        "provider": "Provider",
        "model": "Model",
        "error_code": "Error",
    }
    by = (*(label for label in labels if label != "assistant_name"), "assistant_id")
    since = f"{alerts(ACTED_ON, 'ALERTS_FOR_STATE')} * 1000\nand ignoring (alertstate)\n{alerts(ACTED_ON)}"
    fires = f"max by ({', '.join(by)}) (\n{indent(since)}\n)"
    panel = ranking(
        "Firing alerts",
        "Empty is good, where the rules are loaded. The name of an alert leads to its runbook.",
        labels,
        Column("Since", f"{named(fires)}\nor ignoring (assistant_name)\n(\n{indent(fires)}\n)", "dateTimeFromNow"),
    )
    linked(panel, "Alert", "Runbook", f"{text('links.runbook_base_url', 'url')}/${{__value.raw}}.md")
    panel.override_by_name("Severity", _colours())
    panel.sort_by([common.TableSortByFieldState().display_name("Severity")])
    return panel


def _colours() -> list[DynamicConfigValue]:
    mapping = {name: {"color": colour, "index": at} for at, (name, colour) in enumerate(_SEVERITIES.items())}
    return [
        DynamicConfigValue(id_val="mappings", value=[{"type": "value", "options": mapping}]),
        DynamicConfigValue(id_val="custom.displayMode", value="color-background-solid"),
        DynamicConfigValue(id_val="custom.width", value=90),
    ]
