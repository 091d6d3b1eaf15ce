from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.rules.shipped import alerts
from tests.support.alerting import Alertmanager, Receivers
from tests.support.programs import Programs
from tests.support.waiting import until

NUMBERS = count()
SCOPE = {"job": "voice", "platform": "interactly", "assistant_id": "front-desk"}
LLM = {**SCOPE, "component": "llm"}
OUTAGE = {"alertname": "VoiceLLMErrorRateHigh", "severity": "critical", **LLM}
REFUSAL = {"alertname": "VoiceCriticalError", "severity": "critical", **LLM, "provider": "openai", "error_code": "x"}
SLOW = {
    "alertname": "VoiceProviderResponseTimeHigh",
    "severity": "critical",
    "job": "voice",
    "platform": "interactly",
    "provider": "openai",
}
HANG = {"alertname": "VoiceAssistantHang", "severity": "high", **SCOPE, "provider": "openai", "model": "gpt-4o"}
CALL = {"alertname": "VoiceCallHang", "severity": "high", **LLM, "provider": "openai", "call_id": "c1"}
DENIED = {"alertname": "VoiceCallError", "severity": "critical", **LLM, "provider": "openai", "call_id": "c1"}
NEGATIVE = {"alertname": "VoiceNegativeSentiment", "severity": "high", **SCOPE}
BY_RULE = {**NEGATIVE, "scope": "rule"}
"""The rule's alert has no call; the label tells the two apart in this test."""
DOWN = {"alertname": "VoiceExporterDown", "severity": "critical", "job": "voice"}

REPLICA_DOWN = {"alertname": "VoiceExporterReplicaDown", "severity": "warning", "job": "replicas", "instance": "a"}


def severities_by_name() -> dict[str, set[str]]:
    """Severities of each shipped alert."""
    found = defaultdict(set)
    for rule in alerts():
        found[rule["alert"]].add(rule["labels"]["severity"])
    return found


BOTH = sorted(name for name, severities in severities_by_name().items() if {"critical", "warning"} <= severities)


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> Iterator[Alertmanager]:
    """An Alertmanager of each release in turn, with the shipped inhibitions."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with Receivers() as receivers, Alertmanager(folder, receivers, programs) as running:
        yield running


@pytest.fixture
def states(alertmanager: Alertmanager) -> Callable[..., list[str]]:
    """Raises alerts, under jobs that no other test has, and gives their states."""
    run = next(NUMBERS)

    def raised(*labels: dict[str, str]) -> list[str]:
        own = [{**each, "job": f"{each['job']}-{run}"} if "job" in each else each for each in labels]
        alertmanager.post(*own)

        def processed() -> list[str] | None:
            found = [alertmanager.state(**each) for each in own]
            return None if None in found or "unprocessed" in found else [str(state) for state in found]

        return list(until("all alerts are processed", processed))

    return raised


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        (OUTAGE, HANG),
        (OUTAGE, {"alertname": "VoiceAssistantHangsRepeated", "severity": "high", **SCOPE}),
        (OUTAGE, {"alertname": "VoiceSlowRepliesRepeated", "severity": "high", **SCOPE}),
        ({**NEGATIVE, "call_id": "c1"}, BY_RULE),
        (REFUSAL, HANG),
        (REFUSAL, {"alertname": "VoiceErrorEscalated", "severity": "high", **LLM, "provider": "openai", "cause": "x"}),
        (SLOW, HANG),
        (CALL, HANG),
        (DENIED, {"alertname": "VoiceErrorEscalated", "severity": "high", **LLM, "provider": "openai", "cause": "x"}),
        (DOWN, HANG),
        (DOWN, {"alertname": "VoiceExporterNoEvents", "severity": "warning", "job": "voice", "platform": "vapi"}),
        (DOWN, REPLICA_DOWN),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_cause_silences_effect(states: Callable[..., list[str]], cause: dict[str, str], effect: dict[str, str]) -> None:
    """What causes other alerts is told, and what it causes is not."""
    assert states(cause, effect) == ["active", "suppressed"]


@pytest.mark.parametrize("name", BOTH)
def test_critical_silences_the_warning_of_the_same_signal(states: Callable[..., list[str]], name: str) -> None:
    """The page silences the ticket for the same thing, and for no other assistant."""
    critical, warning = ({"alertname": name, "severity": severity, **SCOPE} for severity in ("critical", "warning"))
    assert states(critical, warning, {**warning, "assistant_id": "billing"}) == ["active", "suppressed", "active"]


@pytest.mark.parametrize(
    ("cause", "other"),
    [
        (OUTAGE, {**HANG, "assistant_id": "billing"}),
        (OUTAGE, {**HANG, "platform": "vapi"}),
        (OUTAGE, {**HANG, "job": "other"}),
        ({**OUTAGE, "severity": "warning"}, HANG),
        (SLOW, {**HANG, "provider": "gemini"}),
        (OUTAGE, {**HANG, "team": "other"}),
        (OUTAGE, {"alertname": "VoiceHangRateHigh", "severity": "critical", **SCOPE}),
        ({**OUTAGE, "alertname": "VoiceSTTErrorRateHigh", "component": "stt"}, HANG),
        ({**REFUSAL, "component": "stt"}, HANG),
        (DOWN, {**HANG, "job": "other"}),
        (DOWN, {**HANG, "cluster": "staging"}),
        (DOWN, OUTAGE),
        ({**DOWN, "instance": "a"}, HANG),
        (DOWN, {"alertname": "VoiceWatchdog", "severity": "info"}),
        (DOWN, {**REPLICA_DOWN, "cluster": "staging"}),
        (DENIED, REFUSAL),
        ({**NEGATIVE, "call_id": "c1"}, {**NEGATIVE, "call_id": "c2"}),
        ({**NEGATIVE, "call_id": "c1"}, {**BY_RULE, "assistant_id": "billing"}),
        (REFUSAL, {"alertname": "VoiceErrorEscalated", "severity": "high", **LLM, "provider": "azure", "cause": "x"}),
        (OUTAGE, {"alertname": "VoiceCallCostHigh", "severity": "warning", **SCOPE}),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_nothing_else_is_silenced(
    states: Callable[..., list[str]], cause: dict[str, str], other: dict[str, str]
) -> None:
    """Another assistant, platform, provider or job, and a mere warning, take nothing away."""
    assert states(cause, other) == ["active", "active"]
