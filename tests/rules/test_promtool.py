import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from exporter.yamlfile.durations import parse_duration
from tests.rules.promtool import promtool, run_rule_test
from tests.rules.shipped import RULES, TESTS, alerts
from tests.support.programs import RELEASES, Programs
from tests.support.yamls import loaded

NAMES = sorted({alert["alert"] for alert in alerts()})
ALWAYS = {"VoiceWatchdog"}
"""Alerts that fire whatever happens."""


@cache
def cases() -> list[dict[str, Any]]:
    """The cases of all test files."""
    return [case for file in TESTS for case in loaded(file.read_text())["tests"]]


def expectations(name: str) -> list[dict[str, Any]]:
    """What the tests expect of an alert, moment by moment."""
    return [moment for case in cases() for moment in case.get("alert_rule_test", ()) if moment["alertname"] == name]


def test_the_releases_differ() -> None:
    """The rules are held against Prometheus 2 and 3, or what the distribution has since."""
    versions = [promtool("--version", programs=programs).stdout for programs in RELEASES]
    majors = [int(re.findall(r"version (\d+)\.", version)[0]) for version in versions]
    assert majors[0] >= 2
    assert majors[1] >= 3


def test_promtool_takes_the_rules(programs: Programs) -> None:
    """Promtool finds nothing wrong with the rules, nor with the configuration that loads them."""
    checked = promtool("check", "rules", *sorted(RULES.glob("*.rules.yml")), programs=programs)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    configured = promtool("check", "config", "prometheus.yml", programs=programs)
    assert configured.returncode == 0, configured.stdout + configured.stderr
    assert f"{len(list(RULES.glob('*.rules.yml')))} rule files found" in configured.stdout


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_alerts_fire_and_stay_silent(file: Path, programs: Programs, tmp_path: Path) -> None:
    """Each alert fires when it should, with exactly these labels and annotations, and at no other time."""
    tested = run_rule_test(file, tmp_path, programs)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("name", sorted(set(NAMES) - ALWAYS))
def test_every_alert_is_tested_both_ways(name: str) -> None:
    """Of every alert there is one that the tests see silent, then firing, then over."""
    assert any(_began_and_ended(case, name) for case in cases())


def _began_and_ended(case: dict[str, Any], name: str) -> bool:
    """Whether one alert of that name is expected at a moment of the case, and neither at an earlier nor a later one."""
    expected = [moment for moment in case.get("alert_rule_test", ()) if moment["alertname"] == name]
    expected.sort(key=lambda moment: parse_duration(str(moment["eval_time"])))
    firing = [{frozenset(alert["exp_labels"].items()) for alert in moment["exp_alerts"]} for moment in expected]
    return any(alert not in firing[0] and alert not in firing[-1] for now in firing[1:-1] for alert in now)


@pytest.mark.parametrize("name", NAMES)
def test_every_severity_is_tested(name: str) -> None:
    """Where an alert has several severities, each of them is expected to fire."""
    shipped = {(alert["labels"]["severity"]) for alert in alerts() if alert["alert"] == name}
    fired = [expected for moment in expectations(name) for expected in moment["exp_alerts"]]
    assert {expected["exp_labels"]["severity"] for expected in fired} == shipped
