"""A day of traffic at low, middle and high volume, on a virtual clock: what docs/alerts.md says of it."""

import pytest

from tests.rules import table
from tests.rules.table import Cell, cell, documented
from tests.rules.traffic import ASSISTANTS
from tests.rules.volume import SIGNALS, SPIKE, VOLUMES, Trial, trial

TOLERANCE = 15
"""Minutes by which releases of Prometheus may differ: where a window begins is not the same in all of them."""


@pytest.fixture(scope="module")
def trialled() -> Trial:
    """What the first of the documented days has."""
    return trial()


def test_the_table_covers_every_signal_and_volume() -> None:
    """Nothing is left out."""
    wanted = {(signal.alert, signal.severity, volume) for signal in SIGNALS for volume in table.VOLUMES}
    assert documented().keys() == wanted
    assert set(VOLUMES) <= set(table.VOLUMES)
    assert {found.days for found in documented().values()} == {len(table.SEEDS)}


def test_alerts_fire_as_documented(trialled: Trial) -> None:
    """Each threshold that is exceeded by a little makes its alert fire as soon as on the days of the table."""
    wrong = {}
    for (signal, volume), minutes in trialled.minutes.items():
        said = documented()[signal.alert, signal.severity, volume]
        if minutes is None:
            right = said.fired < said.days
        else:
            right = said.fired > 0 and said.earliest - TOLERANCE <= minutes <= said.latest + TOLERANCE
        if not right:
            wrong[signal, volume] = (minutes, said)
    assert not wrong


def test_what_lasts_is_one_alert(trialled: Trial) -> None:
    """A rate that stays above its threshold does not resolve and fire again all day: about once for each that can."""
    most = ASSISTANTS + 1
    often = {of: times for of, times in trialled.times.items() if times > 2 * most}
    assert not often


def test_every_alert_fires_within_a_day() -> None:
    """No documented threshold is one that never arrives, and from 30 calls an hour on chance keeps none away."""
    rates = {of: found for of, found in documented().items() if of[0] != SPIKE}
    assert min(found.fired for found in rates.values()) > 0
    assert {of for of, found in rates.items() if of[2] >= 30 and found.fired < found.days} == set()
    assert {of for of, found in documented().items() if of[2] >= 300 and found.fired < found.days} == set()


def test_hardly_anything_fires_below_the_thresholds(trialled: Trial) -> None:
    """Traffic at 60 % of every threshold raises nothing at high volume, else each alert once a day at most."""
    judged = {signal.alert for signal in SIGNALS}
    false = {(job, alert): fired.times for (job, alert, _), fired in trialled.below.items() if alert in judged}
    assert {job for job, _ in false} <= {"below 3", "below 30"}
    assert max(false.values(), default=0) <= 1


def test_days_are_summed_up() -> None:
    """The table says on how many days an alert fired, and how soon."""
    assert cell([40, None, 20, 30]) == Cell(days=4, fired=3, earliest=20, median=30, latest=40)
    assert cell([None, None]).fired == 0
