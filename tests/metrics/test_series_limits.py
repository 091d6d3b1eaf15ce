"""How many series and label values there may be, and which go when nobody uses them."""

import pytest

from exporter.metrics.catalogue import (
    ASSISTANT_INFO,
    CALLS_ACTIVE,
    CALLS_STARTED,
    ERRORS_BY_HOUR,
    HANGS,
    LABEL_OVERFLOWS,
    LLM_RESPONSE,
)
from exporter.metrics.metric import NANO, Metric
from exporter.metrics.series_table import VOLATILE, SeriesTable
from tests.metrics.tables import DAY, NOW, PA, count, empty_table, limits_of, never, only, visible


def test_a_value_too_many_is_counted_as_other() -> None:
    """The overflow travels with the event that caused it, so that it is durable too."""
    table = empty_table(provider=1)
    count(table, (HANGS, (*PA, "openai", "m"), 1), (HANGS, (*PA, "groq", "m"), 2), (HANGS, (*PA, "azure", "m"), 3))
    assert {series.labels: series.cells[0] for series in visible(table, HANGS)} == {
        (*PA, "openai", "m"): 1,
        (*PA, "other", "m"): 5,
    }
    overflows = only(table, LABEL_OVERFLOWS)
    assert (overflows.labels, overflows.cells) == (("provider",), [2])
    assert overflows.id != VOLATILE


def test_an_overflow_outside_of_a_batch_is_counted_with_the_next_event() -> None:
    """The recorder admits assistants before it resolves; their overflows are not lost."""
    limits = limits_of(assistant_id=0)
    table = SeriesTable(limits)
    assert limits.admit("assistant_id", "a1", NOW) == "other"
    count(table, (CALLS_STARTED, ("vapi", "other"), 1))
    assert only(table, LABEL_OVERFLOWS).cells == [1]


def test_improper_values_are_folded_where_a_series_begins() -> None:
    """Text of a payload never becomes a label value."""
    table = empty_table()
    count(table, (HANGS, ("vapi", "", "Ada Example", "+1 555 0100"), 1))
    assert only(table, HANGS).labels == ("vapi", "unknown", "other", "other")


def test_a_new_label_set_beyond_the_limit_folds_to_other() -> None:
    """All free labels fold at once, closed ones stay, and the overflow is that of the series."""
    table = empty_table(max_series=1)
    count(table, (CALLS_STARTED, PA, 1))
    count(table, (HANGS, (*PA, "openai", "m1"), 1), (HANGS, (*PA, "openai", "m2"), 1))
    series = only(table, HANGS)
    assert (series.labels, series.cells) == (("vapi", "other", "other", "other"), [2])
    assert (only(table, LABEL_OVERFLOWS).labels, only(table, LABEL_OVERFLOWS).cells) == (("series",), [2])


def test_a_folded_label_set_takes_no_place_for_its_values() -> None:
    """Values that no series holds do not fill the label."""
    limits = limits_of(0)
    table = SeriesTable(limits)
    count(table, (HANGS, (*PA, "openai", "m1"), 1))
    assert all(count == 0 for _, count in limits.sizes()[1])


def test_a_full_table_still_counts_what_it_knows() -> None:
    """A known label set moves, also one that is known only after its value folds to other."""
    table = empty_table(max_series=2, provider=0)
    count(table, (HANGS, (*PA, "x", "m"), 1), (LABEL_OVERFLOWS, ("provider",), 0))
    count(table, (HANGS, (*PA, "x", "m"), 1), (HANGS, (*PA, "y", "m"), 1))
    series = only(table, HANGS)
    assert (series.labels, series.cells) == ((*PA, "other", "m"), [3])


def test_label_sets_without_free_labels_are_always_taken() -> None:
    """They are bounded by closed lists, and folding could not make them fewer."""
    table = empty_table(max_series=0)
    count(table, (ERRORS_BY_HOUR, ("vapi", "llm_error", "07"), 1))
    assert only(table, ERRORS_BY_HOUR).labels == ("vapi", "llm_error", "07")
    assert visible(table, LABEL_OVERFLOWS) == []


@pytest.mark.parametrize("metric", [CALLS_ACTIVE, ASSISTANT_INFO], ids=lambda metric: metric.name)
def test_families_of_one_series_an_assistant_are_exempt(metric: Metric) -> None:
    """A gauge must go down where it went up, so it is not folded and takes no place of others."""
    table = empty_table(max_series=1)
    labels = (*PA, *["x"] * (len(metric.labels) - 2))
    count(table, (metric, labels, 1))
    count(table, (CALLS_STARTED, PA, 1), (metric, ("vapi", "a2", *labels[2:]), 1))
    assert {series.labels[1] for series in visible(table, metric)} == {"a1", "a2"}
    assert only(table, CALLS_STARTED).labels == PA


def test_rolled_back_and_expired_series_leave_room() -> None:
    """The limit counts the series that are there."""
    table = empty_table(max_series=1)
    table.resolve([(CALLS_STARTED, PA, 1)], NOW)
    table.rollback()
    count(table, (CALLS_STARTED, PA, 1))
    table.expire(NOW + 31 * DAY, never)
    count(table, (CALLS_STARTED, ("vapi", "a2"), 1), now=NOW + 31 * DAY)
    assert only(table, CALLS_STARTED).labels == ("vapi", "a2")


def test_series_of_an_unused_value_expire() -> None:
    """All series of the value go, and those of values in use stay, however old."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1), (HANGS, (*PA, "openai", "m"), 1), (CALLS_STARTED, ("vapi", "a2"), 1))
    count(table, (LLM_RESPONSE, ("vapi", "a2", "openai", "m"), NANO), now=NOW + 20 * DAY)
    numbers = {series.id for series in visible(table) if "a1" in series.labels}
    assert set(table.expire(NOW + 31 * DAY, never)) == numbers
    assert {series.labels for series in visible(table)} == {("vapi", "a2"), ("vapi", "a2", "openai", "m")}
    assert table.expire(NOW + 31 * DAY, never) == []


def test_use_keeps_a_value() -> None:
    """Every increment is a use, one of 0 too."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1))
    count(table, (CALLS_STARTED, PA, 0), now=NOW + 20 * DAY)
    assert table.expire(NOW + 31 * DAY, never) == []
    assert len(table.expire(NOW + 51 * DAY, never)) == 1


def test_an_open_call_keeps_a_value() -> None:
    """What a call may still count under stays."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1))
    assert table.expire(NOW + 31 * DAY, lambda label, value: (label, value) == ("assistant_id", "a1")) == []


def test_reserved_values_never_expire() -> None:
    """`other` and `unknown` stand for no one who could be gone."""
    table = empty_table()
    count(table, (HANGS, ("vapi", "unknown", "other", "unknown"), 1))
    assert table.expire(NOW + 365 * DAY, never) == []


def test_a_restored_value_keeps_the_time_of_its_last_use() -> None:
    """A restart does not begin the ttl again where the last use is known; where not, the restart counts as one."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 1))
    stored = [series.stored() for series in visible(table)]
    known, unknown = empty_table(), empty_table()
    known.load(stored, {"assistant_id": {"a1": NOW}}, NOW + 20 * DAY)
    unknown.load(stored, None, NOW + 20 * DAY)
    assert len(known.expire(NOW + 31 * DAY, never)) == 1
    assert unknown.expire(NOW + 31 * DAY, never) == []
    assert len(unknown.expire(NOW + 51 * DAY, never)) == 1


def test_a_value_that_comes_back_starts_at_0() -> None:
    """Its series is a new one, with a new number and a new created timestamp."""
    table = empty_table()
    count(table, (CALLS_STARTED, PA, 5))
    before = only(table, CALLS_STARTED)
    table.expire(NOW + 31 * DAY, never)
    count(table, (CALLS_STARTED, PA, 1), now=NOW + 32 * DAY)
    after = only(table, CALLS_STARTED)
    assert (after.cells, after.created) == ([1], NOW + 32 * DAY)
    assert after.id != before.id
