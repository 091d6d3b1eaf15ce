"""Whether the exporters are there, and when they last heard from a platform: what every other number rests on."""

from typing import Final

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import EXPORTER, drill_down
from grafana.builder.panels import judged, now, tile, unmeasured, worded
from grafana.builder.places import Number, plain, text
from grafana.builder.process import UP
from grafana.builder.query import LATELY, select

_UP: Final = {"1": ("up", c.GOOD), "0": ("down", c.CRITICAL)}
_STATES: Final = [(None, c.CRITICAL), (1.0, c.GOOD)]
_AGES: Final = c.above(Number("exporter.no_events.after"))


def up() -> str:
    """Whether Prometheus reaches the exporters that it reached at some time of the last day."""
    return f"{select(UP)}\nand on (job, instance)\nlast_over_time({select(m.BUILD_INFO)}[{LATELY.range}])"


def silence(by: str = "") -> str:
    """Seconds since the last valid event, of exporters that are gone as well."""
    return f"time() - max{by} (last_over_time({select(m.LAST_EVENT)}[{LATELY.range}]))"


def presence() -> stat.Panel:
    """The first tile: the exporter, and its last event."""
    limit = text("exporter.no_events.after", "duration")
    panel = tile(
        "Exporter",
        "Whether Prometheus reaches every exporter that it reached within a day, and the time since the last event of"
        f" any platform, hours:minutes:seconds. While calls are active, {limit} is too long. With an exporter down, the"
        " other numbers are as old as its last scrape.",
        now(f"min({up()})", "Prometheus reaches it"),
        now(silence(), "last event, ago"),
        empty="never seen",
    )
    judged(panel, _STATES).mappings([unmeasured("never seen"), worded(_UP)])
    panel.override_by_query("B", ages("no event yet"))
    onward = DashboardLink("The exporter itself").url(drill_down(EXPORTER))
    return panel.data_links([onward])


def each() -> stat.Panel:
    """Each exporter."""
    meaning = "Whether Prometheus reaches the exporters that it reached at some time of the last day."
    panel = tile("Up", meaning, now(up(), "{{instance}}"), empty="never seen")
    judged(panel, _STATES).mappings([unmeasured("never seen"), worded(_UP)])
    return panel.text_mode(BigValueTextMode.VALUE_AND_NAME)


def last_events() -> stat.Panel:
    """The last event of each platform."""
    limit = text("exporter.no_events.after", "duration")
    panel = tile(
        "Last event, ago",
        "Time since the last valid event of each platform, hours:minutes:seconds. While calls are active,"
        f" {limit} is too long.",
        now(silence(" by (platform)"), "{{platform}}"),
        empty="no event yet",
    )
    return judged(panel, _AGES).unit("dtdhms").text_mode(BigValueTextMode.VALUE_AND_NAME)


def ages(empty: str) -> list[DynamicConfigValue]:
    """Properties of an override for a field that is the time since an event."""
    found = {"unit": "dtdhms", "mappings": [unmeasured(empty)], "thresholds": c.thresholds(_AGES).build()}
    return [DynamicConfigValue(id_val=name, value=plain(value)) for name, value in found.items()]
