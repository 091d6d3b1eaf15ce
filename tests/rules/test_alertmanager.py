import subprocess

import pytest

from tests.rules.shipped import RULES, alerts

CONFIG = RULES / "alertmanager.yml"
RECEIVERS = {"critical": "page", "high": "operators", "warning": "tickets", "info": "tickets"}


def amtool(*arguments: str) -> str:
    """What amtool prints; fails where amtool does."""
    ran = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def receiver(**labels: str) -> str:
    """Who gets an alert with these labels."""
    given = (f"{name}={value}" for name, value in labels.items())
    return amtool("config", "routes", "test", f"--config.file={CONFIG}", *given).strip()


def test_amtool_takes_the_configuration() -> None:
    """Amtool finds nothing wrong with the example."""
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize(("severity", "name"), RECEIVERS.items())
def test_severity_decides_who_hears_of_it(severity: str, name: str) -> None:
    """Critical pages, high goes to the operators, warning and info become tickets."""
    assert receiver(alertname="VoiceSomething", severity=severity, platform="vapi") == name


def test_every_shipped_alert_is_routed() -> None:
    """Each alert goes where its severity says; the watchdog goes to who notices when it stops."""
    for labels in {(alert["alert"], alert["labels"]["severity"]) for alert in alerts()}:
        expected = "dead-mans-switch" if labels[0] == "VoiceWatchdog" else RECEIVERS[labels[1]]
        assert receiver(alertname=labels[0], severity=labels[1]) == expected


def test_the_rest_is_told_to_the_operators() -> None:
    """An alert without a severity that is known is not lost."""
    assert receiver(alertname="Anything") == "operators"
