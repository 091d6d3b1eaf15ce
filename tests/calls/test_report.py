"""The end-of-call report: costs, usage, distributions, and what it shows that no event brought."""

from copy import deepcopy
from typing import Any

import pytest

from tests.calls.tally import Tally, payload


def report(**stats: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """The documented report with other call statistics."""
    body = payload("end-of-call-report")
    body["message"]["call"]["metrics"]["callStats"].update(stats)
    return body


def test_costs_and_usage() -> None:
    """Cost counts by component and provider, tokens and characters by call, once."""
    tally = Tally()
    tally.deliver(payload("status-update-queued"), report(), report())
    cost = {key[2:]: value for key, value in tally.series("voice_call_cost_dollars_total").items()}
    assert cost == {
        ("platform", "interactly"): 6_946_000,
        ("telephony", "unknown"): 16_500_000,
        ("tts", "eleven-labs"): 10_620_000,
        ("stt", "deepgram"): 5_348_419,
        ("llm", "gemini"): 338_500,
    }
    assert tally.values("voice_cost_per_call_dollars") == [pytest.approx(0.0397529186108)]
    assert tally.total("voice_llm_tokens_total", kind="input") == 485
    assert tally.total("voice_llm_tokens_total", kind="output") == 32
    assert tally.total("voice_tts_characters_total") == 118
    assert tally.total("voice_call_evaluations_total", evaluation="Fair") == 1


def test_report_alone_fills_the_histograms() -> None:
    """Without messages, the report's distributions count: lower bounds in ms, the lowest of TTS cached."""
    tally = Tally()
    tally.deliver(report(), report())
    assert tally.values("voice_response_seconds") == [4.133, 5.055]
    assert tally.values("voice_stt_confidence_ratio") == [pytest.approx(0.6880249)] * 5
    assert tally.values("voice_call_duration_seconds") == [41.676]
    stages = {
        (name, labels[-1]): (distribution[0].counts, distribution[0].total)
        for (name, labels), distribution in tally.distributions.items()
        if len(distribution) == 1
    }
    assert stages == {
        ("voice_llm_response_seconds", "unknown"): ((0, 0, 0, 0, 0, 0, 1, 0, 0), 2_557_396_173),
        ("voice_tts_generation_seconds", "true"): ((2, 0, 0, 0, 0, 0, 0, 0, 0), 12_000_000),
        ("voice_tts_generation_seconds", "false"): ((0, 0, 1, 1, 0, 0, 0, 0, 0), 643_000_000),
        ("voice_stt_latency_seconds", "unknown"): ((5, 0, 0, 0, 0, 0, 0, 0, 0), 0),
    }
    assert tally.total("voice_service_requests_total", component="stt") == 5
    assert tally.total("voice_service_requests_total", component="llm") == 1
    assert tally.total("voice_service_requests_total", component="tts") == 2


@pytest.mark.parametrize("report_first", [False, True])
def test_first_source_is_the_only_one(report_first: bool) -> None:
    """Messages and the report carry the same measurements; the first to deliver a group is the only one counted."""
    bodies = [payload("conversation-update"), report()]
    tally = Tally()
    tally.deliver(*(reversed(bodies) if report_first else bodies))
    llm = len(tally.values("voice_llm_response_seconds"))
    assert llm + sum(name == "voice_llm_response_seconds" for name, _ in tally.distributions) == 1
    assert tally.values("voice_response_seconds") == ([4.133, 5.055] if report_first else [3.913])
    assert len(tally.values("voice_stt_confidence_ratio")) == (5 if report_first else 3)
    assert tally.total("voice_messages_total") == 5


def test_failures_that_the_report_counts() -> None:
    """Errors and retries of the report have metrics of their own; a fuller report adds only what is new."""
    first = report(ttsStats={"errors": 2, "retries": 3}, sttStats={"errors": 1, "connectionRetries": 4})
    second = report(ttsStats={"errors": 5, "retries": 3})
    tally = Tally()
    tally.deliver(first, second)
    assert tally.total("voice_report_errors_total", component="tts") == 5
    assert tally.total("voice_report_retries_total", component="tts") == 3
    assert tally.total("voice_report_errors_total", component="stt") == 1
    assert tally.total("voice_report_retries_total", component="stt") == 4
    assert tally.total("voice_errors_total") == 0


def test_second_fuller_report() -> None:
    """A second report of the same call adds only what the first lacked."""
    lean = report()
    lean["message"]["call"]["cost"] = {"llmVendorCost": 0.0001, "inputTokensTotal": 400}
    tally = Tally()
    tally.deliver(lean, report())
    assert tally.total("voice_call_cost_dollars_total", component="llm") == 0.0003385
    assert tally.total("voice_llm_tokens_total", kind="input") == 485
    assert len(tally.values("voice_cost_per_call_dollars")) == 1
    assert tally.total("voice_calls_ended_total") == 1


def test_a_fuller_distribution_is_left_out_and_says_so() -> None:
    """Its requests count; its latencies can't be told from those of the first report, which are not counted twice."""
    lean = {"responseTimeDistribution": {"0": 3}, "responseLatencyTotal": 300}
    full = {"responseTimeDistribution": {"0": 8, "300": 2}, "responseLatencyTotal": 1500}
    tally = Tally()
    tally.deliver(report(llmStats=lean), report(llmStats=full), report(llmStats=full), report(llmStats=lean))
    assert tally.total("voice_service_requests_total", component="llm") == 10
    [[counted]] = [found for (name, _), found in tally.distributions.items() if name == "voice_llm_response_seconds"]
    assert (counted.counts, counted.total) == ((3,), 300_000_000)
    assert tally.series("voice_exporter_rejected_values_total") == {("interactly", "llm", "partly_counted"): 1}


def test_interruptions_of_the_report() -> None:
    """Without messages, barge-ins and skipped messages come from the report."""
    stats = deepcopy(report()["message"]["call"]["metrics"]["callStats"])
    stats["turnsStats"]["bargeInCount"] = 3
    stats["turns"]["skipped"] = 4
    stats["userAudio"]["droppedChunksCount"] = 6
    tally = Tally()
    tally.deliver(report(**stats))
    assert tally.total("voice_interruptions_total", interrupted="assistant") == 3
    assert tally.total("voice_messages_skipped_total") == 4
    assert tally.total("voice_audio_dropped_chunks_total") == 6
    assert tally.total("voice_audio_received_seconds_total") == 41.116


def test_missed_events() -> None:
    """What the report shows and no event had brought is counted, where the assistant sends such events."""
    shown = report(llmStats={"errors": 2})
    tally = Tally()
    tally.deliver(payload("conversation-update"), payload("error-llm-rate-limit"), shown, shown)
    assert tally.series("voice_exporter_missed_events_total") == {
        ("interactly", "error"): 1,
        ("interactly", "conversation-update"): 2,
        ("interactly", "status-update"): 1,
    }
    subscribed = Tally()
    subscribed.deliver(payload("status-update-queued"), payload("conversation-update"), shown)
    assert subscribed.total("voice_exporter_missed_events_total", event="error") == 0


@pytest.mark.parametrize(
    ("grade", "counted"),
    [("Excellent", "Excellent"), ("Poor", "Poor"), ("success", "other"), ("", "none"), (None, "none"), (7, "none")],
)
def test_evaluations(grade: object, counted: str) -> None:
    """Documented grades count by name, others as other, an absent one as none."""
    body = report()
    body["message"]["analysis"]["successEvaluation"] = grade
    tally = Tally()
    tally.deliver(body)
    assert tally.total("voice_call_evaluations_total", evaluation=counted) == 1


def test_nulls_everywhere() -> None:
    """A report without cost, metrics, analysis and messages still ends the call."""
    body = report()
    body["message"]["call"].update(cost=None, metrics={}, endAt=None, assistantCallDuration=0)
    body["message"].update(analysis=None, messages=None)
    tally = Tally()
    tally.deliver(body)
    assert tally.total("voice_calls_ended_total") == 1
    assert tally.values("voice_call_duration_seconds") == []
    assert tally.total("voice_call_evaluations_total", evaluation="none") == 1


def test_absurd_report() -> None:
    """Impossible numbers are left out and counted, once though the report comes twice; the rest counts."""
    body = report(llmStats={"errors": -1, "responseTimeDistribution": {"0": 10**9}, "responseLatencyTotal": 5})
    body["message"]["call"]["cost"].update(totalCost=-4, llmVendorCost="free", callDuration=10**12)
    tally = Tally()
    tally.deliver(body, body)
    rejected = {key[1:]: value for key, value in tally.series("voice_exporter_rejected_values_total").items()}
    assert rejected == {
        ("cost.callDuration", "too_large"): 1,
        ("cost.totalCost", "negative"): 1,
        ("cost.llmVendorCost", "type"): 1,
        ("llmStats.errors", "negative"): 1,
        ("llmStats.responseTimeDistribution", "too_large"): 1,
    }
    assert tally.values("voice_call_duration_seconds") == [41.676]
    assert tally.total("voice_call_cost_dollars_total", component="tts") == 0.01062
