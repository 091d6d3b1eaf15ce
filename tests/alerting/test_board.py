"""Which alerts are true: of each call its own, a bounded number of them, from incidents and nothing else."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from msgspec.structs import replace

from exporter.alerting.alert import HOLD_SECONDS, AlertLinks
from exporter.alerting.board import CALLS_IN_ALL, CALLS_OF_ONE, RETAIN_SECONDS, Board, PushedAlert
from exporter.calls.incident import HangEnd, Incident
from exporter.config import Alertmanager

NOW = 1_772_702_500.0


def hang(number: int, **changes: Any) -> Incident:  # noqa: ANN401 - any field
    """A hang of a call of its own, that was received a second after the one before."""
    fields: dict[str, Any] = {
        "platform": "vapi",
        "assistant": "front-desk",
        "call_id": f"c{number}",
        "received": NOW + number,
        "number": number,
    }
    return Incident(number, "hang", "high", "llm", "openai", "gpt-4o", **{**fields, **changes})


def error(number: int, **changes: Any) -> Incident:  # noqa: ANN401 - any field
    """A critical error of a call of its own."""
    fields: dict[str, Any] = {
        "what": "llm_error",
        "code": "quota_exceeded",
        "platform": "vapi",
        "assistant": "front-desk",
        "call_id": f"c{number}",
        "received": NOW + number,
        "number": number,
    }
    return replace(Incident(number, "error", "critical", "llm", "openai", "gpt-4o"), **{**fields, **changes})


def held(value: object) -> int:
    """How many values a board holds, in whatever it holds them."""
    if isinstance(value, Mapping):
        return sum(held(each) for item in value.items() for each in item)
    if isinstance(value, Board | PushedAlert):
        return sum(held(getattr(value, field.name)) for field in fields(value))
    return sum(map(held, value)) if isinstance(value, list | tuple | set) else 1


class Watched:
    """A board with a clock of the test, and what it dropped."""

    def __init__(self) -> None:
        self.now = NOW
        self.dropped = 0
        settings = Alertmanager(urls=("http://alertmanager",), resolve_after=300.0)
        links = AlertLinks("http://exporter")
        self.board = Board(settings, links, lambda *_: "Front desk", self._drop, lambda: self.now)

    def _drop(self) -> None:
        self.dropped += 1

    def calls(self) -> set[str]:
        """Calls whose alert is true."""
        alerts = self.board.alerts(self.now).values()
        return {
            alert.labels["call_id"] for alert in alerts if "call_id" in alert.labels and not alert.is_over(self.now)
        }

    def summaries(self) -> list[PushedAlert]:
        """Alerts that count."""
        return [alert for alert in self.board.alerts(self.now).values() if alert.further is not None]


@pytest.fixture
def watched() -> Watched:
    """A board without alerts."""
    return Watched()


def test_a_hang_is_true_until_its_outcome(watched: Watched) -> None:
    """However long that takes; one that is over at once is held for a while."""
    watched.board.take([hang(1), hang(2)])
    watched.now = NOW + 7000
    assert watched.calls() == {"c1", "c2"}
    watched.board.take([hang(1, outcome="recovered", recovery_ms=5900, settled=NOW + 7000)])
    assert watched.calls() == {"c2"}
    watched.board.take([hang(7000, outcome="ended", settled=NOW + 7000)])
    assert watched.calls() == {"c2", "c7000"}
    watched.now += HOLD_SECONDS
    assert watched.calls() == {"c2"}


@pytest.mark.parametrize(
    "incident", [error(1), hang(1, call_id="", outcome="unknown", settled=NOW + 1)], ids=["error", "hang without call"]
)
def test_what_has_no_outcome_ends_by_itself(watched: Watched, incident: Incident) -> None:
    """After the configured time."""
    watched.board.take([incident])
    watched.now = NOW + 300
    assert watched.board.active(watched.now) == 1
    watched.now = NOW + 301
    assert watched.board.active(watched.now) == 0


def test_who_is_not_told(watched: Watched) -> None:
    """Errors that are not critical concern nobody, nor do escalations of those that are."""
    watched.board.take(
        [
            error(1, severity="medium"),
            Incident(2, "escalation", "critical", "llm", "openai", "gpt-4o", received=NOW),
        ]
    )
    assert watched.board.alerts(NOW) == {}


def test_several_of_one_call_are_one_alert(watched: Watched) -> None:
    """It is true until the last of them is over, and speaks of the last."""
    watched.board.take([hang(1), hang(2, call_id="c1")])
    assert len(watched.board.alerts(NOW)) == 1
    watched.board.take([hang(2, call_id="c1", outcome="recovered", recovery_ms=1000, settled=NOW + 20)])
    watched.now = NOW + 30
    assert watched.calls() == set()
    watched.board.take([hang(3, call_id="c1", received=NOW + 30)])
    [alert] = watched.board.alerts(watched.now).values()
    assert (alert.starts, alert.ends) == (NOW + 30, None)


def test_a_storm(watched: Watched) -> None:
    """Beyond the bound one alert counts; another assistant and another alert have bounds of their own."""
    watched.board.take([hang(number) for number in range(1, 101)])
    watched.board.take([hang(200, assistant="billing"), error(201)])
    assert len(watched.calls()) == CALLS_OF_ONE + 2
    [summary] = watched.summaries()
    assert (summary.further, watched.dropped) == (89, 90)
    assert summary.labels == {
        "job": "voice-exporter",
        "alertname": "VoiceCallHang",
        "severity": "high",
        "platform": "vapi",
        "assistant_id": "front-desk",
    }
    said = watched.board.annotations(summary, NOW + 100)
    assert said["summary"] == "90 further hangs of a voice assistant have no alert of their own."
    watched.now = NOW + 401
    assert [alert.is_over(watched.now) for alert in watched.summaries()] == [True]


def test_outcomes_of_a_storm_that_another_process_counts(watched: Watched) -> None:
    """One that has no alert of its own counts when it is heard of, not once more at its outcome."""
    storm = [hang(number) for number in range(1, 31)]
    watched.board.take(storm, own=False)
    watched.board.take([replace(each, outcome="recovered", settled=each.received + 1) for each in storm], own=False)
    assert [summary.further for summary in watched.summaries()] == [30 - CALLS_OF_ONE - 1]


@pytest.mark.parametrize("call_id", ["", "c1"])
def test_a_storm_without_end_keeps_no_incident_but_the_latest(watched: Watched, call_id: str) -> None:
    """What the board holds does not grow with the incidents of an alert that lasts, nor with those that only count."""

    def storm(begin: int, end: int) -> int:
        for number in range(begin, end):
            watched.now = NOW + number
            watched.board.take([error(3 * number, call_id=call_id, received=watched.now)])
            watched.board.take([hang(3 * number + 1, received=watched.now)])
            watched.board.take([hang(3 * number + 2, received=watched.now)], own=False)
        return held(watched.board)

    before = storm(0, 1000)
    assert storm(1000, 2000) == before
    lasting = [alert for alert in watched.board.alerts(watched.now).values() if alert.incident.kind == "error"]
    assert [(alert.starts, alert.incident.number) for alert in lasting] == [(NOW, 5997)]


def test_an_outcome_of_an_earlier_hang_is_not_that_of_the_latest(watched: Watched) -> None:
    """Whether it is listed or not: the call's alert is about the latest hang, which is open."""
    watched.board.take([hang(1), hang(2, call_id="c1")])
    watched.board.take([], [HangEnd(1, "recovered", 1000)])
    watched.board.take([hang(1, outcome="recovered", recovery_ms=1000, settled=NOW + 5)])
    watched.now = NOW + 600
    assert watched.calls() == {"c1"}
    watched.board.take([], [HangEnd(2, "ended")])
    assert watched.calls() == set()


def test_many_assistants_at_once(watched: Watched) -> None:
    """There is a bound for all of them together."""
    watched.board.take([hang(number, assistant=f"a{number // 5}") for number in range(1000)])
    assert len(watched.calls()) == CALLS_IN_ALL


def test_an_outcome_of_one_that_is_listed_no_more(watched: Watched) -> None:
    """A hang that hundreds of others pushed off the page ends all the same."""
    watched.board.take([hang(1)])
    watched.now = NOW + 60
    watched.board.take([], [HangEnd(1, "abandoned"), HangEnd(999, "ended")])
    assert watched.calls() == set()
    [alert] = watched.board.alerts(watched.now).values()
    assert "The customer ended the call." in watched.board.annotations(alert, watched.now)["description"]


def test_a_start_finds_what_is_still_true(watched: Watched) -> None:
    """In any order, with the bounds as they were, and nothing that ended long ago."""
    long_ago = NOW - RETAIN_SECONDS - 1000
    left = [
        *(hang(number) for number in range(30, 0, -1)),
        error(31, received=long_ago),
        hang(32, received=long_ago, outcome="ended", settled=long_ago + 60),
        hang(0, received=NOW - 60, outcome="recovered", recovery_ms=1, settled=NOW - 50),
    ]
    watched.now = NOW + 40
    watched.board.restore(left)
    assert watched.calls() == {f"c{number}" for number in range(1, CALLS_OF_ONE + 1)}
    assert watched.dropped == 0
    over = [alert for alert in watched.board.alerts(watched.now).values() if alert.is_over(watched.now)]
    assert [(alert.labels["call_id"], alert.heard) for alert in over] == [("c0", 0.0)]


@pytest.mark.parametrize("own", [True, False])
def test_what_ended_long_ago_is_no_news(watched: Watched, own: bool) -> None:
    """All that is listed comes again when a lost store is written anew: what was over neither counts nor is true."""
    watched.board.take([error(number) for number in range(30)])
    dropped = watched.dropped
    watched.now = NOW + 400 + RETAIN_SECONDS
    assert watched.board.alerts(watched.now) == {}
    watched.board.take([error(number) for number in range(30)], own=own)
    assert (watched.board.alerts(watched.now), watched.dropped) == ({}, dropped)


def test_an_outcome_by_a_clock_that_is_slow_ends_the_alert(watched: Watched) -> None:
    """The alert of a known hang ends, whenever that was by the clock of the process that counted it."""
    watched.board.take([hang(1)], own=False)
    watched.now = NOW + 7200
    watched.board.take([hang(1, outcome="ended", settled=NOW + 60)], own=False)
    assert watched.calls() == set()


def test_what_ended_is_forgotten(watched: Watched) -> None:
    """After a while, with all that was kept to find it."""
    watched.board.take([error(number) for number in range(5)])
    watched.now = NOW + 305 + RETAIN_SECONDS
    assert watched.board.alerts(watched.now) == {}
    watched.board.take([], [HangEnd(1, "ended")])
    assert watched.board.alerts(watched.now) == {}
