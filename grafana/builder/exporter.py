"""The exporter itself: each promise of its design as a row."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from exporter.assets.promql import indent
from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import EXPORTER, Section, board
from grafana.builder.panels import NO_DATA, counted, judged, now, tile, unmeasured, worded
from grafana.builder.places import RANGE, Number
from grafana.builder.presence import each, last_events
from grafana.builder.process import START, alerting, process, relay
from grafana.builder.promises import promises
from grafana.builder.query import select, total
from grafana.builder.replicas import replicas

_PLAIN: Final = [{"value": None, "color": c.GOOD}]
_YES_NO: Final = {"1": ("yes", c.GOOD), "0": ("no", c.CRITICAL)}


def exporter() -> dict[str, object]:
    """The exporter itself."""
    return board(
        EXPORTER,
        "Voice / The exporter itself",
        "Whether the exporter is there, gets every event, keeps it, and stays within its bounds.",
        [Section("Is it well?", _tiles()), *promises(), replicas(), process(), relay(), alerting()],
    )


def _tiles() -> Sequence[stat.Panel]:
    tiles = (each(), last_events(), _kept(), _refused(), _reloaded(), _version())
    return [panel.span(8).height(5) for panel in tiles]


def _kept() -> stat.Panel:
    panel = tile(
        "Events not kept",
        "In the time range: events refused because storage failed or its queue was full, which are lost; and damaged"
        " databases that were quarantined, after which counts began again.",
        now(total(m.WEBHOOKS, (), RANGE, outcome="unavailable"), "refused"),
        now(total(m.STORAGE_ERRORS, (), RANGE), "storage errors"),
        now(total(m.STORAGE_SET_ASIDE, (), RANGE), "databases quarantined"),
    )
    return judged(counted(panel), c.above(critical=1))


def _refused() -> stat.Panel:
    outcomes = "unauthorized|invalid|too_large|timeout|limited"
    panel = tile(
        "Requests refused",
        "In the time range, for what they are. A webhook that faces the internet gets some from untrusted clients.",
        now(total(m.WEBHOOKS, (), RANGE, outcome=outcomes)),
    )
    return judged(counted(panel), c.above(Number("exporter.rejecting.count")))


def _reloaded() -> stat.Panel:
    panel = tile(
        "Configuration",
        "Whether its last reload succeeded, and how long ago one last did, hours:minutes:seconds; if it did not, a"
        " restart would fail.",
        now(select(m.RELOAD_SUCCESSFUL), "{{instance}} loaded"),
        now(f"time() - {select(m.RELOAD_TIME)}", "{{instance}} ago"),
    )
    judged(panel, [(None, c.CRITICAL), (1, c.GOOD)]).mappings([unmeasured(NO_DATA), worded(_YES_NO)])
    age = {"unit": "dtdhms", "mappings": [], "thresholds": {"mode": "absolute", "steps": _PLAIN}}
    properties = [DynamicConfigValue(id_val=name, value=value) for name, value in age.items()]
    return panel.text_mode(BigValueTextMode.VALUE_AND_NAME).override_by_query("B", properties)


def _version() -> stat.Panel:
    # The one address of several replicas is none of them.
    processes = f"{select(m.BUILD_INFO)}\nand on (job, instance)\n{select(START)}"
    instances = f"sum by (version, python_version) (\n{indent(processes)}\n)"
    meaning = "How many exporters run of each version, and on which Python."
    panel = tile("Version", meaning, now(instances, "{{version}}, Python {{python_version}}"), empty="not known")
    return counted(panel.text_mode(BigValueTextMode.VALUE_AND_NAME))
