"""The exporter itself: each promise of its design as a row."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, ValueMap, ValueMappingResult

from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import EXPORTER, Section, board
from grafana.builder.panels import judged, now, tile
from grafana.builder.places import RANGE, Number, text
from grafana.builder.process import UP, process, relay
from grafana.builder.promises import promises
from grafana.builder.query import select, total

_PLAIN: Final = [{"value": None, "color": c.GOOD}]
_YES_NO: Final = {"1": ("yes", c.GOOD), "0": ("no", c.CRITICAL)}


def exporter() -> dict[str, object]:
    """The exporter itself."""
    return board(
        EXPORTER,
        "Voice / The exporter itself",
        "Whether the exporter is there, gets every event, keeps it, and stays within its bounds.",
        [Section("Is it well?", _tiles()), *promises(), process(), relay()],
    )


def _tiles() -> Sequence[stat.Panel]:
    return [_up(), _silence(), _kept(), _refused(), _reloaded(), _version()]


def _up() -> stat.Panel:
    seen = f"count_over_time({select(m.BUILD_INFO)}[$__range])"
    text_ = "Whether Prometheus reaches the exporters that it reached at some point of the time range."
    panel = tile("Up", text_, now(f"{select(UP)}\nand on (job, instance)\n{seen}", "{{instance}}"))
    return _yes_no(panel).no_value("never seen")


def _silence() -> stat.Panel:
    limit = text("exporter.no_events.after", "duration")
    panel = tile(
        "Since the last event",
        f"Time since the last valid event of each platform. While calls are active, {limit} is too long.",
        now(f"time() - max by (platform) ({select(m.LAST_EVENT)})", "{{platform}}"),
    )
    judged(panel, c.above(Number("exporter.no_events.after")))
    return panel.unit("s").text_mode(BigValueTextMode.VALUE_AND_NAME).no_value("no event yet")


def _kept() -> stat.Panel:
    panel = tile(
        "Events not kept",
        "In the time range: events refused because storage failed or its queue was full, which are lost; and damaged"
        " databases that were quarantined, after which counts began again.",
        now(total(m.WEBHOOKS, (), RANGE, outcome="unavailable"), "refused"),
        now(total(m.STORAGE_ERRORS, (), RANGE), "storage errors"),
        now(total(m.STORAGE_SET_ASIDE, (), RANGE), "databases quarantined"),
    )
    return judged(panel, c.above(critical=1))


def _refused() -> stat.Panel:
    outcomes = "unauthorized|invalid|too_large|timeout|limited"
    panel = tile(
        "Requests refused",
        "In the time range, for what they are. A webhook that faces the internet gets some from untrusted clients.",
        now(total(m.WEBHOOKS, (), RANGE, outcome=outcomes)),
    )
    return judged(panel, c.above(Number("exporter.rejecting.count")))


def _reloaded() -> stat.Panel:
    panel = tile(
        "Configuration",
        "Whether its last reload succeeded, and when one last did; if it did not, a restart would fail.",
        now(select(m.RELOAD_SUCCESSFUL), "{{instance}} loaded"),
        now(f"1000 * {select(m.RELOAD_TIME)}", "{{instance}}"),
    )
    age = {"unit": "dateTimeFromNow", "mappings": [], "thresholds": {"mode": "absolute", "steps": _PLAIN}}
    properties = [DynamicConfigValue(id_val=name, value=value) for name, value in age.items()]
    return _yes_no(panel).override_by_query("B", properties)


def _version() -> stat.Panel:
    by = "sum by (version, python_version)"
    text_ = "Versions that run, and on which Python."
    panel = tile("Version", text_, now(f"{by} ({select(m.BUILD_INFO)})", "{{version}}, Python {{python_version}}"))
    return panel.text_mode(BigValueTextMode.NAME)


def _yes_no(panel: stat.Panel) -> stat.Panel:
    results = {
        value: ValueMappingResult(text=word, color=colour, index=index)
        for index, (value, (word, colour)) in enumerate(_YES_NO.items())
    }
    judged(panel, [(None, c.CRITICAL), (1, c.GOOD)])
    return panel.mappings([ValueMap(options=results)]).text_mode(BigValueTextMode.VALUE_AND_NAME)
