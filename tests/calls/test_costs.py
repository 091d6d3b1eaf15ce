"""Costs by component: however many reports of a call come and in whatever order, no dollar counts twice."""

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.calls.fold import fold
from exporter.calls.state import AssistantState, CallState
from exporter.calls.step import Settings
from exporter.events import Cost, Event, Fact, TotalCost
from exporter.metrics.catalogue import CALL_COST
from tests.calls.tally import Tally
from tests.support.effort import effort

FIELDS: Final = {
    "llm": "llmVendorCost",
    "tts": "ttsVendorCost",
    "stt": "sttVendorCost",
    "platform": "interactlyCost",
}
MILLIS: Final = st.integers(0, 300)
REPORTS: Final = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*FIELDS, "total"), MILLIS)), min_size=1, max_size=8
)
"""Reports of one call, in thousandths of a dollar: any parts, any total, not even ascending."""


def interactly(report: Mapping[str, float]) -> dict[str, Any]:
    """Interactly's report of one call that cost so many thousandths of a dollar."""
    names = FIELDS | {"total": "totalCost"}
    cost = {names[name]: amount / 1000 for name, amount in report.items()}
    return {"message": {"type": "end-of-call-report", "call": {"id": "WC-9", "assistantId": "a1", "cost": cost}}}


def retell(event: str, combined: float, **products: float) -> dict[str, Any]:
    """Retell's end of a call that cost so many cents."""
    lines = [{"product": product, "cost": cents} for product, cents in products.items()]
    cost = {"combined_cost": combined, "product_costs": lines}
    return {"event": event, "call": {"call_id": "call_9", "agent_id": "a1", "call_cost": cost}}


def millis(reports: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Thousandths of a dollar that these reports add to each component."""
    tally = Tally()
    tally.deliver(*map(interactly, reports))
    costs = tally.series("voice_call_cost_dollars_total")
    return {labels[2]: nanos / 1_000_000 for labels, nanos in costs.items()}


def test_a_part_that_is_named_later_was_counted_as_other() -> None:
    """Of a part that a second, fuller report names only what exceeds what was counted as other is new."""
    lean, full = {"total": 100, "llm": 40}, {"total": 100, "llm": 40, "tts": 60}
    assert millis([lean, full]) == {"llm": 40, "other": 60}
    assert millis([lean, full | {"tts": 75, "total": 115}]) == {"llm": 40, "other": 60, "tts": 15}
    assert millis([lean, {"llm": 45, "total": 105}, {"llm": 45, "total": 110}]) == {"llm": 40, "other": 70}


def test_the_fuller_report_comes_first() -> None:
    """Other is what the total has beyond all parts that are known of the call, not those of this report alone."""
    lean, full = {"total": 100, "llm": 40}, {"total": 100, "llm": 40, "tts": 60}
    assert millis([full, lean]) == {"llm": 40, "tts": 60}
    assert millis([full, lean | {"total": 130}]) == {"llm": 40, "tts": 60, "other": 30}


def test_total_and_parts_come_apart() -> None:
    """A total without parts counts as soon as there is one beside which the rest is other."""
    for deliveries in permutations([{"total": 100}, {"llm": 40}]):
        assert millis(deliveries) == {"llm": 40, "other": 60}
    assert millis([{"total": 100}]) == {}


def test_retell_names_products_at_the_analysis() -> None:
    """The end of a call has a total and some products, its analysis all of them."""
    ended = retell("call_ended", 10, gpt_5=6)
    analysed = retell("call_analyzed", 10, gpt_5=6, elevenlabs_tts=4)
    for deliveries in permutations([ended, analysed]):
        tally = Tally()
        tally.deliver(*deliveries, platform="retell")
        assert tally.total("voice_call_cost_dollars_total") == 0.1


@effort(150)
@given(REPORTS, st.randoms(use_true_random=False))
def test_any_reports_in_any_order(reports: list[dict[str, int]], random: Any) -> None:  # noqa: ANN401 - Hypothesis' own
    """All components together are the largest total, or the sum of the parts where that is more."""
    deliveries = reports + [report for report in reports if random.random() < 0.5]
    random.shuffle(deliveries)
    parts = {name: max(report.get(name, 0) for report in reports) for name in FIELDS}
    named, total = sum(parts.values()), max(report.get("total", 0) for report in reports)
    counted = millis(deliveries)
    assert sum(counted.values()) == (max(named, total) if named else 0)
    assert all(counted.get(name, 0) <= dollars for name, dollars in parts.items())
    assert counted.get("other", 0) <= total


@effort(50)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 1000)), min_size=2, max_size=4))
def test_roundings_in_any_order(amounts: list[tuple[int, int, int]]) -> None:
    """What is a rounding is judged by the report that has it, so that no order adds one."""
    reports = [{"llm": llm / 1000, "tts": tts / 1000, "total": (llm + tts + more) / 1000} for llm, tts, more in amounts]
    sums = {round(sum(millis(deliveries).values()) * 1_000_000) for deliveries in permutations(reports)}
    assert len(sums) == 1


@pytest.mark.parametrize(
    ("facts", "added"),
    [
        ((Cost("llm", 40), TotalCost(100, unnamed=True)), 0),
        ((TotalCost(100, unnamed=True),), 0),
        ((Cost("llm", 50), TotalCost(110, unnamed=True)), 10),
    ],
)
def test_a_call_of_an_earlier_release(facts: tuple[Fact, ...], added: int) -> None:
    """It has parts and no sum of them: what it counted is not counted again."""
    state = CallState("interactly", assistant="a1", totals={"cost:llm": 40, "cost:other": 60})
    event = Event(platform="interactly", kind="end-of-call-report", call=1, call_id="c1", facts=facts)
    folded = fold(state, event, AssistantState("interactly", "a1"), Settings(), now=1.0)
    counted = [amount for metric, _, amount in folded.increments if metric is CALL_COST]
    assert sum(amount for amount in counted if isinstance(amount, int)) == added
