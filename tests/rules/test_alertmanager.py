import pytest

from tests.rules.shipped import RULES, alerts
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
