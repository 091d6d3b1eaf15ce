"""Into the installed command, out of the real Alertmanager: each hang and critical error, with its call, in seconds."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from exporter.assets import render
from tests.calls.tally import payload
from tests.conftest import Running, StartExporter
from tests.security.raw import Connection, request
from tests.sentiment.sentences import FURIOUS
from tests.support.alerting import Alertmanager, Notification, Receivers
from tests.support.certificates import Authority
from tests.support.programs import SID, Programs
from tests.support.servers import Prometheus, free_port
from tests.support.waiting import until

HANG_MS = 1772702490000
DENIED = {
    "type": "llm_error",
    "code": "authentication_failed",
    "message": "x",
    "provider": "openai",
    "retryable": False,
}


of_one_release = pytest.mark.parametrize("programs", [SID], indirect=True, ids=str)
"""What the exporter does, whatever Alertmanager's release."""


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Who is told."""
    with Receivers() as started:
        yield started


@pytest.fixture
def alertmanager(receivers: Receivers, tmp_path: Path, programs: Programs) -> Iterator[Alertmanager]:
    """An Alertmanager with the shipped routes."""
    with Alertmanager(tmp_path / "alertmanager", receivers, programs) as started:
        yield started


def configured(folder: Path, *urls: str, **further: object) -> str:
    """The flag that names a configuration which pushes to these Alertmanagers."""
    settings = {"urls": [*urls], "labels": {"job": "voice"}, **further}
    (folder / "pushing.yml").write_text(yaml.safe_dump({"alertmanager": settings}))
    return f"--config.file={folder / 'pushing.yml'}"


def post(exporter: Running, name: str, call: str, **message: Any) -> None:  # noqa: ANN401 - any JSON value
    """Post a fixture's event of some call, with other values at the top of its message."""
    body = payload(name)
    body["message"]["call"]["id"] = call
    body["message"] |= message
    request = urllib.request.Request(  # noqa: S310 - our own URL
        f"{exporter.url}/webhook/interactly", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own URL
        assert answer.status == 200


def reply(exporter: Running, call: str, at: int) -> None:
    """The assistant of a call replies at that time (ms)."""
    message = {"messageId": f"b-{at}", "role": "assistant", "timestamp": at}
    post(exporter, "conversation-update", call, messages=[message])


def value(exporter: Running, sample: str) -> float:
    """The value of a sample in a scrape; 0 where there is none."""
    with urllib.request.urlopen(f"{exporter.url}/metrics", timeout=10) as answer:  # noqa: S310 - our own URL
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)


def sent(exporter: Running, outcome: str = "sent") -> float:
    """Alerts pushed so far."""
    return value(exporter, f'voice_exporter_alert_pushes_total{{outcome="{outcome}"}}')


def told(receivers: Receivers, call: str, status: str = "firing") -> list[Notification]:
    """What anybody was told of a call."""
    return [got for got in receivers.got if got.labels.get("call_id") == call and got.status == status]


def test_a_hang_and_what_came_of_it(
    start_exporter: StartExporter, tmp_path: Path, alertmanager: Alertmanager, receivers: Receivers
) -> None:
    """The operators hear of the hang at once, with its call, and later what came of it, once each."""
    flag = configured(tmp_path, alertmanager.url, grafana_url="https://grafana.example")
    exporter = start_exporter(flag, "--web.external-url=https://voice.example")
    post(exporter, "hang", "WC-1")
    (firing,) = until("somebody is told", lambda: told(receivers, "WC-1"))
    assert firing.receiver == "operators"
    assert firing.labels == {
        "alertname": "VoiceCallHang",
        "severity": "high",
        "job": "voice",
        "platform": "interactly",
        "assistant_id": "64ab00000000000000000001",
        "component": "llm",
        "provider": "gemini",
        "model": "gemini-3-flash-preview",
        "call_id": "WC-1",
    }
    assert firing.annotations["summary"] == "A voice assistant hung in call WC-1."
    assert firing.annotations["description"].startswith(
        "Assistant 64ab00000000000000000001 (Harbor Dental - main) on interactly gave no reply for 5 seconds or more in"
        " call WC-1, 0s ago, at 20"
    )
    assert firing.annotations["description"].endswith(" LLM gemini, model gemini-3-flash-preview.")
    assert firing.annotations["assistant"] == "Harbor Dental - main"
    who = "platform=interactly&{}assistant=64ab00000000000000000001"
    assert firing.annotations["runbook_url"] == "https://voice.example/runbooks/VoiceAssistantHang"
    assert firing.annotations["incidents_url"] == f"https://voice.example/incidents?{who.format('')}&call=WC-1"
    assert firing.annotations["dashboard_url"] == (
        f"https://grafana.example/d/voice-hangs-errors?from=now-6h&to=now&var-{who.format('var-')}"
    )
    until("it is active", lambda: value(exporter, "voice_exporter_alerts_active") == 1)

    reply(exporter, "WC-1", HANG_MS + 5900)
    (resolved,) = until("it is resolved", lambda: told(receivers, "WC-1", "resolved"), 60)
    assert resolved.annotations["description"].endswith(" The assistant recovered after 5.9 s.")
    until("it is active no more", lambda: value(exporter, "voice_exporter_alerts_active") == 0)
    assert len(told(receivers, "WC-1")) == 1
    assert exporter.stop() == 0


def test_a_negative_message(
    start_exporter: StartExporter, tmp_path: Path, alertmanager: Alertmanager, receivers: Receivers
) -> None:
    """The documented example: the supervisor hears of a caller who is negative with a confidence above 0.8, once."""
    flag = configured(tmp_path, alertmanager.url, resolve_after="4s")
    with (tmp_path / "pushing.yml").open("a") as file:
        file.write("sentiment: {enabled: true}\n")
    exporter = start_exporter(flag)
    messages = payload("conversation-update")["message"]["messages"]
    post(exporter, "conversation-update", "WC-calm", messages=messages)
    furious = {"messageId": "user-9", "role": "user", "timestamp": messages[-1]["timestamp"] + 1000, "text": FURIOUS}
    for _ in range(2):
        post(exporter, "conversation-update", "WC-furious", messages=[*messages, furious])
    (firing,) = until("somebody is told", lambda: told(receivers, "WC-furious"))
    assert (firing.receiver, firing.name) == ("operators", "VoiceNegativeSentiment")
    assert firing.labels == {
        "alertname": "VoiceNegativeSentiment",
        "severity": "high",
        "job": "voice",
        "platform": "interactly",
        "assistant_id": "64ab00000000000000000001",
        "call_id": "WC-furious",
    }
    assert firing.annotations["summary"] == "A caller sounds negative in call WC-furious."
    assert "has a caller who sounds negative in call WC-furious" in firing.annotations["description"]
    assert firing.annotations["runbook_url"].endswith("/runbooks/VoiceNegativeSentiment")
    until("it is resolved", lambda: told(receivers, "WC-furious", "resolved"), 60)
    assert len(told(receivers, "WC-furious")) == 1
    assert told(receivers, "WC-calm") == []
    assert value(exporter, 'voice_exporter_sentiment_analyses_total{outcome="judged"}') > 0
    assert exporter.stop() == 0


def test_errors(
    start_exporter: StartExporter, tmp_path: Path, alertmanager: Alertmanager, receivers: Receivers
) -> None:
    """A critical error pages, an escalation tells the operators, and any other error nobody; both end by themselves."""
    exporter = start_exporter(configured(tmp_path, alertmanager.url, resolve_after="4s"))
    post(exporter, "error-llm-rate-limit", "WC-quiet")
    post(exporter, "error-llm-rate-limit", "WC-critical", error=DENIED)
    post(exporter, "error-llm-rate-limit", "WC-escalated", error={**DENIED, "code": "context_length_exceeded"})
    (critical,) = until("somebody is paged", lambda: told(receivers, "WC-critical"))
    assert (critical.receiver, critical.name) == ("page", "VoiceCallError")
    assert critical.annotations["summary"] == "A voice call failed: llm_error, authentication_failed, call WC-critical."
    (escalated,) = until("the operators are told", lambda: told(receivers, "WC-escalated"))
    assert (escalated.receiver, escalated.labels["severity"]) == ("operators", "high")
    assert "(not retryable)" in escalated.annotations["description"]
    for call in ("WC-critical", "WC-escalated"):
        until("it is resolved", partial(told, receivers, call, "resolved"), 60)
    assert not told(receivers, "WC-quiet")


def test_killed_before_it_was_pushed(
    start_exporter: StartExporter, tmp_path: Path, receivers: Receivers, programs: Programs
) -> None:
    """A hang that was answered arrives although the process died; what was told before is told once."""
    flag = configured(tmp_path, f"http://127.0.0.1:{free_port()}")
    exporter = start_exporter(flag)
    post(exporter, "hang", "WC-1")
    until("a push failed", lambda: sent(exporter, "failed"))
    exporter.process.kill()
    exporter.wait()
    with Alertmanager(tmp_path / "alertmanager", receivers, programs) as alertmanager:
        for _ in range(2):
            exporter = start_exporter(configured(tmp_path, alertmanager.url))
            until("it is pushed", partial(sent, exporter))
            until("somebody is told", lambda: told(receivers, "WC-1"))
            exporter.process.kill()
            exporter.wait()
        exporter = start_exporter(configured(tmp_path, alertmanager.url))
        reply(exporter, "WC-1", HANG_MS + 1000)
        until("it is resolved", lambda: told(receivers, "WC-1", "resolved"), 60)
    assert len(told(receivers, "WC-1")) == 1


def test_one_of_two_is_down(
    start_exporter: StartExporter, tmp_path: Path, receivers: Receivers, programs: Programs
) -> None:
    """Each Alertmanager is told, and one that is away delays neither the other nor a webhook; back, it hears all."""
    away = Alertmanager(tmp_path / "away", receivers, programs)
    with Alertmanager(tmp_path / "here", receivers, programs) as here:
        exporter = start_exporter(configured(tmp_path, here.url, away.url))
        post(exporter, "hang", "WC-1")
        until("one is told", lambda: here.state(call_id="WC-1"))
        reply(exporter, "WC-1", HANG_MS + 1000)
        post(exporter, "hang", "WC-2")
        until("the other's push failed", lambda: sent(exporter, "failed"))
        with away:
            for call in ("WC-1", "WC-2"):
                until("the other hears of it", partial(away.state, call_id=call), 60)
        assert "alerts can't be pushed" in exporter.log
        assert exporter.stop() == 0


@of_one_release
def test_a_storm_is_bounded(start_exporter: StartExporter, tmp_path: Path, alertmanager: Alertmanager) -> None:
    """Ten calls of an assistant have alerts of their own; the others are counted into one that says how many."""
    exporter = start_exporter(configured(tmp_path, alertmanager.url))
    for number in range(60):
        post(exporter, "hang", f"WC-{number}")
    until("the rest is dropped", lambda: sent(exporter, "dropped") == 50)

    def counted() -> list[dict[str, str]]:
        return [labels for labels, _ in alertmanager.alerts() if "call_id" not in labels]

    (summary,) = until("the rest is counted", counted)
    assert summary == {
        "alertname": "VoiceCallHang",
        "severity": "high",
        "job": "voice",
        "platform": "interactly",
        "assistant_id": "64ab00000000000000000001",
    }
    assert len(alertmanager.alerts()) == 11
    assert value(exporter, "voice_exporter_alerts_active") == 11


@of_one_release
def test_five_thousand_hangs_in_a_minute(
    start_exporter: StartExporter, tmp_path: Path, alertmanager: Alertmanager
) -> None:
    """Each is answered and counted; 200 calls have alerts of their own, and 40 assistants one that counts the rest."""
    exporter = start_exporter(configured(tmp_path, alertmanager.url))
    body = payload("hang")
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(Connection(exporter.url))) for _ in range(20)]
        for first in range(0, 5000, len(connections)):
            for number, connection in enumerate(connections, first):
                body["message"]["call"] |= {"id": f"WC-{number}", "assistantId": f"{number % 40:024}"}
                connection.send(request(b"/webhook/interactly", body=json.dumps(body).encode()))
            assert {connection.answer() for connection in connections} == {(200, b'{"status":"ok"}\n')}
    until("the rest is dropped", lambda: sent(exporter, "dropped") == 4800)

    def shown() -> tuple[int, int]:
        calls = ["call_id" in labels for labels, _ in alertmanager.alerts()]
        return sum(calls), len(calls) - sum(calls)

    until("the alerts are pushed", lambda: shown() == (200, 40))
    assert value(exporter, "voice_exporter_alerts_active") == 240
    assert not sent(exporter, "failed")


def test_tls(start_exporter: StartExporter, tmp_path: Path, receivers: Receivers, programs: Programs) -> None:
    """An Alertmanager is told over TLS if its certificate is of the authority of the configuration, else nothing."""
    authority, other = Authority(tmp_path, "authority"), Authority(tmp_path, "other")
    with Alertmanager(tmp_path / "alertmanager", receivers, programs, authority=authority) as alertmanager:
        doubting = start_exporter(configured(tmp_path, alertmanager.url, ca_file=str(other.identity.cert)))
        post(doubting, "hang", "WC-doubted")
        until("the push fails", lambda: sent(doubting, "failed"))
        assert "reason=ClientConnectorCertificateError" in doubting.log
        assert alertmanager.alerts() == []
        trusting = start_exporter(
            configured(tmp_path, alertmanager.url, ca_file=str(authority.identity.cert)),
            f"--storage.path={tmp_path / 'trusting'}",
        )
        post(trusting, "hang", "WC-1")
        until("it is told", lambda: alertmanager.state(call_id="WC-1"))
        assert not sent(trusting, "failed")


def test_authorization_reload_and_silence(start_exporter: StartExporter, tmp_path: Path, receivers: Receivers) -> None:
    """The file's password goes along; after a reload another place is told; without a place nothing is pushed."""
    (tmp_path / "password").write_text("open sesame\n")
    auth = {"basic_auth": {"username": "voice", "password_file": "password"}}
    exporter = start_exporter(configured(tmp_path, f"{receivers.url}/first", **auth), "--web.enable-lifecycle")
    post(exporter, "hang", "WC-1")
    until("the first is told", lambda: [path for path, _ in receivers.messages if path.startswith("first")])
    assert receivers.authorizations[-1] == "Basic dm9pY2U6b3BlbiBzZXNhbWU="
    configured(tmp_path, f"{receivers.url}/second")
    urllib.request.urlopen(f"{exporter.url}/-/reload", b"", timeout=10).close()  # noqa: S310 - our own URL
    until("the second is told", lambda: [path for path, _ in receivers.messages if path.startswith("second")])
    (tmp_path / "pushing.yml").write_text("{}")
    urllib.request.urlopen(f"{exporter.url}/-/reload", b"", timeout=10).close()  # noqa: S310 - our own URL
    before = len(receivers.messages)
    post(exporter, "hang", "WC-2")
    assert exporter.stop() == 0
    assert len(receivers.messages) == before
    assert "sesame" not in exporter.log


def test_one_notification_with_prometheus_beside_it(
    start_exporter: StartExporter, tmp_path: Path, alertmanager: Alertmanager, receivers: Receivers, programs: Programs
) -> None:
    """The call's own alert is told once, and the rule about the same hang is silent, while and after it fires."""
    (tmp_path / "seconds.yml").write_text(
        "scrape_interval: 1s\nevaluation_interval: 1s\nkeep_firing_for: 30s\nhang: {window: 4s}\n"
    )
    render(tmp_path / "assets", tmp_path / "seconds.yml")
    exporter = start_exporter(configured(tmp_path, alertmanager.url))
    config = {
        "rule_files": [str(tmp_path / "assets" / "rules" / "*.rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [urlsplit(alertmanager.url).netloc]}]}]},
    }
    targets, resend = {"voice": exporter.addresses[0]}, "--rules.alert.resend-delay=1s"
    with Prometheus(tmp_path / "prometheus", targets, config, resend, programs=programs) as prometheus:
        until("the exporter is scraped", lambda: prometheus.value('up{job="voice"}') == 1)
        post(exporter, "hang", "WC-1")
        until("somebody is told", lambda: told(receivers, "WC-1"))
        until("Prometheus sees the hang", lambda: prometheus.value("sum(voice_hangs_total)") == 1)
        reply(exporter, "WC-1", HANG_MS + 1000)
        until("it is resolved", lambda: told(receivers, "WC-1", "resolved"), 60)
        hangs_now = "sum(increase(voice_hangs_total[4s]))"
        until("the rule's window is over", lambda: prometheus.value(hangs_now) == 0)
    hangs = [got.labels["alertname"] for got in receivers.got if "Hang" in got.name and got.status == "firing"]
    assert hangs == ["VoiceCallHang"]
