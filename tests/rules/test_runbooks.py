import re

import pytest

from tests.rules.shipped import RULES, alerts

GRAFANA = "https://grafana.example.com/d/"
DASHBOARDS = ("voice-overview", "voice-latency", "voice-hangs-errors", "voice-exporter")
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


@pytest.mark.parametrize("name", sorted({alert["alert"] for alert in alerts()}))
def test_every_alert_has_a_runbook(name: str) -> None:
    """The link of an alert leads to its runbook on the exporter, which has all sections, queries among them."""
    (linked,) = {alert["annotations"]["runbook_url"] for alert in alerts() if alert["alert"] == name}
    assert linked.startswith('{{ with printf "topk(1, 3 * voice_exporter_external_url_info{')
    assert linked.endswith(f"{{{{ else }}}}http://localhost:10060{{{{ end }}}}{{{{ end }}}}/runbooks/{name}")
    text = (RULES / "runbooks" / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert "```promql" in text.partition("## Diagnosis")[2].partition("## Mitigation")[0]


def test_every_alert_has_a_dashboard() -> None:
    """The link of an alert leads to one of the four dashboards, and so does its runbook."""
    for alert in alerts():
        url = alert["annotations"]["dashboard_url"].partition("?")[0]
        assert url in {f"{GRAFANA}{uid}" for uid in DASHBOARDS}
        assert f"]({url})" in (RULES / "runbooks" / f"{alert['alert']}.md").read_text()


def test_summaries_are_the_same_for_each_alert() -> None:
    """A summary holds for every alert of its name: it has no template. A description says which one."""
    for alert in alerts():
        annotations = alert["annotations"]
        further = {"assistant", "incidents_url"}
        assert set(annotations) - further == {"summary", "description", "runbook_url", "dashboard_url"}
        assert ("assistant" in annotations) == ("Assistant {{ $labels.assistant_id }}" in annotations["description"])
        assert "{{" not in annotations["summary"]
        assert (
            "{{" in annotations["description"]
            or alert["labels"].get("scope") == "all"
            or alert["alert"] == "VoiceWatchdog"
        )


def test_links_between_runbooks_lead_somewhere() -> None:
    """No link of a runbook is dead."""
    for path in (RULES / "runbooks").glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_hang_and_error_runbooks_have_the_documented_strategies() -> None:
    """Provider fallback, shorter replies, a hold message and a hand-off are where the documents put them."""
    for name in ("VoiceAssistantHangsRepeated", "VoiceHangRateHigh"):
        text = (RULES / "runbooks" / f"{name}.md").read_text()
        assert all(
            strategy in text for strategy in ("Provider fallback", "Shorter replies", "Hold message", "Hand-off")
        )
    text = (RULES / "runbooks" / "VoiceCriticalError.md").read_text()
    assert all(strategy in text for strategy in ("Provider fallback", "Hand-off"))
