"""Exactly once on every platform of the registry, over all of its fixtures: more than one delivery, in any order.

`tests/calls/test_exactly_once.py` has generated calls and lost updates, and says what order may change.
"""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import InvalidEvent
from exporter.platforms import PLATFORMS
from tests.calls.tally import FIXTURES, Tally
from tests.calls.test_exactly_once import totals
from tests.support.effort import effort


def bodies(platform: str) -> list[dict[str, Any]]:
    """The fixtures of a platform that are events."""
    found = []
    for path in sorted((FIXTURES / platform).glob("*.json")):
        try:
            PLATFORMS[platform].parse(path.read_bytes())
        except InvalidEvent:
            continue
        found.append(json.loads(path.read_text()))
    return found


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_counts_something(platform: str) -> None:
    """Its fixtures open and end calls, so that the tests below have something to hold on to."""
    tally = Tally()
    tally.deliver(*bodies(platform), platform=platform)
    counted = totals(tally)
    assert {"voice_calls_started_total", "voice_calls_ended_total", "voice_messages_total"} <= counted.keys()


@pytest.mark.parametrize("platform", PLATFORMS)
@effort(10)
@given(seed=st.integers(0, 2**32))
def test_any_order_gives_the_same_totals(platform: str, seed: int) -> None:
    """However often each event comes and in whatever order, totals are those of one clean delivery."""
    rng, sent = Random(seed), bodies(platform)
    clean, mangled = Tally(), Tally()
    clean.deliver(*sent, platform=platform)
    deliveries = [body for body in sent for _ in range(rng.choice((1, 1, 2, 3)))]
    rng.shuffle(deliveries)
    mangled.deliver(*deliveries, platform=platform)
    assert totals(mangled) == totals(clean)


@pytest.mark.parametrize("platform", PLATFORMS)
@effort(5)
@given(seed=st.integers(0, 2**32))
def test_a_second_delivery_counts_nothing(platform: str, seed: int) -> None:
    """What was delivered once adds nothing when it comes again, in whatever order."""
    sent, tally = bodies(platform), Tally()
    tally.deliver(*sent, platform=platform)
    before = tally.snapshot()
    Random(seed).shuffle(sent)
    assert not any(tally.deliver(*sent, platform=platform))
    assert tally.snapshot() == before
