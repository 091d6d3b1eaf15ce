from datetime import datetime
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert, json

from exporter.simulate import SCENARIOS
from tests.simulate.reading import Message, conversation, of_type, report, vapi_calls
from tests.simulate.vapi_schemas import SAID
from tests.simulate.vapi_schemas import Message as Schema
from tests.support.effort import effort

SEEDS = st.integers(0, 2**32)
SCENARIO = st.sampled_from(sorted(SCENARIOS))
bounded = effort(10)


def ms(written: str) -> int:
    """Unix milliseconds of an ISO time."""
    return round(datetime.fromisoformat(written).timestamp() * 1000)


def latencies(call: list[Message]) -> list[dict[str, int]]:
    """The report's turnLatencies."""
    found: list[dict[str, int]] = report(call)["artifact"].get("performanceMetrics", {}).get("turnLatencies", [])
    return found


def speech(call: list[Message], role: str, status: str) -> dict[int, int]:
    """When the role first started, or stopped, in each turn."""
    times: dict[int, int] = {}
    for message in of_type(call, "speech-update"):
        if (message["role"], message["status"]) == (role, status):
            times.setdefault(message["turn"], message["timestamp"])
    return times


@bounded
@given(SEEDS, SCENARIO)
def test_bodies_have_the_published_shapes(seed: int, scenario: str) -> None:
    """Each message and each part of its conversation converts strictly to Vapi's schema."""
    for call in vapi_calls(seed, 4, scenario):
        for message in call:
            convert(message, Schema)
        for said in conversation(call):
            convert(said, SAID[said["role"]])


def test_every_type_that_a_call_sends_occurs_and_none_needs_an_answer() -> None:
    """Simulated calls send the informational types of a call, not those that a server has to answer."""
    types = {message["type"] for call in vapi_calls(1, 150) for message in call}
    assert types == {
        "status-update",
        "speech-update",
        "conversation-update",
        "transcript",
        "hang",
        "user-interrupted",
        "transfer-update",
        "end-of-call-report",
    }


@bounded
@given(SEEDS, SCENARIO)
def test_a_call_runs_from_queued_to_ended(seed: int, scenario: str) -> None:
    """Statuses come in order, and the report gives the reason that the last one gave."""
    for call in vapi_calls(seed, 6, scenario):
        updates = of_type(call, "status-update")
        statuses = [update["status"] for update in updates]
        known = ["queued", "ringing", "in-progress", "forwarding", "ended"]
        assert statuses == [status for status in known if status in statuses]
        assert {"queued", "ended"} <= set(statuses)
        assert updates[-1]["endedReason"] == report(call)["endedReason"] == report(call)["call"]["endedReason"]
        assert call[-1]["type"] == "end-of-call-report"


@bounded
@given(SEEDS)
def test_each_update_adds_to_an_unchanged_history(seed: int) -> None:
    """A conversation update repeats the bytes of all earlier messages, and its artifact and OpenAI form agree."""
    for call in vapi_calls(seed):
        updates = of_type(call, "conversation-update")
        for update in updates:
            assert update["artifact"]["messages"] == update["messages"]
            assert len(update["messagesOpenAIFormatted"]) == len(update["messages"])
        for before, after in pairwise(update["messages"] for update in updates):
            assert json.encode(after[:-1]) == json.encode(before)


@bounded
@given(SEEDS, SCENARIO)
def test_turn_latency_is_the_gap_between_the_speech_updates(seed: int, scenario: str) -> None:
    """The report's turns are what the live events showed, and their stages add up to them."""
    for call in vapi_calls(seed, 6, scenario):
        stopped, started = speech(call, "user", "stopped"), speech(call, "assistant", "started")
        gaps = [started[turn] - at for turn, at in stopped.items() if turn in started]
        assert [turn["turnLatency"] for turn in latencies(call)] == gaps
        for turn in latencies(call):
            assert sum(turn.values()) == 2 * turn["turnLatency"]
            assert min(turn.values()) >= 0


@bounded
@given(SEEDS)
def test_averages_are_those_of_the_turns(seed: int) -> None:
    """Each average of the report is the mean of its turns."""
    for call in vapi_calls(seed):
        performance = report(call)["artifact"].get("performanceMetrics", {})
        for stage in latencies(call)[0] if latencies(call) else ():
            mean = fmean(turn[stage] for turn in latencies(call))
            assert performance[f"{stage}Average"] == pytest.approx(mean)


@bounded
@given(SEEDS, SCENARIO)
def test_costs_and_durations_add_up(seed: int, scenario: str) -> None:
    """Cost, its list and its breakdown agree; durations are the time from start to end."""
    for call in vapi_calls(seed, 6, scenario):
        ended = report(call)
        total, split = ended["cost"], ended["costBreakdown"]
        analysis = split["analysisCostBreakdown"]
        assert total == split["total"] == pytest.approx(sum(entry["cost"] for entry in ended["costs"]))
        parts = [split[part] for part in ("transport", "stt", "llm", "tts", "vapi", "chat")]
        assert total == pytest.approx(sum(parts) + analysis["summary"] + analysis["successEvaluation"])
        assert ended["durationSeconds"] * 1000 == pytest.approx(ended["durationMs"])
        if "startedAt" in ended:
            assert ended["durationMs"] == ms(ended["endedAt"]) - ms(ended["startedAt"])


@bounded
@given(SEEDS, SCENARIO)
def test_words_are_as_certain_as_ratios_can_be(seed: int, scenario: str) -> None:
    """Each word of a caller has a confidence between 0 and 1 and its time within the message."""
    for call in vapi_calls(seed, 4, scenario):
        for said in conversation(call):
            if said["role"] != "user":
                continue
            words = said["metadata"]["wordLevelConfidence"]
            assert len(words) == len(said["message"].split())
            assert all(0 <= word["confidence"] <= 1 for word in words)
            assert words[0]["start"] == pytest.approx(said["secondsFromStart"], abs=0.001)
            assert (words[-1]["end"] - words[0]["start"]) * 1000 == pytest.approx(said["endTime"] - said["time"], abs=2)


@bounded
@given(SEEDS, SCENARIO)
def test_a_hang_means_that_nobody_spoke_for_five_seconds(seed: int, scenario: str) -> None:
    """A hang comes five seconds after the caller stopped; a turn hangs if and only if it waited longer."""
    for call in vapi_calls(seed, 6, scenario):
        stopped, started = speech(call, "user", "stopped"), speech(call, "assistant", "started")
        hangs = [hang["timestamp"] for hang in of_type(call, "hang")]
        for hang in hangs:
            last = max(at for at in stopped.values() if at < hang)
            assert 5000 <= hang - last < 5100
        late = [turn for turn, at in started.items() if turn in stopped and at - stopped[turn] > 5050]
        assert all(any(stopped[turn] < hang < started[turn] for hang in hangs) for turn in late)


def test_tool_results_follow_their_calls() -> None:
    """A tool's result comes after its call, under the same id and name."""
    pairs = 0
    for call in vapi_calls(3, 60):
        for asked, answered in pairwise(conversation(call)):
            if asked["role"] == "tool_calls":
                (tool,) = asked["toolCalls"]
                assert (answered["role"], answered["toolCallId"]) == ("tool_call_result", tool["id"])
                assert answered["name"] == tool["function"]["name"]
                assert answered["time"] > asked["time"]
                pairs += 1
    assert pairs


def test_interruptions_are_counted_in_the_report() -> None:
    """The report counts as many barge-ins as user-interrupted events came."""
    seen = 0
    for call in vapi_calls(5, 150):
        events = len(of_type(call, "user-interrupted"))
        if latencies(call):
            assert report(call)["artifact"]["performanceMetrics"]["numAssistantInterrupted"] == events
        seen += events
    assert seen


def test_some_outbound_calls_reach_nobody() -> None:
    """Busy, no answer and voicemail occur, without turns, start or cost of services."""
    missed = {"customer-busy", "customer-did-not-answer", "voicemail"}
    calls = [call for call in vapi_calls(2, 300) if report(call)["endedReason"] in missed]
    assert {report(call)["endedReason"] for call in calls} == missed
    for call in calls:
        assert not conversation(call)
        assert "startedAt" not in report(call)
        assert "in-progress" not in {update["status"] for update in of_type(call, "status-update")}


def test_rubrics_differ() -> None:
    """Success evaluations come as pass or fail, as a number and as a grade."""
    found = {report(call)["analysis"].get("successEvaluation") for call in vapi_calls(4, 150)}
    assert {"true", "false", "8", "Good"} <= found
