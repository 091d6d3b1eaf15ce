from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events import Distribution
from exporter.metrics.catalogue import (
    CALL_COST,
    CALLS_ACTIVE,
    CALLS_STARTED,
    EVENT_SUBSCRIBED,
    HANGS,
    LAST_EVENT,
    METRICS,
    RESPONSE,
    SERIES,
    STT_LATENCY,
    WEBHOOK_SECONDS,
    WEBHOOKS,
)
from exporter.metrics.metric import NANO, Increment, Metric
from exporter.metrics.series_table import VOLATILE, Exemplar, Series, SeriesTable
from exporter.store.base import StoredSeries
from tests.metrics.tables import DAY, NOW, PA, count, empty_table, limits_of, never, only, state_of, visible


def test_a_series_shows_only_after_apply() -> None:
    """Between resolve and apply, while the commit runs, a scrape sees neither the series nor its value."""
    table = empty_table()
    resolved = table.resolve([(CALLS_STARTED, PA, 1)], NOW)
    assert visible(table) == []
    table.apply(resolved)
    assert only(table, CALLS_STARTED).cells == [1]


def test_a_known_series_moves_only_at_apply() -> None:
    """A value that a crash can take back is never shown."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1))
    resolved = table.resolve([(CALLS_STARTED, PA, 5)], NOW)
    assert only(table, CALLS_STARTED).cells == [1]
    table.apply(resolved)
    assert only(table, CALLS_STARTED).cells == [6]


def test_events_of_a_batch_share_the_series_that_the_first_begins() -> None:
    """A staged series is found by the next event, and the batch holds it once, at 0."""
    table = empty_table()
    first = table.resolve([(CALLS_STARTED, PA, 1)], NOW)
    second = table.resolve([(CALLS_STARTED, PA, 2)], NOW + 1)
    staged = table.staged()
    assert [(each.metric, each.labels, each.created, each.cells) for each in staged] == [
        ("voice_calls_started_total", PA, NOW, [0])
    ]
    table.apply(first)
    table.apply(second)
    assert staged[0].cells == [0]
    assert table.staged() == []
    assert only(table, CALLS_STARTED).cells == [3]


def test_a_rollback_leaves_no_trace() -> None:
    """Series and label values of a failed batch are forgotten; the next attempt begins them afresh."""
    table = empty_table(assistant_id=1)
    table.resolve([(CALLS_STARTED, PA, 1)], NOW)
    table.rollback()
    assert table.staged() == []
    assert visible(table) == []
    count(table, (CALLS_STARTED, ("vapi", "a2"), 1), now=NOW + 9)
    series = only(table, CALLS_STARTED)
    assert (series.labels, series.created, series.cells) == (("vapi", "a2"), NOW + 9, [1])


def test_a_rollback_keeps_what_earlier_batches_admitted() -> None:
    """Only the values of the failed batch lose their place."""
    table = empty_table(assistant_id=1)
    count(table, (CALLS_STARTED, PA, 1))
    table.resolve([(CALLS_STARTED, ("vapi", "a2"), 1)], NOW)
    table.rollback()
    count(table, (CALLS_ACTIVE, ("vapi", "a2"), 1))
    assert only(table, CALLS_ACTIVE).labels == ("vapi", "other")


def test_zero_only_makes_a_counter_exist() -> None:
    """A counter that starts at 0 is staged and shown, and adds nothing to the batch."""
    table = empty_table()
    resolved = table.resolve([(CALLS_STARTED, PA, 0)], NOW)
    assert resolved == []
    assert len(table.staged()) == 1
    table.apply(resolved)
    assert only(table, CALLS_STARTED).cells == [0]


def test_gauges_go_down() -> None:
    """A negative amount lowers a gauge."""
    table = empty_table()
    count(table, (CALLS_ACTIVE, PA, 1), (CALLS_ACTIVE, PA, 1), (CALLS_ACTIVE, PA, -1))
    assert only(table, CALLS_ACTIVE).cells == [1]


def test_created_is_rounded_to_milliseconds() -> None:
    """What is shown is what is stored."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1), now=1.23456)
    assert only(table, CALLS_STARTED).created == 1.235


@pytest.mark.parametrize(
    ("amount", "bucket"), [(0, 1), (NANO // 4, 1), (NANO // 4 + 1, 2), (15 * NANO, 13), (15 * NANO + 1, 14)]
)
def test_an_observation_falls_into_the_bucket_whose_bound_it_reaches(amount: int, bucket: int) -> None:
    """Upper bounds are inclusive; what is above all of them falls into the last."""
    table = empty_table()
    count(table, (RESPONSE, PA, amount))
    cells = only(table, RESPONSE).cells
    assert cells[0] == amount
    assert [place for place, count in enumerate(cells[1:], 1) if count] == [bucket]
    assert len(cells) == len(RESPONSE.bounds) + 2


def test_a_distribution_is_spread_over_the_buckets() -> None:
    """Its sum and every one of its counts arrive."""
    table = empty_table()
    reported = Distribution((0, NANO // 10, NANO), (3, 0, 2), 4 * NANO)
    count(table, (STT_LATENCY, (*PA, "deepgram"), reported))
    series = only(table, STT_LATENCY)
    assert series.cells[:2] == [4 * NANO, 3]
    assert sum(series.cells[1:]) == 5


def test_own_bounds_take_the_place_of_the_catalogue_s() -> None:
    """Bounds are overridden by metric name."""
    table = SeriesTable(limits_of(), {"voice_response_seconds": (1.0, 3.0)})
    count(table, (RESPONSE, PA, 2 * NANO))
    assert only(table, RESPONSE).cells == [2 * NANO, 0, 1, 0]


def test_stored_series_come_back_as_they_were() -> None:
    """Values, created timestamps and numbers survive a restart, and new numbers are not used ones."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 7), (RESPONSE, PA, NANO), now=NOW)
    stored = [series.stored() for series in visible(table)]
    again = empty_table()
    assert again.load(reversed(stored)) == ([], [])
    assert state_of(visible(again)) == state_of(visible(table))
    count(again, (CALLS_STARTED, PA, 1), (HANGS, (*PA, "openai", "gpt-4o"), 1), now=NOW + 60)
    assert only(again, CALLS_STARTED).cells == [8]
    assert only(again, CALLS_STARTED).created == NOW
    assert only(again, HANGS).id > max(series.id for series in stored)


def test_a_family_whose_bounds_changed_starts_again() -> None:
    """CellDeltas that mean something else now are dropped and named; the next observation begins anew."""
    table = empty_table()
    count(table, (RESPONSE, PA, NANO), (CALLS_STARTED, PA, 1))
    stored = [series.stored() for series in visible(table)]
    again = SeriesTable(limits_of(), {"voice_response_seconds": (1.0, 3.0)})
    restored = again.load(stored)
    assert restored.families == ["voice_response_seconds"]
    assert restored.ids == [each.id for each in stored if each.metric == "voice_response_seconds"]
    assert visible(again, RESPONSE) == []
    assert only(again, CALLS_STARTED).cells == [1]
    count(again, (RESPONSE, PA, NANO), now=NOW + 5)
    assert only(again, RESPONSE).created == NOW + 5


def test_a_metric_that_is_gone_is_dropped() -> None:
    """A stored series of a metric that the catalogue no longer has does no harm."""
    table = empty_table()
    restored = table.load([StoredSeries(4, "voice_gone_total", ("x",), NOW, 1, [3])])
    assert restored == (["voice_gone_total"], [4])
    assert visible(table) == []


def test_of_two_stored_series_with_the_same_labels_the_younger_counts() -> None:
    """A crash between a series' removal and the commit that drops it must not make a scrape invalid."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1))
    old = only(table, CALLS_STARTED).stored()
    young = StoredSeries(9, old.metric, old.labels, NOW + 50, old.shape, [2])
    again = empty_table()
    assert again.load([young, old]) == ([], [old.id])
    assert only(again, CALLS_STARTED).cells == [2]


def test_series_of_the_process_move_at_once_and_are_not_stored() -> None:
    """They need no commit, take no place of others, and no batch holds them."""
    table = empty_table(max_series=1)
    table.add(WEBHOOKS, ("vapi", "hang", "unauthorized"), 2, NOW)
    table.add(WEBHOOKS, ("vapi", "hang", "unauthorized"), 1, NOW + 1)
    table.add(WEBHOOK_SECONDS, ("vapi",), NANO // 1000, NOW)
    table.set(LAST_EVENT, ("vapi", "hang"), 5 * NANO, NOW)
    table.set(LAST_EVENT, ("vapi", "hang"), 4 * NANO, NOW)
    assert table.staged() == []
    assert {series.id for series in visible(table)} == {VOLATILE}
    assert (only(table, WEBHOOKS).cells, only(table, WEBHOOKS).created) == ([3], NOW)
    assert only(table, WEBHOOK_SECONDS).cells[:3] == [NANO // 1000, 0, 1]
    assert only(table, LAST_EVENT).cells == [4 * NANO]
    count(table, (CALLS_STARTED, PA, 1))
    assert only(table, CALLS_STARTED).labels == PA


def test_series_of_the_process_are_there_once_after_a_load() -> None:
    """What the process counted of itself before the store was read is not restored on top."""
    before, table = empty_table(), empty_table()
    staged = before.resolve([(WEBHOOKS, ("vapi", "hang", "counted"), 2)], NOW)
    stored = before.staged()
    before.apply(staged)
    table.add(WEBHOOKS, ("vapi", "unknown", "unauthorized"), 0, NOW)
    table.load(stored)
    assert [series.labels[2] for series in visible(table)] == ["unauthorized", "counted"]


def test_series_of_the_process_expire_with_their_values() -> None:
    """They go too, and no store is told."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1))
    table.set(EVENT_SUBSCRIBED, (*PA, "hang"), 1, NOW)
    number = only(table, CALLS_STARTED).id
    assert table.expire(NOW + 31 * DAY, never) == [number]
    assert visible(table) == []


def test_stored_and_volatile_series_share_a_family() -> None:
    """Answered webhooks are stored, refused ones are not, and a rollback of the former leaves the latter."""
    table = empty_table()
    table.add(WEBHOOKS, ("vapi", "hang", "unauthorized"), 1, NOW)
    table.resolve([(WEBHOOKS, ("vapi", "hang", "counted"), 1)], NOW)
    table.rollback()
    assert only(table, WEBHOOKS).labels == ("vapi", "hang", "unauthorized")


def test_each_bucket_remembers_its_latest_exemplar() -> None:
    """A later call replaces an earlier one in its bucket and leaves the others."""
    table = empty_table()
    for call, amount in (("c1", NANO), ("c2", 9 * NANO), ("c3", NANO - 1)):
        count(table, (RESPONSE, PA, amount), exemplar=Exemplar(call, NOW))
    series = only(table, RESPONSE)
    shown = {cell: mark for cell, mark in enumerate(series.marks or ()) if mark}
    assert shown == {4: Exemplar("c3", NOW).mark(), 12: Exemplar("c2", NOW).mark()}
    assert series.measured is not None
    assert (series.measured[4], series.measured[12]) == (0.999999999, 9.0)


@pytest.mark.parametrize(
    ("metric", "amount"),
    [
        (CALLS_ACTIVE, 1),
        (RESPONSE, Distribution((0, NANO), (1, 2), 9)),
        (RESPONSE, Distribution((20 * NANO,), (2,), 50 * NANO)),
    ],
    ids=["gauge", "distribution", "distribution within a bucket"],
)
def test_what_has_no_exemplar(metric: Metric, amount: int | Distribution) -> None:
    """Gauges may have none, and a distribution is not the measurement of one moment."""
    table = empty_table()
    count(table, (metric, PA, amount), exemplar=Exemplar("c1", NOW))
    assert only(table, metric).marks is None


@pytest.mark.parametrize("call_id", ["", "with space", "x" * 65, 'quo"te', "100%"])
def test_an_improper_call_id_is_no_exemplar(call_id: str) -> None:
    """The event counts, its call id is not shown."""
    table = empty_table()
    count(table, (CALL_COST, (*PA, "llm", "openai"), NANO), exemplar=Exemplar(call_id, NOW))
    assert only(table, CALL_COST).cells == [NANO]
    assert only(table, CALL_COST).marks is None


def test_families_come_in_the_order_of_the_catalogue() -> None:
    """All of them, and voice_exporter_series counts those that have series."""
    table = empty_table()
    count(table, (RESPONSE, PA, 1), (CALLS_STARTED, PA, 1), (RESPONSE, ("vapi", "a2"), 1))
    assert [family.metric for family in table.families()] == list(METRICS.values())
    assert table.sizes() == (SERIES, [(("voice_calls_started_total",), 1), (("voice_response_seconds",), 2)])


VALUES = st.sampled_from(["v1", "v2", "v3", "not proper"])
INCREMENTS = st.one_of(
    st.tuples(st.just(CALLS_STARTED), st.tuples(st.just("vapi"), VALUES), st.integers(0, 9)),
    st.tuples(st.just(HANGS), st.tuples(st.just("vapi"), VALUES, VALUES, VALUES), st.integers(0, 9)),
    st.tuples(st.just(RESPONSE), st.tuples(st.just("vapi"), VALUES), st.integers(0, 20 * NANO)),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["commit", "commit", "commit", "fail", "expire", "restart"]),
        st.lists(st.lists(INCREMENTS, max_size=4), max_size=3),
    ),
    max_size=12,
)


class Kept:
    """What a store would hold after the batches that it was given."""

    def __init__(self) -> None:
        self.series: dict[int, StoredSeries] = {}

    def commit(self, table: SeriesTable, increments: Iterable[tuple[Series, tuple[tuple[int, int], ...]]]) -> None:
        """Take a batch."""
        self.series |= {each.id: each for each in table.staged()}
        for series, cells in increments:
            for cell, amount in cells:
                self.series[series.id].cells[cell] += amount

    def copies(self) -> list[StoredSeries]:
        """Everything, as a restart would read it."""
        return [
            StoredSeries(each.id, each.metric, each.labels, each.created, each.shape, each.cells.copy())
            for each in self.series.values()
        ]


@given(STEPS, st.integers(0, 4), st.integers(0, 6))
def test_memory_is_what_a_restart_would_read(
    steps: list[tuple[str, list[list[Increment]]]], max_values: int, max_series: int
) -> None:
    """After any commits, failures, expiries and restarts the visible series are exactly the stored ones."""

    def fresh() -> SeriesTable:
        return empty_table(max_series, assistant_id=max_values, provider=max_values, model=max_values)

    table, kept, now = fresh(), Kept(), NOW
    for action, events in steps:
        now += 16 * DAY
        if action == "expire":
            for number in table.expire(now, never):
                del kept.series[number]
        elif action == "restart":
            table = fresh()
            assert table.load(kept.copies()) == ([], [])
        else:
            resolved = [table.resolve(increments, now) for increments in events]
            if action == "fail":
                table.rollback()
            else:
                kept.commit(table, [each for event in resolved for each in event])
                for event in resolved or [[]]:
                    table.apply(event)
        reread = fresh()
        reread.load(kept.copies())
        assert state_of(visible(table)) == state_of(visible(reread))


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=40), st.integers(0, 3), st.integers(0, 10))
def test_limits_hold_and_nothing_is_lost(sets: list[tuple[str, str, str]], max_values: int, max_series: int) -> None:
    """However many label sets come, series stay within the limits and the total is the number of events."""
    table = empty_table(max_series, assistant_id=max_values, provider=max_values, model=max_values)
    for labels in sets:
        count(table, (HANGS, ("vapi", *labels), 1))
    series = visible(table, HANGS)
    assert sum(each.cells[0] for each in series) == len(sets)
    assert len(series) <= max_series + 1
    for place in (1, 2, 3):
        assert len({each.labels[place] for each in series} - {"other"}) <= max_values
