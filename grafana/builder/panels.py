"""The kinds of panels that the dashboards are made of, each with what makes it readable already set."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import barchart, bargauge, common, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    SpecialValueMap,
    SpecialValueMatch,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.dashboard import FieldColorModeId as ColorMode
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat as Format

from grafana.builder.colours import BLUE, CLEAR, PLAIN, UNMEASURED, Steps, thresholds
from grafana.builder.places import text as place

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")

NO_DATA: Final = "No data"
"""As heatmaps and empty tables say by themselves."""

Query = prometheus.Dataquery
Amounts = TypeVar("Amounts", stat.Panel, bargauge.Panel)
AnyPanel = TypeVar("AnyPanel", timeseries.Panel, stat.Panel, table.Panel, heatmap.Panel, barchart.Panel, bargauge.Panel)


def query(expr: str, legend: str = "", *, exemplar: bool = False) -> Query:
    """A query over the time range."""
    return _query(expr, legend).range().exemplar(exemplar)


def now(expr: str, legend: str = "", form: Format = Format.TIME_SERIES) -> Query:
    """A query at the end of the time range."""
    return _query(expr, legend).instant().format(form)


def _query(expr: str, legend: str) -> Query:
    """A query that knows the scrape interval: not every data source was told, and $__rate_interval rests on it."""
    return Query().expr(expr).legend_format(legend).interval(place("scrape_interval", "duration"))


def frame(panel: AnyPanel, title: str, text: str, queries: Sequence[Query]) -> AnyPanel:
    """What every panel has: a title, words that say what it means, and queries to the chosen data source."""
    for index, item in enumerate(queries):
        item.ref_id(chr(ord("A") + index)).datasource(DATASOURCE)
    return panel.title(title).description(text).datasource(DATASOURCE).targets([*queries]).no_value(NO_DATA)


def tile(title: str, text: str, *queries: Query, empty: str = NO_DATA) -> stat.Panel:
    """A number to see from afar; with more queries than one, each with its legend.

    Args:
        title: of the panel; of 16 letters at most, to be read at 800 pixels.
        text: what the number means.
        queries: each gives one number.
        empty: what it says, on neutral ground, when nothing was measured.
    """
    mode = options.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else options.BigValueTextMode.AUTO
    return (
        frame(stat.Panel(), title, text, queries)
        .unit("short")
        .thresholds(thresholds([(None, PLAIN)]))
        .color_scheme(FieldColor().mode(ColorMode.THRESHOLDS))
        .color_mode(options.BigValueColorMode.VALUE)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(mode)
        .justify_mode(options.BigValueJustifyMode.AUTO)
        .orientation(options.VizOrientation.HORIZONTAL)
        .reduce_options(_last())
        .text(common.VizTextDisplayOptions().title_size(14).value_size(24 if len(queries) > 1 else 36))
        .no_value(empty)
        .mappings([unmeasured(empty)])
        .span(6)
        .height(5)
    )


def unmeasured(words: str) -> SpecialValueMap:
    """What stands for a number that is not there: words, in a colour that is no state."""
    result = ValueMappingResult(text=words, color=UNMEASURED, index=0)
    return SpecialValueMap(DashboardSpecialValueMapOptions(SpecialValueMatch.NULL_AND_NAN, result))


def worded(words: Mapping[str, tuple[str, str]]) -> ValueMap:
    """Words and colours for numbers that stand for states."""
    results = {
        value: ValueMappingResult(text=word, color=colour, index=index)
        for index, (value, (word, colour)) in enumerate(words.items(), start=1)
    }
    return ValueMap(options=results)


def counted(panel: Amounts) -> Amounts:
    """The panel with whole numbers, however large: nothing happens 1.02 times. An axis needs no such help."""
    return panel.unit("none").decimals(0)


def judged(panel: stat.Panel, steps: Steps) -> stat.Panel:
    """The tile on a ground that says how bad its number is."""
    return panel.thresholds(thresholds(steps)).color_mode(options.BigValueColorMode.BACKGROUND)


def series(title: str, text: str, *queries: Query) -> timeseries.Panel:
    """Lines over time."""
    tooltip = common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    return (
        frame(timeseries.Panel(), title, text, queries)
        .unit("short")
        .min(0)
        .color_scheme(FieldColor().mode(ColorMode.PALETTE_CLASSIC))
        .line_width(2)
        .fill_opacity(0)
        .show_points(options.VisibilityMode.AUTO)
        .span_nulls(span_nulls=False)
        .legend(_legend(visible=True))
        .tooltip(tooltip)
        .span(12)
        .height(8)
    )


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """The series as areas upon each other."""
    stacking = common.StackingConfig().group("A").mode(options.StackingMode.NORMAL)
    return panel.stacking(stacking).line_width(0).fill_opacity(70)


def marked(panel: timeseries.Panel, limits: Steps) -> timeseries.Panel:
    """The series with thresholds as dashed lines, the highest of them always in view."""
    dashed = common.GraphThresholdsStyleConfig().mode(options.GraphTresholdsStyleMode.DASHED)
    lines = [(value, colour) for value, colour in limits if value is not None]
    panel.thresholds(thresholds([(None, CLEAR), *lines])).thresholds_style(dashed)
    return panel.axis_soft_max(lines[-1][0])


def coloured(panel: timeseries.Panel, colours: Mapping[str, str]) -> timeseries.Panel:
    """The series with a colour for each name that is known beforehand."""
    for name, colour in colours.items():
        panel.override_by_name(name, fixed(colour))
    return panel


def fixed(colour: str) -> list[DynamicConfigValue]:
    """The properties of an override that give a field its colour."""
    return [DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})]


def density(title: str, text: str, expr: str, unit: str = "s") -> heatmap.Panel:
    """How values spread over time, from a histogram's buckets by le; without exemplars, which would cover it."""
    buckets = query(expr, "{{le}}").format(Format.HEATMAP)
    return (
        frame(heatmap.Panel(), title, text, [buckets])
        .calculate(calculate=False)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64).exponent(0.5))
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(options.AxisPlacement.LEFT))
        .cell_values(heatmap.CellValues().unit("short"))
        .show_tooltip()
        .hide_legend()
        .cell_gap(1)
        .span(12)
        .height(8)
    )


def bars(title: str, text: str, *queries: Query, name: str = "") -> bargauge.Panel:
    """Amounts side by side, in the order in which the queries give them.

    Args:
        title: of the panel.
        text: what the amounts mean.
        queries: what gives them.
        name: the label that names a bar; without it a bar that stands alone has no name.
    """
    panel = (
        frame(bargauge.Panel(), title, text, queries)
        .unit("short")
        .min(0)
        .thresholds(thresholds([(None, BLUE)]))
        .color_scheme(FieldColor().mode(ColorMode.THRESHOLDS))
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .value_mode(options.BarGaugeValueMode.TEXT)
        .show_unfilled(show_unfilled=False)
        .reduce_options(_last())
        .span(8)
        .height(8)
    )
    return panel.display_name(f"${{__field.labels.{name}}}") if name else panel


def columns(title: str, text: str, expr: str, label: str) -> barchart.Panel:
    """A column for each value of a label, in its order."""
    order = {"sort": [{"field": label}]}
    return (
        frame(barchart.Panel(), title, text, [now(expr, form=Format.TABLE)])
        .unit("short")
        .min(0)
        .x_field(label)
        .color_scheme(FieldColor().mode(ColorMode.FIXED).fixed_color(BLUE))
        .fill_opacity(80)
        .line_width(0)
        .show_value(options.VisibilityMode.NEVER)
        .legend(_legend(visible=False))
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.SINGLE))
        .with_transformation(DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}}))
        .with_transformation(DataTransformerConfig(id_val="sortBy", options=order))
        .span(8)
        .height(8)
    )


def compared(panel: timeseries.Panel) -> timeseries.Panel:
    """The series with a legend that ranks them, for more of them than eyes can follow."""
    legend = _legend(visible=True).display_mode(options.LegendDisplayMode.TABLE).calcs(["max", "lastNotNull"])
    return panel.legend(legend.sort_by("Max").sort_desc(sort_desc=True)).height(10)


def _legend(*, visible: bool) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(options.LegendDisplayMode.LIST).calcs([])
    return legend.placement(options.LegendPlacement.BOTTOM).show_legend(visible)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)
