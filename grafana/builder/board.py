"""What all dashboards share: variables, links between them, alerts as annotations, the time range."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from exporter.assets.promql import indent
from exporter.metrics import catalogue as m
from grafana.builder.firing import onsets
from grafana.builder.panels import DATASOURCE
from grafana.builder.places import plain, text

OVERVIEW: Final = "voice-overview"
LATENCY: Final = "voice-latency"
HANGS_ERRORS: Final = "voice-hangs-errors"
EXPORTER: Final = "voice-exporter"
"""The dashboards' uids; alerts link to them."""

_TAG: Final = "voice-exporter"
_NAMED: Final = '/assistant_id="(?<value>[^"]+)".*assistant_name="(?<text>[^"]*)"/'
"""Assistants are chosen by name and matched by id."""

Panel = Builder[models.Panel]


class Section(NamedTuple):
    """A row of the dashboard with its panels; collapsed, they ask for nothing until somebody opens it."""

    title: str
    panels: Sequence[Panel]
    collapsed: bool = False


def board(uid: str, title: str, description: str, sections: Sequence[Section]) -> dict[str, object]:
    """A dashboard as Grafana imports it, with places for the thresholds."""
    made = Dashboard(title).uid(uid).description(description).tags([_TAG]).readonly()
    made.timezone("browser").time("now-6h", "now").refresh("30s").tooltip(models.DashboardCursorSync.CROSSHAIR)
    made.variables(_variables()).links(_links()).annotation(_firing())
    for section in sections:
        row = Row(section.title).collapsed(section.collapsed)
        for panel in section.panels if section.collapsed else ():
            row.with_panel(panel)
        made.with_row(row)
        for panel in () if section.collapsed else section.panels:
            made.with_panel(panel)
    return _finished(made.build())


def drill_down(uid: str, **row: str) -> str:
    """Address of another dashboard with the same choices.

    Args:
        uid: of the dashboard.
        row: variables that take their value from a field of a table's row instead.
    """
    chosen = ("datasource", "job", "instance", "platform", "assistant", "provider")
    choices = [
        f"var-{name}=${{__data.fields.{row[name]}}}" if name in row else f"${{{name}:queryparam}}" for name in chosen
    ]
    return f"/d/{uid}?{'&'.join(['${__url_time_range}', *choices])}"


def _finished(made: models.Dashboard) -> dict[str, object]:
    for number, panel in enumerate(_with_nested(made.panels or []), start=1):
        panel.id_val = number
    finished: Any = plain(made)
    del finished["style"]  # dark or light is the reader's choice
    for variable in finished["templating"]["list"]:
        # The builders give every variable the same id, and the legacy dashboard engine keys variables by id: five of
        # the six would be lost, the data source among them.
        del variable["id"]
    finished["annotations"]["list"][0] |= {
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{platform}}",
        "tagKeys": "severity,platform",
        "useValueForTime": True,
        "step": "60s",
    }
    for panel in (inner for item in finished["panels"] for inner in (item, *item.get("panels", ()))):
        # What has no provider does not follow the choice of one. On the exporter's own board that goes without saying.
        if made.uid != EXPORTER and "$provider" not in json.dumps(panel.get("targets", "$provider")):
            panel["description"] += " Of all providers, whichever is chosen."
    return dict(finished)


def _variables() -> list[Builder[models.VariableModel]]:
    scraped = f'{m.BUILD_INFO.name}{{job=~"$job"}}'
    calls = f'{m.CALLS_STARTED.name}{{job=~"$job", instance=~"$instance"}}'
    requests = f'{m.SERVICE_REQUESTS.name}{{job=~"$job", instance=~"$instance", platform=~"$platform"}}'
    assistants = f'{m.ASSISTANT_INFO.name}{{job=~"$job", instance=~"$instance", platform=~"$platform"}}'
    return [
        DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .current(models.VariableOption(selected=True, text="default", value="default")),
        _variable("job", f"label_values({m.BUILD_INFO.name}, job)"),
        _variable("instance", f"label_values({scraped}, instance)"),
        _variable("platform", f"label_values({calls}, platform)"),
        _variable("assistant", f"query_result({assistants})").regex(_NAMED),
        _variable("provider", f"label_values({requests}, provider)").label("Provider of services"),
    ]


def _variable(name: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(name.title())
        .datasource(DATASOURCE)
        .query({"query": query, "refId": f"variable-{name}"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _links() -> list[Builder[models.DashboardLink]]:
    boards = DashboardLink("Voice dashboards").type(models.DashboardLinkType.DASHBOARDS).tags([_TAG])
    runbooks = DashboardLink("Runbooks").type(models.DashboardLinkType.LINK).icon("doc")
    return [
        boards.include_vars(include_vars=True).keep_time(keep_time=True),
        runbooks.url(f"{text('links.runbooks', 'url')}/").target_blank(target_blank=True),
    ]


def _firing() -> AnnotationQuery:
    """A thin line where an alert began, of whatever holds the longest: a line for each would hide the graphs."""
    by = "alertname, severity, platform"
    query = AnnotationQuery().name("Alerts").datasource(DATASOURCE)
    query.expr(f"1000 * min by ({by}) (\n{indent(onsets())}\n)")
    return query.enable(enable=False).icon_color("rgba(196, 22, 42, 0.6)")


def _with_nested(panels: Iterable[models.Panel | models.RowPanel]) -> Iterator[models.Panel | models.RowPanel]:
    for panel in panels:
        yield panel
        if isinstance(panel, models.RowPanel):
            yield from panel.panels
