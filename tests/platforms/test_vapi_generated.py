"""Vapi under mangled delivery, and bodies drawn from its schemas: never an exception, never a wrong count."""

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.simulate import SCENARIOS, Traffic, generate_call
from exporter.simulate.traffic import MONDAY
from tests.calls.tally import Tally
from tests.platforms.vapi_bodies import SCHEMAS, START_MS, Writer
from tests.support.effort import effort

Body = dict[str, Any]
MESSAGES = sorted(name for name in SCHEMAS if name.startswith(("ServerMessage", "ClientMessage")))
SEEDS = st.integers(0, 2**32)
ORDER_FREE = (
    "voice_calls_started_total",
    "voice_calls_ended_total",
    "voice_calls_active",
    "voice_call_status_updates_total",
    "voice_call_cost_dollars_total",
    "voice_call_evaluations_total",
    "voice_messages_total",
    "voice_hangs_total",
    "voice_hangs_by_hour_total",
    "voice_hung_calls_total",
    "voice_hang_outcomes_total",
    "voice_errors_total",
    "voice_errors_by_hour_total",
    "voice_error_escalations_total",
    "voice_llm_tokens_total",
    "voice_tts_characters_total",
    "voice_stt_audio_seconds_total",
    "voice_transfers_total",
    "voice_interruptions_total",
)
ORDER_FREE_OBSERVATIONS = (
    "voice_call_duration_seconds",
    "voice_cost_per_call_dollars",
    "voice_tool_call_seconds",
    "voice_llm_response_seconds",
    "voice_tts_generation_seconds",
    "voice_stt_latency_seconds",
    "voice_stt_confidence_ratio",
    "voice_turn_detection_seconds",
)


def call(seed: int, scenario: str) -> list[Body]:
    """The bodies of a generated call, in the order in which they are sent."""
    traffic = Traffic(platforms=("vapi",))
    return [delivery.body for delivery in generate_call(Random(seed), MONDAY, SCENARIOS[scenario], traffic=traffic)]


def mangled(bodies: list[Body], rng: Random) -> list[Body]:
    """The deliveries duplicated, shuffled, and without the updates whose content the last one repeats."""
    updates = [body for body in bodies if body["message"]["type"] == "conversation-update"]
    deliveries = [body for body in bodies if body not in updates[:-1]]
    deliveries += [body for body in bodies for _ in range(rng.choice((0, 0, 1, 2)))]
    rng.shuffle(deliveries)
    return deliveries


def delayed(bodies: list[Body], rng: Random) -> list[Body]:
    """The deliveries, some of them twice, each up to a second and a half late."""
    late = [
        (body["message"]["timestamp"] + rng.randint(0, 1500), body)
        for body in bodies
        for _ in range(rng.choice((1, 2)))
    ]
    return [body for _, body in sorted(late, key=lambda each: each[0])]


def totals(tally: Tally) -> object:
    """What no order changes: totals over all labels, and observations."""
    counters = Counter({name: total for name in ORDER_FREE if (total := tally.total(name))})
    return counters, {name: tally.values(name) for name in ORDER_FREE_OBSERVATIONS}


@effort(25)
@given(SEEDS, st.sampled_from(sorted(SCENARIOS)), SEEDS)
def test_any_order_gives_the_same_totals(seed: int, scenario: str, order: int) -> None:
    """Whatever is duplicated, reordered or lost and repeated, totals are those of one clean delivery."""
    clean, other = Tally(), Tally()
    clean.deliver(*call(seed, scenario), platform="vapi")
    other.deliver(*mangled(call(seed, scenario), Random(order)), platform="vapi")
    assert totals(other) == totals(clean)


@effort(25)
@given(SEEDS, st.sampled_from(sorted(SCENARIOS)), SEEDS)
def test_late_speech_finds_its_pair(seed: int, scenario: str, order: int) -> None:
    """Events that overtake each other by less than a turn give the same waits for a reply."""
    clean, other = Tally(), Tally()
    clean.deliver(*call(seed, scenario), platform="vapi")
    other.deliver(*delayed(call(seed, scenario), Random(order)), platform="vapi")
    assert other.values("voice_response_seconds") == clean.values("voice_response_seconds")


@effort(15)
@given(SEEDS, st.sampled_from(sorted(SCENARIOS)), SEEDS)
def test_second_delivery_of_a_call_counts_nothing(seed: int, scenario: str, order: int) -> None:
    """A call that was delivered once adds nothing when it comes again, in whatever order."""
    delivered, tally = call(seed, scenario), Tally()
    tally.deliver(*delivered, platform="vapi")
    before = tally.snapshot()
    assert not any(tally.deliver(*mangled(delivered, Random(order)), platform="vapi"))
    assert tally.snapshot() == before


@effort(100)
@given(st.sampled_from(MESSAGES), SEEDS, st.integers(1, 3))
def test_schema_bodies(name: str, seed: int, deliveries: int) -> None:
    """A body of the schemas, even with a field of the wrong type here and there, counts what it says and once."""
    body, tally = Writer(Random(seed)).body(name), Tally()
    tally.deliver(*[body] * deliveries, platform="vapi")
    message = body.get("message", body)
    _check_counts(tally, message, 1 if _names_call(message) else deliveries)


def _check_counts(tally: Tally, message: Body, most: int) -> None:
    """Hold the counts against the body; without a call or a time it may count as often as it came."""
    kind, status = message["type"], message.get("status")
    ended = kind == "status-update" and status in ("ended", "not-found")
    expected = {
        "voice_hangs_total": kind == "hang",
        "voice_calls_ended_total": ended or kind == "end-of-call-report",
        "voice_transfers_total": kind == "transfer-update" or len(_transfers(message)),
        "voice_call_status_updates_total": kind == "status-update" and bool(_text(status)),
    }
    for name, counted in expected.items():
        assert counted <= tally.total(name) <= counted * most
    assert tally.total("voice_calls_started_total") <= most
    assert tally.total("voice_calls_active") in {0, 1}
    assert all(amount >= 0 for amount in tally.counts.values())
    if kind == "conversation-update":
        assert tally.total("voice_messages_total") == len(_messages(message))


def _names_call(message: Body) -> bool:
    return isinstance(message.get("call"), dict) and "id" in message["call"]


def _messages(message: Body) -> set[tuple[str, float, str]]:
    """The messages that can be known again, by role, time and tool call."""
    told = message.get("messages")
    artifact = message.get("artifact")
    if not isinstance(told, list) and isinstance(artifact, dict):
        told = artifact.get("messages")
    said = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    timed = [each for each in said if each.get("time", 0) >= START_MS]
    return {(_text(each.get("role")), each["time"], _text(each.get("toolCallId"))) for each in timed}


def _transfers(message: Body) -> list[object]:
    artifact = message.get("artifact")
    told = artifact.get("transfers") if isinstance(artifact, dict) and message["type"] == "end-of-call-report" else []
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
