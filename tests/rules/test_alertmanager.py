from pathlib import Path

import pytest
import yaml

from exporter.assets.routing import routing
from tests.rules.shipped import RULES, alertmanager, alerts
from tests.support.programs import Programs

CONFIG = RULES / "alertmanager.yml"
RECEIVERS = {"critical": "page", "high": "operators", "warning": "tickets", "info": "tickets"}


class Amtool:
    """The amtool of a release, about the shipped configuration."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def __call__(self, *arguments: str) -> str:
        """What it prints; fails where it does."""
        ran = self._programs.run("amtool", *arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def receiver(self, **labels: str) -> str:
        """Who gets an alert with these labels."""
        given = (f"{name}={value}" for name, value in labels.items())
        return self("config", "routes", "test", f"--config.file={CONFIG}", *given).strip()


@pytest.fixture
def amtool(programs: Programs) -> Amtool:
    """The amtool of each release in turn."""
    return Amtool(programs)


def test_amtool_takes_the_configuration(amtool: Amtool) -> None:
    """Amtool finds nothing wrong with the example."""
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize(("severity", "name"), RECEIVERS.items())
def test_severity_decides_who_hears_of_it(amtool: Amtool, severity: str, name: str) -> None:
    """Critical pages, high goes to the operators, warning and info become tickets."""
    assert amtool.receiver(alertname="VoiceSomething", severity=severity, platform="vapi") == name


def test_every_shipped_alert_is_routed(amtool: Amtool) -> None:
    """Each alert goes where its severity says; the watchdog goes to who notices when it stops."""
    for name, severity in {(alert["alert"], alert["labels"]["severity"]) for alert in alerts()}:
        expected = "dead-mans-switch" if name == "VoiceWatchdog" else RECEIVERS[severity]
        assert amtool.receiver(alertname=name, severity=severity) == expected


def test_the_rest_is_told_to_the_operators(amtool: Amtool) -> None:
    """An alert without a severity that is known is not lost."""
    assert amtool.receiver(alertname="Anything") == "operators"


@pytest.mark.parametrize(
    ("severity", "name"), {"critical": "example-page", "high": "example-operators", "warning": "tickets"}.items()
)
def test_a_team_hears_of_what_is_its_own(amtool: Amtool, severity: str, name: str) -> None:
    """A team's pages and messages go to the team, its tickets where all go, and the watchdog where it always goes."""
    assert amtool.receiver(alertname="VoiceSomething", severity=severity, team="example") == name
    assert amtool.receiver(alertname="VoiceWatchdog", severity="info", team="example") == "dead-mans-switch"


@pytest.mark.parametrize("keep", [(), ("cluster",), ("region", "team")], ids=str)
def test_other_labels_can_be_kept(amtool: Amtool, keep: tuple[str, ...], tmp_path: Path) -> None:
    """What is kept sets messages and inhibitions apart, and titles name it; without teams there is no team's route."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(routing(keep))
    assert "SUCCESS" in amtool("check-config", str(path))
    config = yaml.safe_load(path.read_text())
    pages = next(route for route in config["route"]["routes"] if route["receiver"] == "page")
    lists = [config["route"]["group_by"], pages["group_by"], *(rule["equal"] for rule in config["inhibit_rules"])]
    assert all(names[len(names) - len(keep) :] == list(keep) for names in lists)
    slack = next(each for each in config["receivers"] if each["name"] == "operators")["slack_configs"][0]
    assert [label in slack["title"] for label in keep] == [True] * len(keep)
    assert ("example-page" in path.read_text()) == ("team" in keep)


def test_no_inhibition_has_a_page_for_its_target() -> None:
    """Every target is of a severity that does not page: else the end of the page would never be told."""
    for rule in alertmanager()["inhibit_rules"]:
        assert {'severity != "critical"', 'severity = "warning"'} & set(rule["target_matchers"]), rule
