"""Vapi's end-of-call-report: duration, costs, usage, latencies, evaluation, and what a second report adds."""

from typing import Any

import pytest

from tests.calls.tally import Tally
from tests.platforms.vapi_bodies import message

Body = dict[str, Any]
BREAKDOWN = message("end-of-call-report", costs=None)
TOTAL = 0.0195


def tally(*bodies: Body) -> Tally:
    """What the bodies add up to."""
    delivered = Tally()
    delivered.deliver(*bodies, platform="vapi")
    return delivered


def costs(counted: Tally) -> dict[tuple[str, str], float]:
    """Dollars by component and provider."""
    series = counted.series("voice_call_cost_dollars_total")
    return {key[2:]: value / 1e9 for key, value in series.items()}  # type: ignore[misc]  # two labels are left


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 12.5),
        ({"durationSeconds": None}, 12.4),
        ({"durationSeconds": -1}, 12.4),
        ({"durationSeconds": "twelve"}, 12.4),
        ({"durationSeconds": None, "durationMs": None}, 12.5),
        ({"durationSeconds": 0}, 12.4),
        ({"durationSeconds": 0, "durationMs": 0}, 12.5),
    ],
)
def test_duration(fields: Body, seconds: float) -> None:
    """The length is durationSeconds, else durationMs, else end minus start; a source that cannot be is skipped."""
    report = message("end-of-call-report", **fields)
    assert tally(report, report).values("voice_call_duration_seconds") == [seconds]


@pytest.mark.parametrize("started", [None, "soon", 5, "2026-01-05T23:00:00Z", "0001-01-01T00:00:00"])
def test_no_duration(started: object) -> None:
    """A call whose start is unknown or after its end has no length."""
    report = message("end-of-call-report", durationSeconds=None, durationMs=None, startedAt=started)
    assert tally(report).values("voice_call_duration_seconds") == []


def test_costs_of_the_list() -> None:
    """The list of costs gives each component's dollars to the provider that it names, once."""
    report = message("end-of-call-report")
    assert costs(tally(report, report)) == {
        ("telephony", "twilio"): 0.0028,
        ("stt", "deepgram"): 0.002,
        ("llm", "openai"): 0.0006,
        ("tts", "eleven-labs"): 0.0031,
        ("platform", "vapi"): 0.01,
        ("analysis", "anthropic"): 0.0005,
        ("other", "openai"): 0.0003,
        ("other", "gemini"): 0.0002,
    }


def test_costs_of_the_breakdown() -> None:
    """Without a list the breakdown counts, for the assistant's own providers."""
    assert costs(tally(BREAKDOWN)) == {
        ("telephony", "twilio"): 0.0028,
        ("stt", "deepgram"): 0.002,
        ("llm", "openai"): 0.0006,
        ("tts", "eleven-labs"): 0.0031,
        ("platform", "vapi"): 0.01,
        ("analysis", "unknown"): 0.0005,
    }


@pytest.mark.parametrize("where", ["message", "call"])
def test_costs_stand_at_the_message_or_the_call(where: str) -> None:
    """What the message does not state is taken from its call."""
    report = message("end-of-call-report")
    if where == "call":
        for field in ("cost", "costs", "costBreakdown"):
            report["message"]["call"][field] = report["message"].pop(field)
    counted = tally(report)
    assert counted.total("voice_call_cost_dollars_total") == pytest.approx(TOTAL)
    assert counted.values("voice_cost_per_call_dollars") == [TOTAL]


@pytest.mark.parametrize(
    ("fields", "total"),
    [
        ({}, TOTAL),
        ({"cost": None, "costBreakdown": {"total": 0.5}}, 0.5),
        ({"cost": None, "costBreakdown": None}, TOTAL),
        ({"cost": -1.0}, TOTAL),
    ],
)
def test_total_cost(fields: Body, total: float) -> None:
    """The call's cost is the stated one, else the breakdown's total, else the sum of the list."""
    assert tally(message("end-of-call-report", **fields)).values("voice_cost_per_call_dollars") == [total]


def test_length_between_two_times_is_exact() -> None:
    """A difference in floating point has 50.832000017 seconds."""
    times = {"startedAt": "2026-01-05T09:09:30.000Z", "endedAt": "2026-01-05T09:10:20.832Z"}
    report = message("end-of-call-report", durationSeconds=None, durationMs=None, **times)
    assert tally(report).values("voice_call_duration_seconds") == [50.832]


def test_money_that_the_schema_does_not_name() -> None:
    """Costs on the wire beside the published ones, and what the total has beyond all of them, are other."""
    breakdown = BREAKDOWN["message"]["costBreakdown"]
    for fields, dollars in (
        ({"voicemailDetectionCost": 0.0142, "knowledgeBaseCost": 0.001}, 0.0152),
        ({"total": 0.5, "chat": 0.1}, 0.5 - 0.019),
        ({"total": 0.0193}, 0.0),
    ):
        report = message("end-of-call-report", cost=None, costs=None, costBreakdown={**breakdown, **fields})
        counted = tally(report, report)
        assert counted.total("voice_call_cost_dollars_total", component="other") == pytest.approx(dollars)


def test_snapshot_that_costs_nothing_is_no_measurement() -> None:
    """A preliminary report has the call as it was created; the final one's total counts, and a free call has none."""
    created = {"id": "c-1", "assistantId": "a1", "cost": 0, "status": "ringing"}
    early = {"message": {"type": "end-of-call-report", "endedReason": "customer-ended-call", "call": created}}
    final = {"message": {**early["message"], "cost": 0.0394, "durationSeconds": 25.276}}
    assert tally(early).values("voice_cost_per_call_dollars") == []
    assert tally(early, final).values("voice_cost_per_call_dollars") == [0.0394]
    assert tally(early, final).values("voice_call_duration_seconds") == [25.276]


def test_turn_without_speech_has_no_latency_of_it() -> None:
    """A turn that only called a tool has 0 for its voice; an endpointing of 0 is a measurement."""
    turns = [{"modelLatency": 400, "voiceLatency": 0, "endpointingLatency": 0, "turnLatency": 900}]
    metrics = {"turnLatencies": turns, "numUserInterrupted": 0, "numAssistantInterrupted": 0}
    counted = tally(message("end-of-call-report", artifact={"performanceMetrics": metrics}))
    assert counted.values("voice_tts_generation_seconds") == []
    assert counted.values("voice_turn_detection_seconds") == [0.0]
    assert counted.values("voice_response_seconds") == [0.9]


def test_report_of_no_interruption_shuts_out_none() -> None:
    """An interruption that is told of later, by a live event, counts beside a report that had none."""
    metrics = {"performanceMetrics": {"numAssistantInterrupted": 0}}
    report = message("end-of-call-report", artifact=metrics)
    counted = tally(report, message("user-interrupted"))
    assert counted.total("voice_interruptions_total", interrupted="assistant") == 1


def test_usage() -> None:
    """Tokens count by provider and model, cached ones apart, characters and minutes of speech as they are."""
    for report, stt in ((message("end-of-call-report"), 12.0), (BREAKDOWN, 0.0)):
        counted = tally(report, report)
        labels = {"provider": "openai", "model": "gpt-4.1-mini"}
        for kind, count in {"input": 800, "cached": 400, "output": 60}.items():
            assert counted.total("voice_llm_tokens_total", kind=kind, **labels) == count
        assert counted.total("voice_llm_tokens_total") == 1260
        assert counted.total("voice_tts_characters_total") == 62
        assert counted.total("voice_stt_audio_seconds_total", provider="deepgram") == stt


def test_costs_of_a_squad() -> None:
    """Several entries of one type are several services of one call."""
    models = [
        {"type": "model", "model": {"provider": name}, "promptTokens": 10, "completionTokens": 1, "cost": 0.25}
        for name in ("openai", "groq", "openai")
    ]
    counted = tally(message("end-of-call-report", costs=models))
    assert costs(counted) == {("llm", "openai"): 0.5, ("llm", "groq"): 0.25}
    assert counted.total("voice_llm_tokens_total", provider="openai", kind="input") == 20


def test_latencies_of_each_turn() -> None:
    """Each turn is an observation of each stage that it has, and the averages are none on top."""
    report = message("end-of-call-report")
    counted = tally(report, report)
    assert counted.values("voice_response_seconds") == [1.1, 1.2]
    assert counted.values("voice_llm_response_seconds", provider="openai", model="gpt-4.1-mini") == [0.54, 0.61]
    assert counted.values("voice_tts_generation_seconds", provider="eleven-labs", cached="false") == [0.19, 0.21]
    assert counted.values("voice_stt_latency_seconds", provider="deepgram") == [0.12]
    assert counted.values("voice_turn_detection_seconds") == [0.3, 0.33]
    requests = {key[2]: count for key, count in counted.series("voice_service_requests_total").items()}
    assert requests == {"llm": 2, "tts": 2, "stt": 1}


def test_latency_and_confidence_of_transcription() -> None:
    """The messages' confidence and the report's latency are two measurements: neither hides the other."""
    conversation, report = message("conversation-update"), message("end-of-call-report")
    for order in ((conversation, report), (report, conversation)):
        counted = tally(*order)
        assert counted.values("voice_stt_confidence_ratio") == [0.8, 0.95]
        assert counted.values("voice_stt_latency_seconds") == [0.12]


def test_latencies_without_the_artifact() -> None:
    """Performance metrics count at the message, too."""
    report = message("end-of-call-report")
    report["message"]["performanceMetrics"] = report["message"]["artifact"].pop("performanceMetrics")
    assert tally(report).values("voice_response_seconds") == [1.1, 1.2]


def test_averages_alone_are_no_measurement() -> None:
    """A report that has only averages observes nothing."""
    metrics = {"turnLatencyAverage": 1200, "modelLatencyAverage": 500, "turnLatencies": []}
    counted = tally(message("end-of-call-report", artifact={"performanceMetrics": metrics}))
    assert not any(name.endswith("_response_seconds") for name, _ in counted.observed)


def test_impossible_latencies() -> None:
    """A negative wait is left out and reported; transcription done before the end of speech was no wait."""
    turns = [{"turnLatency": -5, "transcriberLatency": -40, "modelLatency": "fast"}, {"turnLatency": 1e12}]
    report = message("end-of-call-report", artifact={"performanceMetrics": {"turnLatencies": turns}})
    counted = tally(report)
    assert counted.values("voice_response_seconds") == []
    assert counted.values("voice_stt_latency_seconds") == [0.0]
    rejected = {key[1:] for key in counted.series("voice_exporter_rejected_values_total")}
    assert rejected == {("turn_latency", "negative"), ("turn_latency", "too_large"), ("model_latency", "type")}


@pytest.mark.parametrize(
    ("stated", "evaluation"),
    [
        (True, "pass"),
        ("true", "pass"),
        ("Pass", "pass"),
        (False, "fail"),
        ("false", "fail"),
        ("failed", "fail"),
        ("Excellent", "Excellent"),
        ("good", "Good"),
        (" Fair ", "Fair"),
        ("POOR", "Poor"),
        (7, "7"),
        (7.0, "7"),
        (" 10 ", "10"),
        ("1", "1"),
        (0, "other"),
        ("11", "other"),
        (7.5, "other"),
        ("85%", "other"),
        ("Strongly Agree", "other"),
        ({"checklist": ["polite"]}, "other"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_evaluation(stated: object, evaluation: str) -> None:
    """Passing rubrics, the descriptive and the numeric scale have names, any other rubric is other, none is none."""
    report = message("end-of-call-report", analysis={"successEvaluation": stated})
    assert tally(report, report).series("voice_call_evaluations_total") == {
        ("vapi", "a1b2c3d4-0000-4000-8000-000000000001", evaluation): 1
    }


def test_second_report_counts_what_the_first_lacked() -> None:
    """After a preliminary report the final one adds the rest: all totals are those of the final one alone."""
    first, final = message("end-of-call-report-preliminary"), message("end-of-call-report")
    both, alone = tally(first, final, first, final), tally(final)
    names = ("voice_call_cost_dollars_total", "voice_llm_tokens_total", "voice_tts_characters_total")
    for name in (*names, "voice_calls_ended_total", "voice_call_evaluations_total", "voice_interruptions_total"):
        assert both.total(name) == alone.total(name)
    for name in ("voice_response_seconds", "voice_llm_response_seconds", "voice_call_duration_seconds"):
        assert both.values(name) == alone.values(name)
    assert both.values("voice_cost_per_call_dollars") == [TOTAL]
    assert both.total("voice_call_evaluations_total", evaluation="pass") == 1


def test_evaluation_that_only_the_second_report_has() -> None:
    """A grade counts beside the none of another report, whichever comes first."""
    without, graded = message("end-of-call-report", analysis={}), message("end-of-call-report")
    assert tally(without, graded, without).total("voice_call_evaluations_total", evaluation="pass") == 1
    assert tally(graded, without).series("voice_call_evaluations_total") == tally(without, graded).series(
        "voice_call_evaluations_total"
    )


def test_smallest_report() -> None:
    """A report that has nothing but what the schema requires ends the call."""
    required = {"type": "end-of-call-report", "endedReason": "voicemail", "artifact": {}, "analysis": {}}
    counted = tally({"message": {**required, "call": {"id": "c1", "assistantId": "a1"}}})
    assert counted.total("voice_calls_ended_total", assistant_id="a1", outcome="unreached", reason="voicemail") == 1
    assert counted.total("voice_calls_started_total") == 1
    assert counted.total("voice_calls_active") == 0


def test_missed_events() -> None:
    """What the report shows to have happened and no event brought is counted as missed."""
    counted = tally(message("end-of-call-report"))
    assert counted.total("voice_exporter_missed_events_total", event="conversation-update") == 8
    assert counted.total("voice_exporter_missed_events_total", event="status-update") == 1
    complete = tally(message("status-update-ended"), message("conversation-update"), message("end-of-call-report"))
    assert complete.total("voice_exporter_missed_events_total") == 0
