"""Events into the installed command, through Prometheus with the rendered rules and Alertmanager, to who is told."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from exporter.assets import render
from tests.calls.tally import FIXTURES
from tests.conftest import Running, StartExporter
from tests.support.alerting import WAITS, Alertmanager, Receivers
from tests.support.programs import Programs
from tests.support.servers import Prometheus
from tests.support.waiting import until

SECONDS = """\
scrape_interval: 1s
evaluation_interval: 1s
keep_firing_for: 2s
keep_rates_firing_for: 2s
hang: {window: 4s}
error_rate: {window: 10s, for: 1s}
"""
ASSISTANT = "64ab00000000000000000001"


def post(url: str, name: str, call: str, **changes: object) -> None:
    """Post an event of a call; ``changes`` are of the message."""
    body: dict[str, Any] = json.loads((FIXTURES / "interactly" / f"{name}.json").read_bytes())
    body["message"]["call"]["id"] = call
    body["message"] |= changes
    request = urllib.request.Request(  # noqa: S310 - our own URL
        f"{url}/webhook/interactly", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own URL
        assert answer.status == 200


@dataclass
class Stack:
    """Everything between an event and who is told of it."""

    exporter: Running
    prometheus: Prometheus
    alertmanager: Alertmanager
    receivers: Receivers


@pytest.fixture
def stack(start_exporter: StartExporter, tmp_path: Path, programs: Programs) -> Iterator[Stack]:
    """A fresh exporter that Prometheus has scraped, the rules rendered for windows of seconds, and Alertmanager."""
    (tmp_path / "seconds.yml").write_text(SECONDS)
    render(tmp_path / "assets", tmp_path / "seconds.yml")
    exporter = start_exporter("--web.external-url=https://voice.example/exporter/")
    # On a busy machine rules are evaluated late: the page that silences a ticket may come seconds after it.
    waits = {**WAITS, "tickets": "10s"}
    with (
        Receivers() as receivers,
        Alertmanager(tmp_path / "alertmanager", receivers, programs, waits=waits) as alertmanager,
    ):
        config = {
            "rule_files": [str(tmp_path / "assets" / "rules" / "*.rules.yml")],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}]
            },
        }
        targets, resend = {"voice": exporter.addresses[0]}, "--rules.alert.resend-delay=1s"
        with Prometheus(tmp_path / "prometheus", targets, config, resend, programs=programs) as prometheus:
            until("the exporter is scraped", lambda: prometheus.value('up{job="voice"}') == 1)
            until("the watchdog barks", lambda: receivers.told("dead-mans-switch", "VoiceWatchdog"))
            yield Stack(exporter, prometheus, alertmanager, receivers)


def test_the_first_hang_reaches_the_operators(stack: Stack) -> None:
    """One hang in a fresh exporter is told to the operators once, who it was and where to look, and is resolved."""
    post(stack.exporter.url, "hang", "WC-1")
    (told,) = until("the operators are told", lambda: stack.receivers.told("operators", "VoiceAssistantHang"))
    assert told.labels == {
        "alertname": "VoiceAssistantHang",
        "severity": "high",
        "job": "voice",
        "platform": "interactly",
        "assistant_id": ASSISTANT,
        "provider": "gemini",
        "model": "gemini-3-flash-preview",
    }
    assert told.annotations["description"] == (
        f"Assistant {ASSISTANT} (Harbor Dental - main) on interactly gave no reply for 5 seconds or more."
        " Hangs within 4s: 1. LLM gemini, model gemini-3-flash-preview."
    )
    assert told.annotations["runbook_url"] == "https://voice.example/exporter/runbooks/VoiceAssistantHang"
    chosen = f"kind=hang&platform=interactly&assistant={ASSISTANT}"
    assert told.annotations["incidents_url"] == f"https://voice.example/exporter/incidents?{chosen}"
    assert told.annotations["assistant"] == f"{ASSISTANT} (Harbor Dental - main)"
    board = "https://grafana.example.com/d/voice-hangs-errors?from=now-6h&to=now"
    chosen = f"&var-job=voice&var-platform=interactly&var-assistant={ASSISTANT}"
    assert told.annotations["dashboard_url"] == board + chosen
    until("it is resolved", lambda: stack.receivers.told("operators", "VoiceAssistantHang", "resolved"))
    assert not stack.receivers.told("page", "VoiceAssistantHang")


def test_an_outage_pages_and_silences_what_it_causes(stack: Stack) -> None:
    """Failing LLM requests page once; their warning and the hangs they cause are not told; success resolves all."""
    for number in range(12):
        post(stack.exporter.url, "error-llm-rate-limit", f"WC-{number}", timestamp=1_772_702_495_000 + number)
    (told,) = until("somebody is paged", lambda: stack.receivers.told("page", "VoiceLLMErrorRateHigh"))
    assert (told.labels["assistant_id"], told.labels["component"]) == (ASSISTANT, "llm")
    assert "100% of its LLM requests failed within 10s" in told.annotations["description"]
    post(stack.exporter.url, "hang", "WC-99")
    warning, hang = {"alertname": "VoiceLLMErrorRateHigh", "severity": "warning"}, {"alertname": "VoiceAssistantHang"}
    until("the hang is silenced", lambda: stack.alertmanager.state(**hang) == "suppressed")
    assert stack.alertmanager.state(**warning) == "suppressed"
    assert not stack.receivers.told("tickets", "VoiceLLMErrorRateHigh")
    healthy = count()

    def resolved_by_success() -> bool:
        """Whether the page is over, after ten more calls whose requests succeed: few are no evidence."""
        for number in islice(healthy, 10):
            post(stack.exporter.url, "conversation-update", f"WC-healthy-{number}")
        return bool(stack.receivers.told("page", "VoiceLLMErrorRateHigh", "resolved"))

    until("the page is resolved", resolved_by_success)
    until("the hang is over", lambda: stack.alertmanager.state(**hang) is None)
    assert len(stack.receivers.told("page", "VoiceLLMErrorRateHigh")) == 1
