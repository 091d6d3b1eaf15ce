from datetime import datetime
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from exporter.simulate import SCENARIOS
from tests.simulate.reading import Message, conversation, interactly_calls, of_type, report
from tests.support.effort import effort

SEEDS = st.integers(0, 2**32)
SCENARIO = st.sampled_from(sorted(SCENARIOS))
bounded = effort(10)


def ms(written: str) -> int:
    """Unix milliseconds of an ISO time."""
    return round(datetime.fromisoformat(written).timestamp() * 1000)


def talks(seed: int, scenario: str = "normal") -> list[list[Message]]:
    """Calls in which somebody talked."""
    return [call for call in interactly_calls(seed, 6, scenario) if conversation(call)]


def stats(call: list[Message]) -> Message:
    """The report's callStats."""
    found: Message = report(call)["call"]["metrics"]["callStats"]
    return found


def of_role(call: list[Message], role: str) -> list[Message]:
    """The conversation's messages of a role, the welcome included."""
    return [message for message in conversation(call) if message["role"] == role]


def answers(call: list[Message]) -> list[tuple[Message, Message]]:
    """Each answered message of the caller with the first part of its reply."""
    pairs = pairwise(conversation(call))
    return [(first, second) for first, second in pairs if (first["role"], second["role"]) == ("user", "assistant")]


def waited(user: Message, reply: Message) -> int:
    """End of the caller's speech to the reply, in milliseconds."""
    asked, answered = (message["metrics"]["timeline"]["totalElapsedTimeMs"] for message in (user, reply))
    elapsed: int = answered - asked
    return elapsed


@bounded
@given(SEEDS, SCENARIO)
def test_a_call_begins_queued_and_ends_with_its_report(seed: int, scenario: str) -> None:
    """Statuses come in the documented order; the report is the last event."""
    for call in interactly_calls(seed, 6, scenario):
        statuses = [message["call"]["status"] for message in of_type(call, "status-update")]
        documented = ["initiated", "queued", "ongoing", "forwarded", "finished"]
        assert statuses == [status for status in documented if status in statuses]
        assert {"queued", "finished"} <= set(statuses)
        assert call[-1]["type"] == "end-of-call-report"


@bounded
@given(SEEDS)
def test_each_update_adds_one_message_to_an_unchanged_history(seed: int) -> None:
    """A conversation update repeats the bytes of all earlier messages and adds one."""
    for call in talks(seed):
        updates = [update["messages"] for update in of_type(call, "conversation-update")]
        assert [len(messages) for messages in updates] == list(range(1, len(updates) + 1))
        for before, after in pairwise(updates):
            assert json.encode(after[:-1]) == json.encode(before)


@bounded
@given(SEEDS, SCENARIO)
def test_the_stages_of_a_reply_make_up_the_response_time(seed: int, scenario: str) -> None:
    """End of speech to reply is detection, LLM queue, LLM, TTS queue and TTS, to the millisecond."""
    for call in talks(seed, scenario):
        for user, reply in answers(call):
            asked, given_ = user["metrics"], reply["metrics"]
            stages = (
                asked["interactlyEOU"]["turnDetectionTimeMs"],
                asked["interactlyEOU"]["queueLatencyMs"],
                given_["llm"]["queueLatencyMs"],
                given_["llm"]["responseLatencyMs"],
                given_["tts"]["queueLatencyMs"],
                given_["tts"]["generationTimeMs"],
            )
            elapsed = given_["timeline"]["totalElapsedTimeMs"] - asked["timeline"]["totalElapsedTimeMs"]
            assert sum(stages) == elapsed
            assert reply["messageId"].startswith(f"{user['messageId']}-")


@bounded
@given(SEEDS)
def test_timestamps_and_elapsed_times_are_the_same_clock(seed: int) -> None:
    """A reply's timestamp and a caller's end of speech lie as far apart as their elapsed times."""
    for call in talks(seed):
        welcome = conversation(call)[0]
        base = welcome["timestamp"] - welcome["metrics"]["timeline"]["totalElapsedTimeMs"]
        for message in conversation(call):
            elapsed = message["metrics"]["timeline"]["totalElapsedTimeMs"]
            heard = message["metrics"].get("stt", {}).get("timestampMs", message["timestamp"])
            assert heard - base == elapsed


@bounded
@given(SEEDS, SCENARIO)
def test_speech_statistics_are_sums_of_the_messages(seed: int, scenario: str) -> None:
    """TTS and STT totals of the report are those of the conversation."""
    for call in talks(seed, scenario):
        spoken = [message["metrics"]["tts"] for message in of_role(call, "assistant")]
        tts, stt = stats(call)["ttsStats"], stats(call)["sttStats"]
        heard = [message["metrics"]["stt"] for message in of_role(call, "user")]
        assert tts["totalRequests"] == len(spoken) == tts["apiRequests"] + tts["cacheRequests"]
        assert tts["latencyTotal"] == sum(part["generationTimeMs"] for part in spoken)
        assert tts["cacheLatencyTotal"] == sum(part["generationTimeMs"] for part in spoken if part["isCachePlaying"])
        assert sum(tts["responseTimeDistribution"].values()) == len(spoken)
        assert stt["responseCount"] == len(heard) == sum(stt["confidenceDistribution"].values())
        assert stt["confidenceAvg"] * len(heard) == pytest.approx(sum(each["confidence"] for each in heard))
        assert stt["responseLatencyTotal"] == sum(each["relativeLatencyMs"] for each in heard)


@bounded
@given(SEEDS, SCENARIO)
def test_reply_statistics_are_sums_of_the_messages(seed: int, scenario: str) -> None:
    """LLM totals, turns and response times of the report are those of the conversation."""
    for call in talks(seed, scenario):
        llm, turns = stats(call)["llmStats"], stats(call)["turns"]
        latencies = [reply["metrics"]["llm"]["responseLatencyMs"] for _, reply in answers(call)]
        assert llm["responseCount"] == len(latencies) == sum(llm["responseTimeDistribution"].values())
        assert llm["responseLatencyTotal"] == sum(latencies)
        assert turns["user"] == len(of_role(call, "user"))
        assert turns["bot"] == len(of_role(call, "assistant"))
        skipped = [message["skippedAssistantMessages"] for message in of_role(call, "user")]
        assert turns["skipped"] >= sum(map(len, skipped))
        assert len(stats(call)["turnsStats"]["botResponseTime"]) == len(latencies)


@bounded
@given(SEEDS, SCENARIO)
def test_costs_and_durations_add_up(seed: int, scenario: str) -> None:
    """The total is the sum of its parts, the duration the time between start and end."""
    for call in talks(seed, scenario):
        ended, cost = report(call)["call"], report(call)["call"]["cost"]
        parts = ("interactlyCost", "phoneCost", "ttsVendorCost", "sttVendorCost", "llmVendorCost")
        assert cost["totalCost"] == pytest.approx(sum(cost[part] for part in parts))
        assert cost["callDuration"] * 1000 == pytest.approx(ms(ended["endAt"]) - ms(ended["startAt"]))
        assert ended["assistantCallDuration"] == pytest.approx(cost["callDuration"] * 1000, abs=10)
        generated = [m["text"] for m in of_role(call, "assistant") if not m["metrics"]["tts"]["isCachePlaying"]]
        assert cost["ttsGenCharsTotal"] == sum(map(len, generated))
        assert ms(ended["endAt"]) >= conversation(call)[-1]["timestamp"]


@bounded
@given(SEEDS, SCENARIO)
def test_the_report_knows_of_each_error_event(seed: int, scenario: str) -> None:
    """Errors in the report are as many as error events came, by component."""
    for call in talks(seed, scenario):
        errors = [message["error"]["type"] for message in of_type(call, "error")]
        assert stats(call)["llmStats"]["errors"] == errors.count("llm_error")
        assert stats(call)["sttStats"]["errors"] == errors.count("stt_error")


@bounded
@given(SEEDS, SCENARIO)
def test_a_hang_means_that_no_reply_came_for_five_seconds(seed: int, scenario: str) -> None:
    """At a hang the last word is the caller's, five seconds old; a later reply took longer than that."""
    for call in talks(seed, scenario):
        for hang in of_type(call, "hang"):
            last = hang["messages"][-1]
            assert last["role"] == "user"
            assert 5000 <= hang["timestamp"] - last["metrics"]["stt"]["timestampMs"] < 5100
            assert hang["call"]["assistantCallDuration"] > 5000
        slow = [reply for user, reply in answers(call) if waited(user, reply) > 5050]
        hung = {hang["messages"][-1]["messageId"] for hang in of_type(call, "hang")}
        assert {"-".join(reply["messageId"].split("-")[:2]) for reply in slow} <= hung
        assert all(waited(user, reply) > 5000 for user, reply in answers(call) if user["messageId"] in hung)


def test_the_awkward_values_of_real_payloads_occur() -> None:
    """Negative latencies and packet counts, split replies, barge-ins and unanswered calls are all there."""
    calls = interactly_calls(1, 150)
    heard = [message for call in calls for message in conversation(call) if message["role"] == "user"]
    assert any(message["metrics"]["stt"]["relativeLatencyMs"] < 0 for message in heard)
    assert any(message["metrics"]["audio"]["delayedPacketsPerTurnCount"] < 0 for message in heard)
    assert any(message["skippedAssistantMessages"] for message in heard)
    assert any(first["role"] == second["role"] for call in calls for first, second in pairwise(conversation(call)))
    assert any(report(call)["call"]["cost"] is None for call in calls)
    assert any("forwarded" in {message["call"].get("status") for message in call} for call in calls)


def test_skipped_texts_were_never_spoken() -> None:
    """What a caller's message lists as skipped is not among the messages of the reply it cut off."""
    cuts = 0
    for call in interactly_calls(2, 150):
        for index, message in enumerate(conversation(call)):
            skipped = {item["text"] for item in message.get("skippedAssistantMessages", ())}
            if skipped:
                cuts += 1
                turn = "-".join(conversation(call)[index - 1]["messageId"].split("-")[:2])
                spoken = {each["text"] for each in conversation(call) if each["messageId"].startswith(f"{turn}-")}
                assert spoken
                assert not skipped & spoken
    assert cuts


def test_the_welcome_is_cached_speech_without_an_llm() -> None:
    """The first message is the welcome: no LLM latency, speech from the cache."""
    for call in talks(3):
        welcome = conversation(call)[0]
        assert welcome["messageId"] == "welcome-1"
        assert welcome["metrics"]["llm"] == {}
        assert welcome["metrics"]["tts"]["isCachePlaying"]


def test_queued_shows_the_assistant_in_full_and_later_events_less() -> None:
    """Subscriptions and vendors ride with `queued` alone; the report names the assistant and no more."""
    (call,) = interactly_calls(1, 1)
    (queued,) = [message for message in call if message["call"]["status"] == "queued"]
    subscribed = queued["assistant"]["assistantServer"]["messages"]
    assert set(subscribed) == {"conversation-update", "status-update", "end-of-call-report", "hang", "error"}
    assert queued["assistant"]["config"]["speech"]["stt"]["vendor"]
    assert queued["assistant"]["config"]["speech"]["ttsData"][0]["default"]
    assert set(report(call)["assistant"]) == {"_id", "name"}


def test_faster_talk_leaves_the_services_as_slow_as_they_are() -> None:
    """Ten times faster, calls last a fraction, while detection, LLM and TTS take as long as before."""
    usual, fast = (interactly_calls(4, 80, turns=6, time_scale=scale) for scale in (1.0, 10.0))
    durations = [median(report(call)["call"]["cost"]["callDuration"] for call in calls) for calls in (usual, fast)]
    waits = [median(waited(*pair) for call in calls for pair in answers(call)) for calls in (usual, fast)]
    assert durations[1] < durations[0] / 2
    assert waits[1] == pytest.approx(waits[0], rel=0.15)
