"""A day of traffic at low, middle and high volume, on a virtual clock: what docs/alerts.md says of it."""

import csv
from collections.abc import Mapping

import pytest

from tests.rules.traffic import ASSISTANTS
from tests.rules.volume import NEVER, SIGNALS, TABLE, VOLUMES, Trial, trial

TOLERANCE = 15
"""Minutes by which releases of Prometheus may differ: where a window begins is not the same in all of them."""


@pytest.fixture(scope="module")
def trialled() -> Trial:
    """What the trial found."""
    return trial()


def documented() -> Mapping[tuple[str, str, int], str]:
    """The table of the documentation."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            (row["alert"], row["severity"], volume): row[str(volume)]
            for row in csv.DictReader(file)
            for volume in VOLUMES
        }


def test_the_table_covers_every_signal_and_volume() -> None:
    """Nothing is left out."""
    assert documented().keys() == {(signal.alert, signal.severity, volume) for signal in SIGNALS for volume in VOLUMES}


def test_alerts_fire_as_documented(trialled: Trial) -> None:
    """Each threshold that is exceeded by a little makes its alert fire as soon as the table says, or never."""
    wrong = {}
    for (signal, volume), minutes in trialled.minutes.items():
        said = documented()[signal.alert, signal.severity, volume]
        if said == NEVER or minutes is None:
            right = said == NEVER and minutes is None
        else:
            right = 0 <= minutes <= float(said) + TOLERANCE and minutes >= float(said) - TOLERANCE
        if not right:
            wrong[signal, volume] = (minutes, said)
    assert not wrong


def test_what_lasts_is_one_alert(trialled: Trial) -> None:
    """A rate that stays above its threshold does not resolve and fire again all day: once for each that can."""
    most = ASSISTANTS + 1
    often = {of: times for of, times in trialled.times.items() if times >= 3 * most}
    assert not often


def test_every_alert_fires_at_middle_and_high_volume() -> None:
    """No documented threshold is one that never arrives; the rates of errors and hangs arrive at any volume."""
    never = {(alert, volume) for (alert, _, volume), minutes in documented().items() if minutes == NEVER}
    assert {volume for _, volume in never} <= {3, 30}
    assert {alert for alert, volume in never if volume > min(VOLUMES)} <= {"VoiceErrorSpike"}


def test_hardly_anything_fires_below_the_thresholds(trialled: Trial) -> None:
    """Traffic at 60 % of every threshold raises nothing at high volume, else each alert twice a day at most."""
    judged = {signal.alert for signal in SIGNALS}
    false = {(job, alert): fired.times for (job, alert, _), fired in trialled.below.items() if alert in judged}
    assert {job for job, _ in false} <= {"below 3", "below 30"}
    assert max(false.values(), default=0) <= 2
