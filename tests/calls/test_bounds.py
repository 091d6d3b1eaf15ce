"""What is remembered of calls is bounded, whoever sends how much of it."""

import json
from typing import Any

from exporter.calls.state import MAX_SEEN
from exporter.config import Calls, Config
from exporter.metrics.catalogue import CALLS_TRACKED
from exporter.platforms import PLATFORMS
from exporter.recording.calls_in_memory import Draft
from exporter.recording.recorder import Recorder
from exporter.store.memory import MemoryStore
from tests.calls.tally import Tally

NOW = 1_700_000_000_000
BATCH = 5_000


def update(call: str, first: int, count: int) -> dict[str, Any]:
    """A conversation-update whose messages have the ids from ``first`` on."""
    messages = [{"messageId": f"m{number}", "role": "user", "timestamp": NOW} for number in range(first, first + count)]
    return {"message": {"type": "conversation-update", "call": {"id": call, "assistantId": "a"}, "messages": messages}}


def status(call: str) -> bytes:
    """The first event of a call."""
    message = {"type": "status-update", "call": {"id": call, "assistantId": "a", "status": "initiated"}}
    return json.dumps({"message": message}).encode()


def tidy(tally: Tally) -> None:
    """One round of the timer."""
    draft = Draft(tally.memory)
    for increments in draft.tidy(2.0, 100):
        tally.add(increments)
    draft.adopt()


def test_a_call_that_never_ceases_is_left_out() -> None:
    """Beyond any conversation's length nothing new counts but that it was left out; the call's end still does."""
    tally = Tally()
    for first in range(0, MAX_SEEN + BATCH, BATCH):
        tally.deliver(update("endless", first, BATCH))
    tally.deliver({"message": {"type": "hang", "timestamp": NOW, "call": {"id": "endless"}}})

    assert tally.total("voice_messages_total") == MAX_SEEN
    assert tally.total("voice_hangs_total") == 0
    assert tally.total("voice_exporter_rejected_values_total", field="messages", reason="too_large") == 1
    assert tally.total("voice_exporter_rejected_values_total", field="hang", reason="too_large") == 1

    tally.deliver({"message": {"type": "status-update", "call": {"id": "endless", "status": "finished"}}})
    assert tally.total("voice_calls_ended_total") == 1


def test_a_large_call_takes_the_place_of_many() -> None:
    """What all calls remember is bounded, not only how many they are."""
    tally = Tally(Config(calls=Calls(max_tracked=40)))
    for number in range(5):
        tally.deliver(update(f"small-{number}", 0, 10))
    tally.deliver(update("large", 0, 3_590))
    assert tally.memory.size == 5 + 36

    tidy(tally)
    tidy(tally)

    assert len(tally.memory) == 5
    assert tally.memory.size == 4 + 36


def test_what_was_forgotten_takes_no_place() -> None:
    """The places add up to zero once every call is gone."""
    tally = Tally(Config(calls=Calls(retention=0.5, idle_timeout=0.5)))
    tally.deliver(update("one", 0, 500), update("two", 0, 10), update("one", 500, 10))
    assert tally.memory.size == 6 + 1

    tidy(tally)
    tidy(tally)

    assert (len(tally.memory), tally.memory.size) == (0, 0)


async def test_the_timer_keeps_up_with_any_rate() -> None:
    """However many calls came since the last round, afterwards there are no more than allowed."""
    recorder = Recorder(Config(calls=Calls(max_tracked=50)), MemoryStore(), clock=lambda: 1.0)
    recorder.load()
    await recorder.start()
    try:
        for number in range(2_500):
            await recorder.record(PLATFORMS["interactly"].parse(status(f"call-{number}")))
        await recorder.tidy()
        # Those that expired are remembered until the next round, in case their report comes late.
        await recorder.tidy()

        assert (CALLS_TRACKED, [((), 50)]) in recorder.derived()
    finally:
        await recorder.stop()
