"""How a report's own distribution is counted in a histogram whose bounds are others."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from exporter.events import Distribution, Nanounits


def spread(distribution: Distribution, bounds: Sequence[Nanounits]) -> list[int]:
    """Counts of a histogram's buckets, not cumulative, the last one open.

    A bound that both have is exact. A bound that the distribution lacks gets what lies below its interval plus
    floor(n x share of the interval); one within the last, open interval gets only what lies below that.
    The counts add up to those of the distribution.
    """
    below = [0, *accumulate(distribution.counts)]
    cumulative = [_below(distribution, below, bound) for bound in bounds]
    return [high - low for low, high in pairwise([0, *cumulative, below[-1]])]


def _below(distribution: Distribution, below: list[int], bound: Nanounits) -> int:
    lower = distribution.lower
    start = bisect_right(lower, bound) - 1
    if start < 0:
        return 0
    if start + 1 == len(lower):
        return below[start]
    share = bound - lower[start]
    return below[start] + distribution.counts[start] * share // (lower[start + 1] - lower[start])
