"""Exactly once: any multiset of deliveries that holds the information gives the counters of one clean delivery.

Order cannot matter to totals over all labels, with these exceptions, which follow from what is known at the time: the
source that delivers a measurement group first is the only one counted, so a report that overtakes the whole
conversation counts in its place; the first event after a hang to arrive decides the hang's outcome; a label is the best
known when counted; the length of a call comes from the first event that has it; and what a report shows to be missed is
judged when it arrives.
"""

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.simulate import SCENARIOS, Traffic, generate_call
from exporter.simulate.traffic import MONDAY
from tests.calls.tally import Tally
from tests.support.effort import effort

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
    "voice_report_errors_total",
    "voice_report_retries_total",
    "voice_llm_tokens_total",
    "voice_tts_characters_total",
)
SEEDS = st.integers(0, 2**32)


def call(seed: int, scenario: str) -> list[dict[str, Any]]:
    """The bodies of a generated call, in the order in which they are sent."""
    traffic = Traffic(platforms=("interactly",))
    return [delivery.body for delivery in generate_call(Random(seed), MONDAY, SCENARIOS[scenario], traffic=traffic)]


def kind(body: dict[str, Any]) -> str:
    """Type of an event."""
    return str(body["message"]["type"])


def mangled(bodies: list[dict[str, Any]], rng: Random) -> list[dict[str, Any]]:
    """The deliveries duplicated, shuffled, and without the updates whose content the last one repeats."""
    updates = [body for body in bodies if kind(body) == "conversation-update"]
    needed = [body for body in bodies if body not in updates[:-1]]
    extra = [body for body in bodies for _ in range(rng.choice((0, 0, 1, 2)))]
    deliveries = needed + extra
    rng.shuffle(deliveries)
    return deliveries


def totals(tally: Tally) -> Counter[str]:
    """Totals over all labels of the metrics that no order changes."""
    return Counter({name: value for name in ORDER_FREE if (value := tally.total(name))})


@effort(30)
@given(SEEDS, st.sampled_from(sorted(SCENARIOS)), SEEDS)
def test_any_order_gives_the_same_totals(seed: int, scenario: str, order: int) -> None:
    """Whatever is duplicated, reordered or lost and repeated, totals are those of one clean delivery."""
    bodies, rng = call(seed, scenario), Random(order)
    clean, other = Tally(), Tally()
    clean.deliver(*bodies)
    other.deliver(*mangled(bodies, rng))
    assert totals(other) == totals(clean)


@effort(30)
@given(SEEDS, st.sampled_from(sorted(SCENARIOS)), SEEDS)
def test_any_order_before_the_end_gives_the_same_series(seed: int, scenario: str, order: int) -> None:
    """Once the assistant is known and before the call ends, order does not even matter to labels and observations."""
    bodies, rng = call(seed, scenario), Random(order)
    full = next(at for at, body in enumerate(bodies) if "config" in body["message"]["assistant"]) + 1
    first, middle = bodies[:full], bodies[full:]
    last = [body for body in middle if kind(body) == "end-of-call-report" or _is_final(body)]
    middle = [body for body in middle if body not in last]
    clean, other = Tally(), Tally()
    clean.deliver(*bodies)
    other.deliver(*first, *mangled(middle, rng), *last, *mangled(bodies, rng))
    assert _without_outcomes(other) == _without_outcomes(clean)
    assert totals(other) == totals(clean)


@effort(15)
@given(SEEDS, st.sampled_from(sorted(SCENARIOS)), SEEDS)
def test_second_delivery_of_a_call_counts_nothing(seed: int, scenario: str, order: int) -> None:
    """A call that was delivered once adds nothing when it comes again, in whatever order."""
    bodies, rng = call(seed, scenario), Random(order)
    tally = Tally()
    tally.deliver(*bodies)
    before = tally.snapshot()
    assert not any(tally.deliver(*mangled(bodies, rng)))
    assert tally.snapshot() == before


def _is_final(body: dict[str, Any]) -> bool:
    return kind(body) == "status-update" and body["message"]["call"]["status"] in {"finished", "failed"}


def _without_outcomes(tally: Tally) -> object:
    """Everything but what the first event after a hang to arrive decides."""
    counts, observed, distributions = tally.snapshot()
    assert isinstance(counts, dict)
    assert isinstance(observed, dict)
    return (
        {key: value for key, value in counts.items() if key[0] != "voice_hang_outcomes_total"},
        {key: value for key, value in observed.items() if key[0] != "voice_hang_recovery_seconds"},
        distributions,
    )
