"""Tables: one row for each that may hurt, worst first."""

from collections.abc import Mapping
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, FieldColorModeId, Panel
from grafana_foundation_sdk.models.prometheus import PromQueryFormat as Format

from grafana.builder.colours import CLEAR, Steps, thresholds
from grafana.builder.panels import frame, now
from grafana.builder.places import plain


class Column(NamedTuple):
    """A column of numbers: the query by the table's labels, its unit, and colours where some numbers are bad."""

    title: str
    expr: str
    unit: str = "short"
    steps: Steps = ()
    decimals: int | None = None


class Table(table.Panel):
    """A table whose columns have options that Grafana 10.1's schema knows and its builder does not."""

    def build(self) -> Panel:
        """The panel."""
        panel = super().build()
        panel.field_config.defaults.custom = {"align": "auto", "displayMode": "auto", "filterable": False}
        return panel


def ranking(title: str, text: str, labels: Mapping[str, str], *columns: Column) -> Table:
    """A table of queries that share labels, worst first: the first column of numbers decides.

    Args:
        title: of the panel.
        text: what it means.
        labels: the titles of the columns of labels, by label.
        columns: the columns of numbers.
    """
    names = ["Value"] if len(columns) == 1 else [f"Value #{chr(ord('A') + index)}" for index in range(len(columns))]
    panel = Table()
    frame(panel, title, text, [now(column.expr, form=Format.TABLE) for column in columns])
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    numbers = dict(zip(names, (column.title for column in columns), strict=True))
    panel.with_transformation(_organize(labels, numbers))
    for column in columns:
        panel.override_by_name(column.title, _properties(column))
    panel.override_by_name("assistant_id", [DynamicConfigValue(id_val="custom.hidden", value=True)])
    panel.unit("short").thresholds(thresholds([(None, CLEAR)]))
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
    panel.show_header(show_header=True).cell_height(options.TableCellHeight.SM)
    panel.sort_by([common.TableSortByFieldState().display_name(columns[0].title).desc(desc=True)])
    panel.span(24).height(8)
    return panel


def _organize(labels: Mapping[str, str], numbers: Mapping[str, str]) -> DataTransformerConfig:
    order = [*labels, *numbers]
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: index for index, name in enumerate(order)},
            "renameByName": {**labels, **numbers},
        },
    )


def _properties(column: Column) -> list[DynamicConfigValue]:
    found: dict[str, object] = {"unit": column.unit}
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
