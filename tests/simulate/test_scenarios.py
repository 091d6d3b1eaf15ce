from collections import Counter
from collections.abc import Callable
from functools import cache
from statistics import fmean, quantiles

import pytest

from exporter.simulate import SCENARIOS, Traffic
from tests.simulate.reading import Message, conversation, interactly_calls, of_type, report, vapi_calls

CALLS = 250
FAULTY = ["llm-rate-limit", "auth-failure", "audio-quality", "network-timeout", "hang-storm", "error-spike"]


@cache
def interactly(scenario: str) -> list[list[Message]]:
    """Interactly's calls of a scenario, at a rate that passes the spike."""
    return interactly_calls(1, CALLS, scenario, calls_per_minute=50)


@cache
def vapi(scenario: str) -> list[list[Message]]:
    """Vapi's calls of a scenario, at a rate that passes the spike."""
    return vapi_calls(1, CALLS, scenario, calls_per_minute=50)


def errors(scenario: str) -> list[Message]:
    """What Interactly's error events say."""
    return [message["error"] for call in interactly(scenario) for message in of_type(call, "error")]


def said(scenario: str, role: str) -> list[Message]:
    """Metrics of Interactly's messages of a role, the welcome aside."""
    messages = (message for call in interactly(scenario) for message in conversation(call)[1:])
    return [message["metrics"] for message in messages if message["role"] == role]


def reasons(scenario: str) -> Counter[str]:
    """Why Vapi's calls ended."""
    return Counter(report(call)["endedReason"] for call in vapi(scenario))


def failures(scenario: str) -> set[str]:
    """Vapi's reasons that blame a service."""
    return {reason for reason in reasons(scenario) if "error" in reason}


def hung(calls: list[list[Message]]) -> float:
    """Share of the calls with a hang."""
    return sum(bool(of_type(call, "hang")) for call in calls) / len(calls)


def error_rate(scenario: str, role: str, error_type: str) -> float:
    """Errors among all operations of the LLM or of transcription on Interactly."""
    failed = [error["type"] for error in errors(scenario)].count(error_type)
    return failed / (failed + len(said(scenario, role)))


def response_p95(scenario: str) -> float:
    """95th percentile of Interactly's response times, in milliseconds."""
    stats = [report(call)["call"]["metrics"].get("callStats") for call in interactly(scenario)]
    waits: list[int] = [wait for each in stats if each for wait in each["turnsStats"]["botResponseTime"]]
    return quantiles(waits, n=20)[-1]


def cost_per_call(scenario: str) -> tuple[float, float]:
    """Mean total of Interactly's and Vapi's calls in dollars."""
    paid = [report(call)["call"]["cost"]["totalCost"] for call in interactly(scenario) if conversation(call)]
    return fmean(paid), fmean(report(call)["cost"] for call in vapi(scenario) if conversation(call))


def test_each_scenario_says_what_it_is() -> None:
    """The contract's scenarios exist, each with one line of description."""
    assert set(SCENARIOS) == {"normal", *FAULTY, "low-confidence", "cost-runaway"}
    assert all(scenario.description and "\n" not in scenario.description for scenario in SCENARIOS.values())


def test_normal_traffic_stays_below_the_documented_thresholds() -> None:
    """Hang rate under 5 %, response p95 under 3 s, error rates under 1 %, more than half of the speech cached."""
    assert hung(interactly("normal")) < 0.04
    assert hung(vapi("normal")) < 0.04
    assert response_p95("normal") < 2900
    assert error_rate("normal", "assistant", "llm_error") < 0.01
    assert not [error for error in errors("normal") if not error["retryable"]]
    assert fmean(metrics["tts"]["isCachePlaying"] for metrics in said("normal", "assistant")) > 0.5


def test_normal_traffic_has_the_statistics_of_real_calls() -> None:
    """LLM latency has a long tail, confidence a mean of 0.85, a minute costs what the documented one does (0.057)."""
    latencies = [metrics["llm"]["responseLatencyMs"] for metrics in said("normal", "assistant")]
    cuts = quantiles([latency for latency in latencies if latency > 10], n=20)
    assert 750 < cuts[9] < 1000
    assert 1.8 < cuts[-1] / cuts[9] < 2.6
    assert fmean(metrics["stt"]["confidence"] for metrics in said("normal", "user")) == pytest.approx(0.85, abs=0.02)
    costs = [report(call)["call"]["cost"] for call in interactly("normal") if conversation(call)]
    minutes = sum(cost["callDuration"] for cost in costs) / 60
    assert sum(cost["totalCost"] for cost in costs) / minutes == pytest.approx(0.057, abs=0.02)


def test_about_one_normal_call_in_a_hundred_hangs() -> None:
    """Hangs occur in healthy traffic, rarely."""
    calls = interactly_calls(2, 1500, turns=3)
    assert 0.004 < hung(calls) < 0.02


def test_llm_rate_limit_repeats_openais_refusals() -> None:
    """Retryable rate_limit_exceeded of openai, three and more in a call, over 5 % of the requests; on Vapi 429."""
    assert {(error["provider"], error["code"], error["retryable"]) for error in errors("llm-rate-limit")} == {
        ("openai", "rate_limit_exceeded", True)
    }
    repeats = [len(of_type(call, "error")) for call in interactly("llm-rate-limit")]
    assert all(count == 0 or count >= 3 for count in repeats)
    assert sum(count >= 3 for count in repeats) > CALLS / 10
    assert error_rate("llm-rate-limit", "assistant", "llm_error") > 0.1
    assert failures("llm-rate-limit") == {
        "pipeline-error-openai-429-rate-limit-reached",
        "call.in-progress.error-vapifault-openai-429-rate-limit-reached",
    }


def test_auth_failure_hits_each_call_of_anthropics_assistants() -> None:
    """Not retryable, over 5 % of all requests, and no assistant of anthropic's ever gets an answer."""
    assert {(error["provider"], error["code"], error["retryable"]) for error in errors("auth-failure")} == {
        ("anthropic", "authentication_failed", False)
    }
    for call in interactly("auth-failure"):
        llm = {message.get("assistant", {}).get("assistantProvider") for message in call} - {None}
        assert bool(of_type(call, "error")) == (llm == {"anthropic"})
    assert error_rate("auth-failure", "assistant", "llm_error") > 0.05
    assert failures("auth-failure") == {"pipeline-error-anthropic-401-unauthorized"}


def test_audio_quality_fails_deepgrams_transcription() -> None:
    """audio_quality_insufficient of deepgram, over 3 % of the transcriptions, with audio lost in the reports."""
    assert {(error["type"], error["provider"], error["code"]) for error in errors("audio-quality")} == {
        ("stt_error", "deepgram", "audio_quality_insufficient")
    }
    assert error_rate("audio-quality", "user", "stt_error") > 0.05
    stats = [report(call)["call"]["metrics"].get("callStats") for call in interactly("audio-quality")]
    assert fmean(each["userAudio"]["droppedChunksCount"] for each in stats if each) > 40
    assert failures("audio-quality") == {"pipeline-error-deepgram-transcriber-failed"}


def test_network_timeout_makes_elevenlabs_slow() -> None:
    """Its speech takes over 5 s where it is not cached, calls hang, reports count errors; no error event tells."""
    assert not errors("network-timeout")
    vendors: dict[str, list[int]] = {}
    for call in interactly("network-timeout"):
        (queued,) = [message for message in call if message["call"]["status"] == "queued"]
        vendor = queued["assistant"]["config"]["speech"]["ttsData"][0]["vendor"]
        parts = [m["metrics"]["tts"] for m in conversation(call) if m["role"] == "assistant"]
        times = [part["generationTimeMs"] for part in parts if not part["isCachePlaying"]]
        vendors.setdefault(vendor, []).extend(times)
        stats = report(call)["call"]["metrics"].get("callStats", {"ttsStats": {"errors": 0}})
        assert vendor == "eleven-labs" or not stats["ttsStats"]["errors"]
        assert bool(of_type(call, "hang")) == bool(stats["ttsStats"]["errors"])
    slow = quantiles(vendors.pop("eleven-labs"), n=20)
    assert slow[-1] > 5000
    assert all(max(times) < 3000 for times in vendors.values())
    assert hung(interactly("network-timeout")) > 0.1
    assert failures("network-timeout") == {
        "pipeline-error-eleven-labs-503-server-error",
        "call.in-progress.error-providerfault-eleven-labs-500-server-error",
        "call.in-progress.error-vapifault-eleven-labs-voice-failed",
    }


@pytest.mark.parametrize("calls", [interactly, vapi])
def test_hang_storm_makes_each_assistant_hang_repeatedly(calls: Callable[[str], list[list[Message]]]) -> None:
    """Far over 5 % of the calls hang, several of each assistant within ten minutes, on both platforms."""
    stormy = calls("hang-storm")
    assert hung(stormy) > 0.25
    hangs = Counter(message["call"]["assistantId"] for call in stormy for message in of_type(call, "hang"))
    assert len(hangs) == 4
    assert min(hangs.values()) >= 5


def test_error_spike_is_quiet_but_for_its_two_minutes() -> None:
    """No error or hang in calls that start outside the window, most calls fail within it."""
    start = min(call[0]["timestamp"] for call in interactly("error-spike"))
    for calls, failed in ((interactly("error-spike"), has_error), (vapi("error-spike"), has_failed)):
        inside = [call for call in calls if 121 <= (call[0]["timestamp"] - start) / 1000 < 239]
        outside = [call for call in calls if not 119 <= (call[0]["timestamp"] - start) / 1000 < 241]
        assert sum(map(failed, inside)) > len(inside) / 2 > 20
        assert outside
        assert not any(map(failed, outside))
        assert not hung(outside)


def has_error(call: list[Message]) -> bool:
    """Whether an error event came."""
    return bool(of_type(call, "error"))


def has_failed(call: list[Message]) -> bool:
    """Whether a service ended the Vapi call."""
    return "error" in report(call)["endedReason"]


def test_low_confidence_is_half_of_the_normal() -> None:
    """The mean confidence is about 0.42 on Interactly and by word on Vapi."""
    spoken = [metrics["stt"]["confidence"] for metrics in said("low-confidence", "user")]
    users = [m for call in vapi("low-confidence") for m in conversation(call) if m["role"] == "user"]
    words = [word["confidence"] for user in users for word in user["metadata"]["wordLevelConfidence"]]
    assert fmean(spoken) == pytest.approx(0.42, abs=0.03)
    assert fmean(words) == pytest.approx(0.42, abs=0.03)


def test_cost_runaway_costs_dollars_a_call() -> None:
    """A call costs over a dollar on average, ten times the normal, on both platforms."""
    for usual, runaway in zip(cost_per_call("normal"), cost_per_call("cost-runaway"), strict=True):
        assert runaway > 1
        assert runaway > 10 * usual


@pytest.mark.parametrize(
    "scenario", ["llm-rate-limit", "auth-failure", "audio-quality", "network-timeout", "hang-storm"]
)
def test_a_failure_shows_in_the_first_calls(scenario: str) -> None:
    """Ten calls of one turn are enough to meet the scenario's failure: nobody waits long for it."""
    traffic = Traffic(turns=1)
    calls = interactly_calls(3, 10, scenario, turns=traffic.turns) + vapi_calls(3, 10, scenario, turns=traffic.turns)
    met = [call for call in calls if of_type(call, "hang", "error") or "error" in report(call).get("endedReason", "")]
    assert met
