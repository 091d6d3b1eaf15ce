"""Calls from start to end, and what is remembered of assistants."""

from copy import deepcopy
from itertools import permutations
from typing import Any

import pytest

from exporter.config import Calls, Config, Labels
from exporter.recording.calls_in_memory import Draft
from tests.calls.tally import Tally, payload

PA = ("interactly", "64ab00000000000000000001")


def finished(**call: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """A final status with other values in its call."""
    body = payload("status-update-finished")
    body["message"]["call"].update(call)
    return body


def test_call_from_start_to_end() -> None:
    """A call starts and ends once, is active between, and reaches each status once."""
    tally = Tally()
    tally.deliver(payload("status-update-queued"), payload("status-update-ongoing"), payload("status-update-ongoing"))
    assert tally.series("voice_calls_started_total") == {PA: 1}
    assert tally.series("voice_calls_active") == {PA: 1}
    tally.deliver(finished(), payload("end-of-call-report"), finished())
    assert tally.series("voice_calls_active") == {PA: 0}
    assert tally.series("voice_calls_ended_total") == {
        (*PA, "web", "inbound", "ok", "assistant", "assistant_ended", "none"): 1
    }
    assert {key[2] for key in tally.series("voice_call_status_updates_total")} == {"queued", "ongoing", "finished"}
    assert tally.values("voice_call_duration_seconds") == [41.683]


def test_start_waits_for_the_assistant() -> None:
    """A call is counted as started when its assistant is known, at the latest when it ends."""
    tally = Tally()
    tally.deliver(payload("status-update-ongoing"))
    assert tally.total("voice_calls_started_total") == 0
    tally.deliver(payload("status-update-queued"))
    assert tally.series("voice_calls_started_total") == {PA: 1}
    alone = Tally()
    alone.deliver(finished())
    assert alone.series("voice_calls_started_total") == {("interactly", "unknown"): 1}
    assert alone.series("voice_calls_active") == {("interactly", "unknown"): 0}


def test_every_order_of_a_call_ends_it_once() -> None:
    """Whatever the order of status, hang and report, totals are the same."""
    names = ["status-update-queued", "hang", "status-update-finished", "end-of-call-report"]
    for order in permutations(names):
        tally = Tally()
        tally.deliver(*map(payload, order))
        assert tally.total("voice_calls_started_total") == 1
        assert tally.total("voice_calls_ended_total") == 1
        assert tally.total("voice_calls_active") == 0
        assert len(tally.values("voice_call_duration_seconds")) == 1


@pytest.mark.parametrize(
    ("call", "outcome", "ended_by", "reason"),
    [
        ({"callEndTriggerBy": "bot"}, "ok", "assistant", "assistant_ended"),
        ({"callEndTriggerBy": "assistant"}, "ok", "assistant", "assistant_ended"),
        ({"callEndTriggerBy": "user"}, "ok", "customer", "customer_ended"),
        ({"callEndTriggerBy": "system"}, "unknown", "system", "system_ended"),
        ({"callEndTriggerBy": ""}, "unknown", "unknown", "unknown"),
        ({"callEndTriggerBy": "", "phoneCallStatus": "busy"}, "unreached", "unknown", "busy"),
        ({"callEndTriggerBy": "", "phoneCallStatus": "no-answer"}, "unreached", "unknown", "no_answer"),
        ({"callEndTriggerBy": "", "phoneCallStatus": "failed"}, "error", "unknown", "failed"),
        ({"callEndTriggerBy": "", "status": "failed"}, "error", "unknown", "failed"),
        ({"callEndTriggerBy": "", "status": "queued", "phoneCallStatus": "failed"}, "error", "unknown", "failed"),
    ],
)
def test_how_a_call_ended(call: dict[str, str], outcome: str, ended_by: str, reason: str) -> None:
    """Finished is not success: who ended the call, or that it was never connected, decides."""
    tally = Tally()
    tally.deliver(finished(**call))
    labels = {"outcome": outcome, "ended_by": ended_by, "reason": reason}
    assert tally.total("voice_calls_ended_total", **labels) == 1


def test_forwarded_is_not_the_end() -> None:
    """A forwarded call goes on until it is finished."""
    tally = Tally()
    tally.deliver(payload("status-update-queued"), finished(status="forwarded", phoneCallStatus="in-progress"))
    assert tally.total("voice_calls_ended_total") == 0
    assert tally.total("voice_calls_active") == 1


def test_unknown_status() -> None:
    """A status that is not in the list counts as other."""
    tally = Tally()
    tally.deliver(finished(status="Ada's private words", phoneCallStatus=""))
    assert tally.total("voice_call_status_updates_total", status="other") == 1


def test_configuration_is_remembered_by_assistant() -> None:
    """Provider, model and vendors of a full payload label the measurements of those that are cut down."""
    cut = payload("conversation-update")
    cut["message"]["assistant"] = {"_id": PA[1], "name": "Harbor Dental - main"}
    cut["message"]["call"]["id"] = "WC-another"
    tally = Tally()
    tally.deliver(payload("status-update-queued"), cut)
    assert tally.values("voice_llm_response_seconds", provider="gemini", model="gemini-3-flash-preview") == [2.557]
    assert len(tally.values("voice_stt_confidence_ratio", provider="deepgram")) == 3
    remembered = tally.memory.assistants[PA]
    assert remembered.tts_provider == "eleven-labs"
    assert remembered.subscribed == ("conversation-update", "end-of-call-report", "status-update")


def test_late_event_does_not_turn_back_the_configuration() -> None:
    """What is known of an assistant follows the events' own time."""
    newer = payload("hang")
    newer["message"]["assistant"]["assistantModel"] = "newer-model"
    tally = Tally()
    tally.deliver(newer, payload("status-update-queued"))
    assert tally.memory.assistants[PA].llm_model == "newer-model"
    assert tally.memory.assistants[PA].stt_provider == "deepgram"


def test_event_counters_exist_at_zero() -> None:
    """When an assistant is first counted, its event counters exist, and each hour family has all 24 hours."""
    tally = Tally()
    tally.deliver(payload("status-update-queued"))
    assert tally.series("voice_hung_calls_total") == {PA: 0}
    assert tally.series("voice_hangs_total") == {(*PA, "gemini", "gemini-3-flash-preview"): 0}
    assert {key[3] for key in tally.series("voice_hang_outcomes_total")} == {
        "recovered",
        "error",
        "abandoned",
        "ended",
        "unknown",
    }
    causes = {(key[2], key[3], key[4]) for key in tally.series("voice_error_escalations_total")}
    assert ("llm", "gemini", "not_retryable") in causes
    assert ("stt", "deepgram", "retries_exhausted") in causes
    assert len(tally.series("voice_hangs_by_hour_total")) == 24
    assert len(tally.series("voice_errors_by_hour_total")) == 48
    assert not tally.observed
    assert tally.total("voice_errors_total") == 0


def test_assistants_folded_together() -> None:
    """With labels.assistant_id off, every assistant counts under one label value."""
    tally = Tally(Config(labels=Labels(assistant_id=False)))
    tally.deliver(payload("hang"))
    assert tally.total("voice_hangs_total", assistant_id="all") == 1


def test_silent_call_expires() -> None:
    """A call silent for the idle timeout expires: its hang ends unknown, its end stays open for a late report."""
    tally = Tally(Config(calls=Calls(idle_timeout=60.0)))
    tally.deliver(payload("hang"), now=1000.0)
    draft = Draft(tally.memory)
    assert list(draft.tidy(1059.0, 10)) == []
    for increments in draft.tidy(1061.0, 10):
        tally.add(increments)
    draft.adopt()
    assert tally.total("voice_calls_active") == 0
    assert tally.total("voice_exporter_calls_expired_total") == 1
    assert tally.total("voice_hang_outcomes_total", outcome="unknown") == 1
    assert tally.total("voice_calls_ended_total") == 0
    tally.deliver(payload("end-of-call-report"), now=1100.0)
    assert tally.total("voice_calls_ended_total") == 1
    assert tally.total("voice_calls_active") == 0


def test_ended_call_is_forgotten_after_retention() -> None:
    """An ended call is remembered for the retention, then dropped."""
    tally = Tally(Config(calls=Calls(retention=60.0)))
    tally.deliver(finished(), now=1000.0)
    for now, left in ((1059.0, 1), (1061.0, 0)):
        draft = Draft(tally.memory)
        list(draft.tidy(now, 10))
        draft.adopt()
        assert len(tally.memory) == left


def test_tracked_calls_are_bounded() -> None:
    """Beyond the limit the least recently active calls go first, ended ones before open ones."""
    tally = Tally(Config(calls=Calls(max_tracked=2)))
    for number in range(4):
        body = deepcopy(payload("hang"))
        body["message"]["call"]["id"] = f"WC-{number}"
        tally.deliver(body, now=1000.0 + number)
    for _ in range(2):
        draft = Draft(tally.memory)
        for increments in draft.tidy(1010.0, 10):
            tally.add(increments)
        draft.adopt()
    assert len(tally.memory) == 2
    assert tally.total("voice_exporter_calls_expired_total") == 2
