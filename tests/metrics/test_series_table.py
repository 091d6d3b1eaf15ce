from collections.abc import Iterable
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events import Distribution
from exporter.metrics.catalogue import (
    ASSISTANT_INFO,
    CALL_COST,
    CALLS_ACTIVE,
    CALLS_STARTED,
    ERRORS_BY_HOUR,
    EVENT_SUBSCRIBED,
    HANGS,
    LABEL_OVERFLOWS,
    LAST_EVENT,
    LLM_RESPONSE,
    METRICS,
    RESPONSE,
    SERIES,
    STT_LATENCY,
    WEBHOOK_SECONDS,
    WEBHOOKS,
)
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import NANO, Increment, Labels, Metric
from exporter.metrics.series_table import VOLATILE, Exemplar, Series, SeriesTable
from exporter.store.base import StoredSeries

DAY = 86_400.0
NOW = 1_700_000_000.0
PA = ("vapi", "a1")

State: TypeAlias = dict[tuple[str, Labels], tuple[float, list[int]]]


def _limits(max_series: int = 1000, **max_values: int) -> LabelLimits:
    return LabelLimits(max_values, max_series, 30 * DAY)


def _table(max_series: int = 1000, **max_values: int) -> SeriesTable:
    return SeriesTable(_limits(max_series, **max_values))


def _count(table: SeriesTable, *increments: Increment, now: float = NOW, exemplar: Exemplar | None = None) -> None:
    table.apply(table.resolve(increments, now), exemplar)


def _visible(table: SeriesTable, *metrics: Metric) -> list[Series]:
    families = (family for family in table.families() if not metrics or family.metric in metrics)
    return [series for family in families for series in family.series]


def _one(table: SeriesTable, metric: Metric) -> Series:
    (series,) = _visible(table, metric)
    return series


def _state(series: Iterable[Series]) -> State:
    return {(each.family.metric.name, each.labels): (each.created, list(each.cells)) for each in series}


def _never(_label: str, _value: str) -> bool:
    return False


def test_a_series_shows_only_after_apply() -> None:
    """Between resolve and apply, while the commit runs, a scrape sees neither the series nor its value."""
    table = _table()
    resolved = table.resolve([(CALLS_STARTED, PA, 1)], NOW)
    assert _visible(table) == []
    table.apply(resolved)
    assert _one(table, CALLS_STARTED).cells == [1]


def test_a_known_series_moves_only_at_apply() -> None:
    """A value that a crash can take back is never shown."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1))
    resolved = table.resolve([(CALLS_STARTED, PA, 5)], NOW)
    assert _one(table, CALLS_STARTED).cells == [1]
    table.apply(resolved)
    assert _one(table, CALLS_STARTED).cells == [6]


def test_events_of_a_batch_share_the_series_that_the_first_begins() -> None:
    """A staged series is found by the next event, and the batch holds it once, at 0."""
    table = _table()
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
    assert _one(table, CALLS_STARTED).cells == [3]


def test_a_rollback_leaves_no_trace() -> None:
    """Series and label values of a failed batch are forgotten; the next attempt begins them afresh."""
    table = _table(assistant_id=1)
    table.resolve([(CALLS_STARTED, PA, 1)], NOW)
    table.rollback()
    assert table.staged() == []
    assert _visible(table) == []
    _count(table, (CALLS_STARTED, ("vapi", "a2"), 1), now=NOW + 9)
    series = _one(table, CALLS_STARTED)
    assert (series.labels, series.created, series.cells) == (("vapi", "a2"), NOW + 9, [1])


def test_a_rollback_keeps_what_earlier_batches_admitted() -> None:
    """Only the values of the failed batch lose their place."""
    table = _table(assistant_id=1)
    _count(table, (CALLS_STARTED, PA, 1))
    table.resolve([(CALLS_STARTED, ("vapi", "a2"), 1)], NOW)
    table.rollback()
    _count(table, (CALLS_ACTIVE, ("vapi", "a2"), 1))
    assert _one(table, CALLS_ACTIVE).labels == ("vapi", "other")


def test_zero_only_makes_a_counter_exist() -> None:
    """A counter that starts at 0 is staged and shown, and adds nothing to the batch."""
    table = _table()
    resolved = table.resolve([(CALLS_STARTED, PA, 0)], NOW)
    assert resolved == []
    assert len(table.staged()) == 1
    table.apply(resolved)
    assert _one(table, CALLS_STARTED).cells == [0]


def test_gauges_go_down() -> None:
    """A negative amount lowers a gauge."""
    table = _table()
    _count(table, (CALLS_ACTIVE, PA, 1), (CALLS_ACTIVE, PA, 1), (CALLS_ACTIVE, PA, -1))
    assert _one(table, CALLS_ACTIVE).cells == [1]


def test_created_is_rounded_to_milliseconds() -> None:
    """What is shown is what is stored."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1), now=1.23456)
    assert _one(table, CALLS_STARTED).created == 1.235


@pytest.mark.parametrize(
    ("amount", "bucket"), [(0, 1), (NANO // 4, 1), (NANO // 4 + 1, 2), (15 * NANO, 13), (15 * NANO + 1, 14)]
)
def test_an_observation_falls_into_the_bucket_whose_bound_it_reaches(amount: int, bucket: int) -> None:
    """Upper bounds are inclusive; what is above all of them falls into the last."""
    table = _table()
    _count(table, (RESPONSE, PA, amount))
    cells = _one(table, RESPONSE).cells
    assert cells[0] == amount
    assert [place for place, count in enumerate(cells[1:], 1) if count] == [bucket]
    assert len(cells) == len(RESPONSE.bounds) + 2


def test_a_distribution_is_spread_over_the_buckets() -> None:
    """Its sum and every one of its counts arrive."""
    table = _table()
    reported = Distribution((0, NANO // 10, NANO), (3, 0, 2), 4 * NANO)
    _count(table, (STT_LATENCY, (*PA, "deepgram"), reported))
    series = _one(table, STT_LATENCY)
    assert series.cells[:2] == [4 * NANO, 3]
    assert sum(series.cells[1:]) == 5


def test_own_bounds_take_the_place_of_the_catalogue_s() -> None:
    """Bounds are overridden by metric name."""
    table = SeriesTable(_limits(), {"voice_response_seconds": (1.0, 3.0)})
    _count(table, (RESPONSE, PA, 2 * NANO))
    assert _one(table, RESPONSE).cells == [2 * NANO, 0, 1, 0]


def test_stored_series_come_back_as_they_were() -> None:
    """Values, created timestamps and numbers survive a restart, and new numbers are not used ones."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 7), (RESPONSE, PA, NANO), now=NOW)
    stored = [series.stored() for series in _visible(table)]
    again = _table()
    assert again.load(reversed(stored)) == ([], [])
    assert _state(_visible(again)) == _state(_visible(table))
    _count(again, (CALLS_STARTED, PA, 1), (HANGS, (*PA, "openai", "gpt-4o"), 1), now=NOW + 60)
    assert _one(again, CALLS_STARTED).cells == [8]
    assert _one(again, CALLS_STARTED).created == NOW
    assert _one(again, HANGS).id > max(series.id for series in stored)


def test_a_family_whose_bounds_changed_starts_again() -> None:
    """CellDeltas that mean something else now are dropped and named; the next observation begins anew."""
    table = _table()
    _count(table, (RESPONSE, PA, NANO), (CALLS_STARTED, PA, 1))
    stored = [series.stored() for series in _visible(table)]
    again = SeriesTable(_limits(), {"voice_response_seconds": (1.0, 3.0)})
    restored = again.load(stored)
    assert restored.families == ["voice_response_seconds"]
    assert restored.ids == [each.id for each in stored if each.metric == "voice_response_seconds"]
    assert _visible(again, RESPONSE) == []
    assert _one(again, CALLS_STARTED).cells == [1]
    _count(again, (RESPONSE, PA, NANO), now=NOW + 5)
    assert _one(again, RESPONSE).created == NOW + 5


def test_a_metric_that_is_gone_is_dropped() -> None:
    """A stored series of a metric that the catalogue no longer has does no harm."""
    table = _table()
    restored = table.load([StoredSeries(4, "voice_gone_total", ("x",), NOW, 1, [3])])
    assert restored == (["voice_gone_total"], [4])
    assert _visible(table) == []


def test_of_two_stored_series_with_the_same_labels_the_younger_counts() -> None:
    """A crash between a series' removal and the commit that drops it must not make a scrape invalid."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1))
    old = _one(table, CALLS_STARTED).stored()
    young = StoredSeries(9, old.metric, old.labels, NOW + 50, old.shape, [2])
    again = _table()
    assert again.load([young, old]) == ([], [old.id])
    assert _one(again, CALLS_STARTED).cells == [2]


def test_a_value_too_many_is_counted_as_other() -> None:
    """The overflow travels with the event that caused it, so that it is durable too."""
    table = _table(provider=1)
    _count(table, (HANGS, (*PA, "openai", "m"), 1), (HANGS, (*PA, "groq", "m"), 2), (HANGS, (*PA, "azure", "m"), 3))
    assert {series.labels: series.cells[0] for series in _visible(table, HANGS)} == {
        (*PA, "openai", "m"): 1,
        (*PA, "other", "m"): 5,
    }
    overflows = _one(table, LABEL_OVERFLOWS)
    assert (overflows.labels, overflows.cells) == (("provider",), [2])
    assert overflows.id != VOLATILE


def test_an_overflow_outside_of_a_batch_is_counted_with_the_next_event() -> None:
    """The recorder admits assistants before it resolves; their overflows are not lost."""
    limits = _limits(assistant_id=0)
    table = SeriesTable(limits)
    assert limits.admit("assistant_id", "a1", NOW) == "other"
    _count(table, (CALLS_STARTED, ("vapi", "other"), 1))
    assert _one(table, LABEL_OVERFLOWS).cells == [1]


def test_improper_values_are_folded_where_a_series_begins() -> None:
    """Text of a payload never becomes a label value."""
    table = _table()
    _count(table, (HANGS, ("vapi", "", "Ada Example", "+1 555 0100"), 1))
    assert _one(table, HANGS).labels == ("vapi", "unknown", "other", "other")


def test_a_new_label_set_beyond_the_limit_folds_to_other() -> None:
    """All free labels fold at once, closed ones stay, and the overflow is that of the series."""
    table = _table(max_series=1)
    _count(table, (CALLS_STARTED, PA, 1))
    _count(table, (HANGS, (*PA, "openai", "m1"), 1), (HANGS, (*PA, "openai", "m2"), 1))
    series = _one(table, HANGS)
    assert (series.labels, series.cells) == (("vapi", "other", "other", "other"), [2])
    assert (_one(table, LABEL_OVERFLOWS).labels, _one(table, LABEL_OVERFLOWS).cells) == (("series",), [2])


def test_a_folded_label_set_takes_no_place_for_its_values() -> None:
    """Values that no series holds do not fill the label."""
    limits = _limits(0)
    table = SeriesTable(limits)
    _count(table, (HANGS, (*PA, "openai", "m1"), 1))
    assert all(count == 0 for _, count in limits.sizes()[1])


def test_a_full_table_still_counts_what_it_knows() -> None:
    """A known label set moves, also one that is known only after its value folds to other."""
    table = _table(max_series=2, provider=0)
    _count(table, (HANGS, (*PA, "x", "m"), 1), (LABEL_OVERFLOWS, ("provider",), 0))
    _count(table, (HANGS, (*PA, "x", "m"), 1), (HANGS, (*PA, "y", "m"), 1))
    series = _one(table, HANGS)
    assert (series.labels, series.cells) == ((*PA, "other", "m"), [3])


def test_label_sets_without_free_labels_are_always_taken() -> None:
    """They are bounded by closed lists, and folding could not make them fewer."""
    table = _table(max_series=0)
    _count(table, (ERRORS_BY_HOUR, ("vapi", "llm_error", "07"), 1))
    assert _one(table, ERRORS_BY_HOUR).labels == ("vapi", "llm_error", "07")
    assert _visible(table, LABEL_OVERFLOWS) == []


@pytest.mark.parametrize("metric", [CALLS_ACTIVE, ASSISTANT_INFO], ids=lambda metric: metric.name)
def test_families_of_one_series_an_assistant_are_exempt(metric: Metric) -> None:
    """A gauge must go down where it went up, so it is not folded and takes no place of others."""
    table = _table(max_series=1)
    labels = (*PA, *["x"] * (len(metric.labels) - 2))
    _count(table, (metric, labels, 1))
    _count(table, (CALLS_STARTED, PA, 1), (metric, ("vapi", "a2", *labels[2:]), 1))
    assert {series.labels[1] for series in _visible(table, metric)} == {"a1", "a2"}
    assert _one(table, CALLS_STARTED).labels == PA


def test_rolled_back_and_expired_series_leave_room() -> None:
    """The limit counts the series that are there."""
    table = _table(max_series=1)
    table.resolve([(CALLS_STARTED, PA, 1)], NOW)
    table.rollback()
    _count(table, (CALLS_STARTED, PA, 1))
    table.expire(NOW + 31 * DAY, _never)
    _count(table, (CALLS_STARTED, ("vapi", "a2"), 1), now=NOW + 31 * DAY)
    assert _one(table, CALLS_STARTED).labels == ("vapi", "a2")


def test_series_of_an_unused_value_expire() -> None:
    """All series of the value go, and those of values in use stay, however old."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1), (HANGS, (*PA, "openai", "m"), 1), (CALLS_STARTED, ("vapi", "a2"), 1))
    _count(table, (LLM_RESPONSE, ("vapi", "a2", "openai", "m"), NANO), now=NOW + 20 * DAY)
    numbers = {series.id for series in _visible(table) if "a1" in series.labels}
    assert set(table.expire(NOW + 31 * DAY, _never)) == numbers
    assert {series.labels for series in _visible(table)} == {("vapi", "a2"), ("vapi", "a2", "openai", "m")}
    assert table.expire(NOW + 31 * DAY, _never) == []


def test_use_keeps_a_value() -> None:
    """Every increment is a use, one of 0 too."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1))
    _count(table, (CALLS_STARTED, PA, 0), now=NOW + 20 * DAY)
    assert table.expire(NOW + 31 * DAY, _never) == []
    assert len(table.expire(NOW + 51 * DAY, _never)) == 1


def test_an_open_call_keeps_a_value() -> None:
    """What a call may still count under stays."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1))
    assert table.expire(NOW + 31 * DAY, lambda label, value: (label, value) == ("assistant_id", "a1")) == []


def test_reserved_values_never_expire() -> None:
    """`other` and `unknown` stand for no one who could be gone."""
    table = _table()
    _count(table, (HANGS, ("vapi", "unknown", "other", "unknown"), 1))
    assert table.expire(NOW + 365 * DAY, _never) == []


def test_a_restored_value_keeps_the_time_of_its_last_use() -> None:
    """A restart does not begin the ttl again where the last use is known; where not, the restart counts as one."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1))
    stored = [series.stored() for series in _visible(table)]
    known, unknown = _table(), _table()
    known.load(stored, {"assistant_id": {"a1": NOW}}, NOW + 20 * DAY)
    unknown.load(stored, None, NOW + 20 * DAY)
    assert len(known.expire(NOW + 31 * DAY, _never)) == 1
    assert unknown.expire(NOW + 31 * DAY, _never) == []
    assert len(unknown.expire(NOW + 51 * DAY, _never)) == 1


def test_a_value_that_comes_back_starts_at_0() -> None:
    """Its series is a new one, with a new number and a new created timestamp."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 5))
    before = _one(table, CALLS_STARTED)
    table.expire(NOW + 31 * DAY, _never)
    _count(table, (CALLS_STARTED, PA, 1), now=NOW + 32 * DAY)
    after = _one(table, CALLS_STARTED)
    assert (after.cells, after.created) == ([1], NOW + 32 * DAY)
    assert after.id != before.id


def test_series_of_the_process_move_at_once_and_are_not_stored() -> None:
    """They need no commit, take no place of others, and no batch holds them."""
    table = _table(max_series=1)
    table.add(WEBHOOKS, ("vapi", "hang", "unauthorized"), 2, NOW)
    table.add(WEBHOOKS, ("vapi", "hang", "unauthorized"), 1, NOW + 1)
    table.add(WEBHOOK_SECONDS, ("vapi",), NANO // 1000, NOW)
    table.set(LAST_EVENT, ("vapi", "hang"), 5 * NANO, NOW)
    table.set(LAST_EVENT, ("vapi", "hang"), 4 * NANO, NOW)
    assert table.staged() == []
    assert {series.id for series in _visible(table)} == {VOLATILE}
    assert (_one(table, WEBHOOKS).cells, _one(table, WEBHOOKS).created) == ([3], NOW)
    assert _one(table, WEBHOOK_SECONDS).cells[:3] == [NANO // 1000, 0, 1]
    assert _one(table, LAST_EVENT).cells == [4 * NANO]
    _count(table, (CALLS_STARTED, PA, 1))
    assert _one(table, CALLS_STARTED).labels == PA


def test_series_of_the_process_are_there_once_after_a_load() -> None:
    """What the process counted of itself before the store was read is not restored on top."""
    before, table = _table(), _table()
    staged = before.resolve([(WEBHOOKS, ("vapi", "hang", "counted"), 2)], NOW)
    stored = before.staged()
    before.apply(staged)
    table.add(WEBHOOKS, ("vapi", "unknown", "unauthorized"), 0, NOW)
    table.load(stored)
    assert [series.labels[2] for series in _visible(table)] == ["unauthorized", "counted"]


def test_series_of_the_process_expire_with_their_values() -> None:
    """They go too, and no store is told."""
    table = _table()
    _count(table, (CALLS_STARTED, PA, 1))
    table.set(EVENT_SUBSCRIBED, (*PA, "hang"), 1, NOW)
    number = _one(table, CALLS_STARTED).id
    assert table.expire(NOW + 31 * DAY, _never) == [number]
    assert _visible(table) == []


def test_stored_and_volatile_series_share_a_family() -> None:
    """Answered webhooks are stored, refused ones are not, and a rollback of the former leaves the latter."""
    table = _table()
    table.add(WEBHOOKS, ("vapi", "hang", "unauthorized"), 1, NOW)
    table.resolve([(WEBHOOKS, ("vapi", "hang", "counted"), 1)], NOW)
    table.rollback()
    assert _one(table, WEBHOOKS).labels == ("vapi", "hang", "unauthorized")


def test_each_bucket_remembers_its_latest_exemplar() -> None:
    """A later call replaces an earlier one in its bucket and leaves the others."""
    table = _table()
    for call, amount in (("c1", NANO), ("c2", 9 * NANO), ("c3", NANO - 1)):
        _count(table, (RESPONSE, PA, amount), exemplar=Exemplar(call, NOW))
    series = _one(table, RESPONSE)
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
    table = _table()
    _count(table, (metric, PA, amount), exemplar=Exemplar("c1", NOW))
    assert _one(table, metric).marks is None


@pytest.mark.parametrize("call_id", ["", "with space", "x" * 65, 'quo"te', "100%"])
def test_an_improper_call_id_is_no_exemplar(call_id: str) -> None:
    """The event counts, its call id is not shown."""
    table = _table()
    _count(table, (CALL_COST, (*PA, "llm", "openai"), NANO), exemplar=Exemplar(call_id, NOW))
    assert _one(table, CALL_COST).cells == [NANO]
    assert _one(table, CALL_COST).marks is None


def test_families_come_in_the_order_of_the_catalogue() -> None:
    """All of them, and voice_exporter_series counts those that have series."""
    table = _table()
    _count(table, (RESPONSE, PA, 1), (CALLS_STARTED, PA, 1), (RESPONSE, ("vapi", "a2"), 1))
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
        return _table(max_series, assistant_id=max_values, provider=max_values, model=max_values)

    table, kept, now = fresh(), Kept(), NOW
    for action, events in steps:
        now += 16 * DAY
        if action == "expire":
            for number in table.expire(now, _never):
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
        assert _state(_visible(table)) == _state(_visible(reread))


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=40), st.integers(0, 3), st.integers(0, 10))
def test_limits_hold_and_nothing_is_lost(sets: list[tuple[str, str, str]], max_values: int, max_series: int) -> None:
    """However many label sets come, series stay within the limits and the total is the number of events."""
    table = _table(max_series, assistant_id=max_values, provider=max_values, model=max_values)
    for labels in sets:
        _count(table, (HANGS, ("vapi", *labels), 1))
    series = _visible(table, HANGS)
    assert sum(each.cells[0] for each in series) == len(sets)
    assert len(series) <= max_series + 1
    for place in (1, 2, 3):
        assert len({each.labels[place] for each in series} - {"other"}) <= max_values
