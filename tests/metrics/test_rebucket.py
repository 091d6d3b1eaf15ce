from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from exporter.events import Distribution
from exporter.metrics.metric import NANO
from exporter.metrics.rebucket import spread

AMOUNTS = st.lists(st.integers(0, 20 * NANO), min_size=1, max_size=12, unique=True).map(sorted)


def _nanos(*seconds: float) -> tuple[int, ...]:
    return tuple(round(second * NANO) for second in seconds)


def test_a_bound_that_both_have_is_exact() -> None:
    """Where the intervals end at our bounds, their counts are the buckets."""
    distribution = Distribution(_nanos(0, 0.1, 0.3, 1), (4, 3, 2, 1), 0)
    assert spread(distribution, _nanos(0.1, 0.3, 1)) == [4, 3, 2, 1]


def test_a_missing_bound_gets_its_share_of_the_interval() -> None:
    """Of 10 between 0 and 1 s, floor(10 x 0.25) lie below 0.25 s and floor(10 x 0.59) below 0.59 s."""
    distribution = Distribution(_nanos(0, 1), (10, 0), 0)
    assert spread(distribution, _nanos(0.25, 0.59, 1)) == [2, 3, 5, 0]


def test_the_share_adds_to_what_lies_below_the_interval() -> None:
    """The intervals before it count in full."""
    distribution = Distribution(_nanos(0, 1, 3), (5, 4, 1), 0)
    assert spread(distribution, _nanos(2)) == [7, 3]


def test_the_open_interval_is_not_shared() -> None:
    """Bounds above the last lower bound get only what lies below it: nobody knows how far up the rest goes."""
    distribution = Distribution(_nanos(0, 3), (2, 6), 0)
    assert spread(distribution, _nanos(3, 5, 10)) == [2, 0, 0, 6]


def test_nothing_lies_below_the_first_lower_bound() -> None:
    """A distribution that starts above a bound leaves its bucket empty."""
    distribution = Distribution(_nanos(1, 2), (3, 1), 0)
    assert spread(distribution, _nanos(0.5, 1, 2)) == [0, 0, 3, 1]


def test_an_empty_distribution_has_empty_buckets() -> None:
    """No intervals, no counts."""
    assert spread(Distribution((), (), 0), _nanos(1, 2)) == [0, 0, 0]


@given(AMOUNTS, AMOUNTS, st.data())
def test_every_count_stays_and_shared_bounds_are_exact(
    lower: list[int], bounds: list[int], data: st.DataObject
) -> None:
    """Whatever the bounds: no count is lost or negative, and a bound of both has what the distribution says."""
    counts = tuple(data.draw(st.lists(st.integers(0, 500), min_size=len(lower), max_size=len(lower))))
    buckets = spread(Distribution(tuple(lower), counts, 0), bounds)
    assert sum(buckets) == sum(counts)
    assert min(buckets) >= 0
    for bound, cumulative in zip(bounds, accumulate(buckets), strict=False):
        if bound in lower:
            assert cumulative == sum(counts[: lower.index(bound)])
