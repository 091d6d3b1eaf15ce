"""What the exporter brings for those who watch it: rules, routing, runbooks, dashboards, from `thresholds.yml`."""

import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final, Literal, TypeAlias

from exporter.assets import dashboards
from exporter.assets.directory import AssetDirectory
from exporter.assets.emit import prometheus_rule, rules_file
from exporter.assets.errors import errors
from exporter.assets.grafana_alerting import alerting_file
from exporter.assets.hangs import hangs
from exporter.assets.latency import latency
from exporter.assets.native import native_dashboard, native_group, native_runbooks
from exporter.assets.quality import quality
from exporter.assets.relay import relay
from exporter.assets.routing import routing
from exporter.assets.rule import Group
from exporter.assets.runbooks import runbooks
from exporter.assets.slo import slo
from exporter.assets.thresholds import DEFAULTS, Thresholds, load
from exporter.assets.watch import exporter
from exporter.yamlfile.durations import format_duration

__all__ = ["Histograms", "Thresholds", "groups", "load", "render"]

Histograms: TypeAlias = Literal["classic", "native"]

_TEMPLATES: Final = files("exporter.assets") / "templates"


def groups(t: Thresholds) -> tuple[Group, ...]:
    """All groups of rules, each a file of its own."""
    every = (hangs(t), errors(t), latency(t), quality(t), exporter(t), relay(t))
    return (*every, slo(t)) if t.slo.enabled else every


def render(  # noqa: PLR0913 - one for each flag of the command
    directory: Path,
    thresholds: Path | None = None,
    fmt: Literal["files", "prometheus-rule"] = "files",
    say: Callable[[str], object] = lambda line: sys.stderr.write(f"{line}\n"),
    *,
    force: bool = False,
    histograms: Histograms = "classic",
) -> list[Path]:
    """Write rules, what belongs to them, and dashboards into a directory; what was edited there is kept.

    Args:
        directory: gets `rules/` and `grafana/`, or one PrometheusRule.
        thresholds: the operator's own numbers; where it is silent, those of the package. None for those that the
            directory has from its operator.
        fmt: files for Prometheus, Alertmanager and Grafana, or a PrometheusRule for the Prometheus operator.
        say: takes a line for each file that was kept, and for each window that had to be widened to four scrapes.
        force: overwrite what was edited.
        histograms: the form in which Prometheus keeps them; native, where it converts what it scrapes.

    Returns:
        The files that are as this version writes them.

    Raises:
        ConfigError: the thresholds are wrong; one line for each fault.
        OSError: the directory cannot be written.
    """
    target = AssetDirectory(directory, say, force=force)
    own = thresholds or target.own_thresholds(DEFAULTS.read_bytes())
    t = load(own)
    for line in t.widened:
        say(line)
    native = histograms == "native"
    rules = tuple(map(native_group, groups(t))) if native else groups(t)
    if fmt == "prometheus-rule":
        contents = {"prometheus-rule.yml": prometheus_rule("voice-exporter", rules, t)}
    else:
        contents = {f"rules/{name}": text for name, text in _files(rules, t, own or DEFAULTS, native=native).items()}
        boards = {f"grafana/dashboards/{name}": text for name, text in dashboards.render(t).items()}
        contents |= {name: native_dashboard(text) for name, text in boards.items()} if native else boards
        contents["grafana/alerting/voice.yml"] = alerting_file(rules, t)
    return target.write(contents, own_thresholds=own is not None)


def _files(rules: tuple[Group, ...], t: Thresholds, source: Path, *, native: bool) -> dict[str, str]:
    texts = runbooks(rules, t)
    intervals = {name: format_duration(getattr(t, name)) for name in ("scrape_interval", "evaluation_interval")}
    return {
        "thresholds.yml": source.read_text("utf-8"),
        **{file_name(group): rules_file(group, t) for group in rules},
        "alertmanager.yml": routing(t.labels.keep),
        "prometheus.yml": Template((_TEMPLATES / "prometheus.yml").read_text("utf-8")).substitute(intervals),
        **{f"runbooks/{name}.md": text for name, text in (native_runbooks(texts) if native else texts).items()},
    }


def file_name(group: Group) -> str:
    """Name of the file that holds a group."""
    return f"{group.name.removeprefix('voice-')}.rules.yml"
