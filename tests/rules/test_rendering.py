import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.assets import groups, render
from exporter.assets.directory import MANIFEST
from exporter.assets.rule import Alert, Recording
from exporter.assets.thresholds import DEFAULTS, load
from exporter.yamlfile.durations import format_duration
from tests.rules.shipped import ROOT, RULES

SLOW = "scrape_interval: 2m\n"


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Thresholds of somebody who scrapes every two minutes."""
    path = tmp_path / "slow.yml"
    path.write_text(SLOW)
    return path


def files(folder: Path) -> dict[str, str]:
    """The rendered files of a `rules` folder by name; the tests in it are written by hand."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "tests")
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def model(rule: Recording | Alert) -> dict[str, Any]:
    """A rule as YAML should give it back."""
    if isinstance(rule, Recording):
        return {"record": rule.record, "expr": rule.expr}
    waits = {"for": rule.wait, "keep_firing_for": rule.keep}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **{key: format_duration(seconds) for key, seconds in waits.items() if seconds},
        "labels": {"severity": rule.severity, **rule.labels},
        "annotations": rule.annotations(load().links),
    }


def test_committed_files_are_a_fresh_rendering(tmp_path: Path) -> None:
    """What is committed under rules/ is exactly what the package renders by default."""
    written = render(tmp_path)
    assert files(tmp_path / "rules") == files(RULES)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*written, tmp_path / MANIFEST}


def test_rendering_again_changes_nothing(tmp_path: Path) -> None:
    """Rendering over a former rendering gives the same files."""
    assert render(tmp_path) == render(tmp_path)
    assert files(tmp_path / "rules") == files(RULES)


def test_files_say_what_was_built() -> None:
    """The YAML that is written reads back as the rules that were built, long texts included."""
    for group in groups(load()):
        written = yaml.safe_load((RULES / f"{group.name.removeprefix('voice-')}.rules.yml").read_text())
        rules = [model(rule) for rule in group.rules]
        assert written == {"groups": [{"name": group.name, "interval": "15s", "rules": rules}]}


def test_lines_fit_a_screen() -> None:
    """No line is longer than it must be, and none ends in a space."""
    for path in RULES.glob("*.rules.yml"):
        for line in path.read_text().splitlines():
            assert line == line.rstrip()
            assert len(line) <= 250 or "{{ end }}/runbooks/" in line or "/incidents?" in line or "?from=" in line, line


def test_prometheus_rule_has_the_same_groups(tmp_path: Path) -> None:
    """The PrometheusRule for Kubernetes holds every group of the files."""
    (written,) = render(tmp_path, fmt="prometheus-rule")
    resource = yaml.safe_load(written.read_text())
    named = [yaml.safe_load(path.read_text())["groups"][0] for path in RULES.glob("*.rules.yml")]
    assert (resource["apiVersion"], resource["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert sorted(resource["spec"]["groups"], key=str) == sorted(named, key=str)


def test_windows_shorter_than_four_scrapes_are_widened(tmp_path: Path, slow: Path) -> None:
    """At a scrape every two minutes, five minutes become eight, in the test of created timestamps too; it is said."""
    said: list[str] = []
    render(tmp_path, slow, say=said.append)
    assert "hang.window: 5m is shorter than 4 scrapes of 2m, so the rules use 8m" in said
    text = (tmp_path / "rules" / "hangs.rules.yml").read_text()
    assert "min_over_time(voice_hangs_total[8m])" in text
    assert "voice_hangs_created > time() - 480" in text
    assert f"# Widened: {said[0]}." in text
    checked = subprocess.run(["promtool", "check", "rules", *tmp_path.glob("rules/*.rules.yml")], check=False)
    assert checked.returncode == 0


def test_widened_windows_are_told_to_the_terminal(
    tmp_path: Path, slow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without another place to say it, stderr has a line for each widened window; the default has none."""
    render(tmp_path)
    assert capsys.readouterr() == ("", "")
    render(tmp_path, slow)
    assert len(capsys.readouterr().err.splitlines()) == 11


def test_own_thresholds_get_into_rules_runbooks_and_scrapes(tmp_path: Path) -> None:
    """An operator's number takes the place of the default wherever that stands, and their file lies beside."""
    own = tmp_path / "own.yml"
    own.write_text("scrape_interval: 10s\nhang_rate: {critical: 0.07}\nlinks: {grafana_url: https://graphs.example}\n")
    render(tmp_path, own)
    rules = tmp_path / "rules"
    (alert,) = yaml.safe_load((rules / "hangs.rules.yml").read_text())["groups"][0]["rules"][-1:]
    assert " > 0.07\n" in alert["expr"]
    assert "the threshold is 7%." in alert["annotations"]["description"]
    assert alert["annotations"]["dashboard_url"].startswith("https://graphs.example/d/voice-hangs-errors?")
    assert "More than 7% of an assistant's calls" in (rules / "runbooks" / "VoiceHangRateHigh.md").read_text()
    assert yaml.safe_load((rules / "prometheus.yml").read_text())["global"]["scrape_interval"] == "10s"
    assert (rules / "thresholds.yml").read_text() == own.read_text()


def test_objectives_can_be_left_out(tmp_path: Path) -> None:
    """Without objectives there is no file of them, nor one from before; the other files stay as they are."""
    off = tmp_path / "off.yml"
    off.write_text("slo: {enabled: false}\n")
    render(tmp_path)
    render(tmp_path, off)
    rules, default = files(tmp_path / "rules"), files(RULES)
    assert "slo.rules.yml" not in rules
    assert all(rules[name] == default[name] for name in rules if name.endswith(".rules.yml"))


def test_package_carries_what_it_renders() -> None:
    """Thresholds, templates and prose lie inside the package, where a wheel takes them along."""
    package = ROOT / "exporter" / "assets"
    assert DEFAULTS.parent == package
    assert {path.stem for path in (package / "runbooks").glob("*.md")} == {
        path.stem for path in (RULES / "runbooks").glob("*.md")
    }
