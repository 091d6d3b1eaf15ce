"""Fields of the wrong shape: left out and named, whatever shape they should have, and the rest counts."""

from typing import Any

import pytest

from exporter.errors import InvalidEvent
from exporter.events import Rejected
from exporter.platforms.interactly import INTERACTLY
from tests.calls.tally import Tally, payload


@pytest.mark.parametrize("wrong", [[], "text", 5, True, 1.5])
def test_a_distribution_of_the_wrong_shape_is_left_out(wrong: Any) -> None:  # noqa: ANN401 - any JSON value
    """The report's own distributions are objects; what is none costs the report nothing else."""
    body = payload("end-of-call-report")
    body["message"]["call"]["metrics"]["callStats"]["llmStats"]["responseTimeDistribution"] = wrong
    tally = Tally()

    assert tally.deliver(body) == [True]

    field = "message.call.metrics.callStats.llmStats.responseTimeDistribution"
    assert tally.total("voice_exporter_rejected_values_total", field=field, reason="type") == 1
    assert tally.total("voice_calls_ended_total") == 1


def test_a_conversation_that_can_not_be_read_is_invalid() -> None:
    """What is wrong with its messages is found when the body is parsed, and nowhere later."""
    with pytest.raises(InvalidEvent, match=r"^the body is not JSON$"):
        INTERACTLY.parse(
            b'{"message":{"type":"conversation-update","call":{"id":"1"},"messages":[{"role":"\xff","messageId":"m"}]}}'
        )


def test_a_rejected_field_is_named_by_its_place() -> None:
    """By names of ours: an object's own keys are content."""
    event = INTERACTLY.parse(b'{"message":{"type":"hang","timestamp":1,"call":{"Ada":1},"assistant":{"config":[5]}}}')
    assert event.rejected[0] == Rejected("message.assistant.config", "type")
    assert not any("Ada" in rejected.field for rejected in event.rejected)
