"""What the example for Alertmanager tells whom, held against real Alertmanagers."""

import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.rules.shipped import alertmanager
from tests.support.alerting import Alertmanager, Receivers
from tests.support.programs import Programs
from tests.support.waiting import until

NUMBERS = count()
PAGE = {"alertname": "VoiceCriticalError", "severity": "critical", "component": "llm", "error_code": "quota_exceeded"}
HANG = {"alertname": "VoiceAssistantHang", "severity": "high", "model": "gpt-4o"}
LONG_AGO = "2026-01-05T09:00:00Z"
CHARACTERS = 8000
"""More than that, Slack cuts itself."""


def alert(labels: Mapping[str, str], assistant: str = "front-desk", **more: object) -> dict[str, Any]:
    """An alert of an assistant as Prometheus sends it."""
    url = f"https://exporter.example/runbooks/{labels['alertname']}"
    return {
        "labels": {"job": "voice", "platform": "vapi", "provider": "openai", "assistant_id": assistant, **labels},
        "annotations": {
            "summary": "Something is wrong.",
            "assistant": assistant,
            "description": f"Assistant {assistant} on vapi: 7.5% of its requests failed.",
            "runbook_url": url,
            "incidents_url": f"https://exporter.example/incidents?kind=hang&assistant={assistant}",
            "dashboard_url": f"https://grafana.example/d/voice?var-platform=vapi&var-assistant={assistant}",
        },
        **more,
    }


class Told:
    """An Alertmanager that writes to Slack and PagerDuty, and what they got in this test."""

    def __init__(self, alertmanager: Alertmanager, receivers: Receivers) -> None:
        self._alertmanager = alertmanager
        self._receivers = receivers
        self._job = f"voice-{next(NUMBERS)}"

    def send(self, *alerts: dict[str, Any]) -> None:
        """Send alerts, under a job that no other test has."""
        self._alertmanager.send(*({**each, "labels": {**each["labels"], "team": self._job}} for each in alerts))

    def messages(self, receiver: str) -> list[dict[str, Any]]:
        """What a receiver got of this test's alerts."""
        found = [body for name, body in self._receivers.messages if name == receiver]
        return [body for body in found if self._job in str(body)]


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> Iterator[tuple[Alertmanager, Receivers]]:
    """An Alertmanager of each release in turn, with the shipped words."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with Receivers() as receivers, Alertmanager(folder, receivers, programs, words=True) as running:
        yield running, receivers


@pytest.fixture
def told(worded: tuple[Alertmanager, Receivers]) -> Told:
    """What this test's alerts lead to."""
    return Told(*worded)


def attachment(message: dict[str, Any]) -> dict[str, Any]:
    """The only attachment of a Slack message."""
    (found,) = message["attachments"]
    return dict(found)


def test_each_assistant_is_an_incident_of_its_own(told: Told) -> None:
    """Two assistants, and two alerts of one of them, are three incidents, each named by what it is about."""
    told.send(alert(PAGE), alert(PAGE, "billing"), alert({"alertname": "VoiceHangRateHigh", "severity": "critical"}))
    pages = until("three pages", lambda: told.messages("page")[2:] and told.messages("page"))
    assert len({page["dedup_key"] for page in pages}) == 3
    assert {page["payload"]["summary"].rpartition(", ")[0] for page in pages} == {
        "VoiceCriticalError: front-desk, vapi, openai",
        "VoiceCriticalError: billing, vapi, openai",
        "VoiceHangRateHigh: front-desk, vapi, openai",
    }


def test_details_of_a_page_stay_text(told: Told) -> None:
    """Whatever a description looks like as YAML, PagerDuty gets it as text, and the links as links."""
    told.send(alert(PAGE))
    (page,) = until("a page", lambda: told.messages("page"))
    details = page["payload"]["custom_details"]
    assert details["firing"] == "* Assistant front-desk on vapi: 7.5% of its requests failed."
    assert details["resolved"] == "none"
    assert [link["text"] for link in page["links"]] == ["Runbook", "Dashboard"]
    assert page["links"][0]["href"] == "https://exporter.example/runbooks/VoiceCriticalError"


def test_a_page_is_resolved_although_another_page_fires(told: Told) -> None:
    """Whatever pages meanwhile, the end of a page reaches who was paged."""
    rate = {"alertname": "VoiceHangRateHigh", "severity": "critical"}
    down = {"alertname": "VoiceExporterDown", "severity": "critical"}
    told.send(alert(rate))
    (page,) = until("a page", lambda: told.messages("page"))
    told.send(alert(PAGE), {"labels": {"job": "voice", **down}})
    until("two more pages", lambda: len(told.messages("page")) >= 3)
    told.send(alert(rate, endsAt=LONG_AGO))
    resolved = until("it is resolved", lambda: [m for m in told.messages("page") if m["event_action"] == "resolve"])
    assert resolved[0]["dedup_key"] == page["dedup_key"]


def test_a_message_says_what_who_and_how_bad(told: Told) -> None:
    """The title names alert, severity, assistant, platform and provider; the text links what helps."""
    told.send(alert(HANG))
    (message,) = until("a message", lambda: told.messages("operators"))
    said = attachment(message)
    assert said["title"].startswith("[FIRING:1] VoiceAssistantHang (high): front-desk, vapi, openai")
    assert said["fallback"] == said["title"]
    assert said["title_link"] == "https://grafana.example/d/voice?var-platform=vapi&var-assistant=front-desk"
    assert said["text"] == (
        "*Something is wrong.*\n"
        "• Assistant front-desk on vapi: 7.5% of its requests failed."
        " <https://grafana.example/d/voice?var-platform=vapi&amp;var-assistant=front-desk|dashboard>"
        " <https://exporter.example/incidents?kind=hang&amp;assistant=front-desk|calls>\n"
        "<https://exporter.example/runbooks/VoiceAssistantHang|runbook>"
    )


def test_what_is_none_of_ours_is_told_too(told: Told) -> None:
    """An alert without our annotations says its name."""
    told.send({"labels": {"alertname": "DiskFull", "job": "node"}})
    said = attachment(until("a message", lambda: told.messages("operators"))[0])
    assert said["title"].startswith("[FIRING:1] DiskFull")
    assert said["text"].strip() == "• DiskFull"


def test_what_fires_and_what_is_over_stand_apart(told: Told) -> None:
    """A message about both says of which alert which is true, and the last one is resolved altogether."""
    told.send(alert(HANG), alert(HANG, "billing"))
    first = until("both", lambda: _titled(told, "[FIRING:2]"))
    assert "VoiceAssistantHang (high): several assistants, vapi" in attachment(first)["title"]
    told.send(alert(HANG, "billing", endsAt=LONG_AGO))
    both = until("one is over", lambda: _titled(told, "[FIRING:1, RESOLVED:1]"))
    fires, _, over = attachment(both)["text"].partition("*Resolved:*")
    assert ("front-desk" in fires, "billing" in fires) == (True, False)
    assert ("front-desk" in over, "billing" in over) == (False, True)
    told.send(alert(HANG, endsAt=LONG_AGO))
    last = until("both are over", lambda: _titled(told, "[RESOLVED]"))
    assert "front-desk" in attachment(last)["title"]


def _titled(told: Told, start: str) -> dict[str, Any] | None:
    messages = told.messages("operators")
    return next((message for message in messages if attachment(message)["title"].startswith(start)), None)


def test_a_name_is_no_command(told: Told) -> None:
    """An assistant that is called like one of Slack's own marks calls nobody."""
    name = "<!channel> & <http://evil.example|you>"
    told.send(alert(HANG, name))
    said = attachment(until("a message", lambda: told.messages("operators"))[0])
    for text in (said["title"], said["text"], said["fallback"]):
        assert "<!" not in text
        assert "<http://evil" not in text
        assert "&lt;!channel&gt; &amp; &lt;http://evil.example|you&gt;" in text


@pytest.mark.parametrize("labels", [HANG, {"alertname": "VoiceSomething", "severity": "critical"}])
def test_five_hundred_assistants_fit_into_a_message(told: Told, labels: dict[str, str]) -> None:
    """A long group is cut, and the message says of how many it shows a few; so it is when they are over."""
    names = [f"assistant-{number:03}" for number in range(500)]
    told.send(*(alert({**labels, "provider": "x"}, name) for name in names))
    receiver = "operators" if labels["severity"] == "high" else "page"
    until("messages", lambda: told.messages(receiver))
    if receiver == "operators":
        until("all of them", lambda: _titled(told, "[FIRING:500]"))
        assert "10 of 500 that fire" in attachment(told.messages(receiver)[-1])["text"]
        told.send(*(alert({**labels, "provider": "x"}, name, endsAt=LONG_AGO) for name in names))
        last = until("all are over", lambda: _titled(told, "[RESOLVED]"))
        # A busy Alertmanager may have told of some before, beside those that still fired.
        assert re.search(r"These are 10 of \d{2,3} that are resolved", attachment(last)["text"])
    assert max(len(str(message)) for message in told.messages(receiver)) < CHARACTERS


def test_first_notifications_wait_for_what_silences_them() -> None:
    """Pages and what they silence wait 5 to 10 seconds; what they silence waits as long at least."""
    (pages,) = (route for route in alertmanager()["route"]["routes"] if route["receiver"] == "page")
    waits = [int(found.removesuffix("s")) for found in (pages["group_wait"], alertmanager()["route"]["group_wait"])]
    assert 5 <= waits[0] <= waits[1] <= 10


def test_a_page_that_comes_later_still_silences(tmp_path: Path, programs: Programs) -> None:
    """A hang that Prometheus sends before the outage behind it is not told: with the shipped waits, the page wins."""
    with Receivers() as receivers, Alertmanager(tmp_path, receivers, programs, waits={}) as running:
        running.send(alert(HANG))
        until("the hang is known", lambda: running.state(alertname="VoiceAssistantHang") is not None)
        running.send(alert(PAGE))
        until("somebody is paged", lambda: receivers.told("page", "VoiceCriticalError"))
        running.send(alert(HANG, "billing"))
        found = until("another assistant's hang is told", lambda: receivers.told("operators", "VoiceAssistantHang"))
        assert [each.labels["assistant_id"] for each in found] == ["billing"]
        assert running.state(assistant_id="front-desk", alertname="VoiceAssistantHang") == "suppressed"
