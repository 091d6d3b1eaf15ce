"""Tables: one row for each that may hurt, worst first."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, FieldColorModeId, Panel
from grafana_foundation_sdk.models.prometheus import PromQueryFormat as Format

from grafana.builder.colours import CLEAR, Steps, thresholds
from grafana.builder.panels import frame, now
from grafana.builder.places import plain

_WIDTHS: Final = {
    "Severity": 80,
    "Alert": 235,
    "Platform": 90,
    "Component": 100,
    "Provider": 110,
    "Window": 80,
    "Error": 180,
}
_DETAIL: Final = 120
_NAME: Final = 220
"""Widths of columns of labels in pixels; names, which vary in length, share what is left."""

TWELVE_ROWS: Final = 14
"""Height of a table that shows twelve rows, in units of the grid."""

SIX_ROWS: Final = 8


class Column(NamedTuple):
    """A column of numbers.

    Attributes:
        title: of the column.
        expr: the query by the table's labels.
        unit: Grafana's name of the unit.
        steps: colours where some numbers are bad.
        decimals: how many, where not as many as Grafana takes.
        width: in pixels.
    """

    title: str
    expr: str
    unit: str = "short"
    steps: Steps = ()
    decimals: int | None = None
    width: int = 120


def count(title: str, expr: str, width: int = 80) -> Column:
    """A column of counts."""
    return Column(title, expr, "none", (), 0, width)


class Table(table.Panel):
    """A table whose columns have options that Grafana 10.1's schema knows and its builder does not."""

    def build(self) -> Panel:
        """The panel."""
        panel = super().build()
        panel.field_config.defaults.custom = {"align": "auto", "displayMode": "auto", "filterable": False}
        return panel


def ranking(title: str, text: str, names: Mapping[str, str], details: Mapping[str, str], *columns: Column) -> Table:
    """A table of queries that share labels, worst first: the first column of numbers decides.

    Args:
        title: of the panel.
        text: what it means.
        names: the titles of the columns of labels that stand before the numbers, by label.
        details: those behind the numbers, which a narrow screen does not show.
        columns: the columns of numbers.
    """
    values = ["Value"] if len(columns) == 1 else [f"Value #{chr(ord('A') + index)}" for index in range(len(columns))]
    panel = Table()
    frame(panel, title, text, [now(column.expr, form=Format.TABLE) for column in columns])
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    numbers = dict(zip(values, (column.title for column in columns), strict=True))
    panel.with_transformation(_organize({**names, **numbers, **details}))
    for column in columns:
        panel.override_by_name(column.title, _properties(column))
    for label, name in {**names, **details}.items():
        panel.override_by_name(name, _label(name, fixed=label in details or name in _WIDTHS))
    panel.override_by_name("assistant_id", [DynamicConfigValue(id_val="custom.hidden", value=True)])
    panel.unit("short").thresholds(thresholds([(None, CLEAR)]))
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
    panel.show_header(show_header=True).cell_height(options.TableCellHeight.SM)
    panel.sort_by([common.TableSortByFieldState().display_name(columns[0].title).desc(desc=True)])
    panel.span(24).height(TWELVE_ROWS)
    return panel


def _label(title: str, *, fixed: bool) -> list[DynamicConfigValue]:
    width = ("custom.width", _WIDTHS.get(title, _DETAIL)) if fixed else ("custom.minWidth", _NAME)
    return [DynamicConfigValue(id_val=name, value=value) for name, value in (width, ("noValue", "-"))]


def _organize(columns: Mapping[str, str]) -> DataTransformerConfig:
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: index for index, name in enumerate(columns)},
            "renameByName": dict(columns),
        },
    )


def _properties(column: Column) -> list[DynamicConfigValue]:
    found: dict[str, object] = {"unit": column.unit, "custom.width": column.width, "noValue": "-"}
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.steps:
        found["thresholds"] = plain(thresholds(column.steps).build())
        found["custom.displayMode"] = "color-background-solid"
    return [DynamicConfigValue(id_val=name, value=value) for name, value in found.items()]


def linked(panel: Table, column: str, title: str, url: str) -> Table:
    """The table with a link behind each value of a column."""
    links = [{"title": title, "url": url, "targetBlank": False}]
    panel.override_by_name(column, [DynamicConfigValue(id_val="links", value=links)])
    return panel
