from itertools import islice, pairwise, takewhile
from random import Random

import pytest
from msgspec import json

from exporter.simulate import SCENARIOS, Traffic, arriving, bodies, generate_call, interleaved
from exporter.simulate.traffic import MONDAY, arrivals

HOUR = 3_600_000
MIDNIGHT = MONDAY - 9 * HOUR
NORMAL = SCENARIOS["normal"]


def test_the_same_seed_gives_the_same_bodies() -> None:
    """Bodies, ids and times depend on the seed, the scenario and the start alone."""
    assert list(bodies(7, 20)) == list(bodies(7, 20))


def test_another_seed_gives_other_calls() -> None:
    """Two seeds share no call id."""
    first, second = ({json.decode(body)["message"]["call"]["id"] for _, body in bodies(seed, 20)} for seed in (1, 2))
    assert len(first) == len(second) == 20
    assert not first & second


def test_a_second_run_has_calls_of_its_own() -> None:
    """The same seed at another time gives the same talk under other ids, so that nothing passes for a duplicate."""
    first, second = (
        [(call[0].body["message"]["call"]["id"], len(call)) for _, call in islice(arriving(1, at, NORMAL), 20)]
        for at in (MONDAY, MONDAY + 1)
    )
    assert [events for _, events in first] == [events for _, events in second]
    assert not {call for call, _ in first} & {call for call, _ in second}


def test_the_start_moves_all_times_alike() -> None:
    """A later start shifts when each event is sent and what it says of its time by the same amount."""
    early, late = (generate_call(Random(3), start, NORMAL) for start in (MONDAY, MONDAY + HOUR))
    assert [delivery.at_ms + HOUR for delivery in early] == [delivery.at_ms for delivery in late]
    assert [delivery.body["message"]["timestamp"] + HOUR for delivery in early] == [
        delivery.body["message"]["timestamp"] for delivery in late
    ]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_events_are_sent_in_order_and_never_before_their_time(scenario: str) -> None:
    """Overlapping calls come in the order of sending, each event at most 0.1 s after the time it states."""
    sent = list(interleaved(islice(arriving(5, MONDAY, SCENARIOS[scenario]), 60)))
    assert [delivery.at_ms for delivery in sent] == sorted(delivery.at_ms for delivery in sent)
    lags = [delivery.at_ms - delivery.body["message"]["timestamp"] for delivery in sent]
    assert min(lags) > 0
    assert max(lags) < 100


def test_calls_overlap() -> None:
    """A second call begins before the first is over."""
    ids = [json.decode(body)["message"]["call"]["id"] for _, body in bodies(1, 10)]
    runs = sum(before != after for before, after in pairwise(ids))
    assert runs > 10


def test_the_first_call_comes_at_once_and_others_at_the_rate() -> None:
    """Arrivals begin at the start and come as often as asked."""
    times = list(takewhile(lambda at: at < MONDAY + HOUR // 2, arrivals(Random(1), MONDAY, 60)))
    assert times[0] == MONDAY
    assert len(times) == pytest.approx(1800, rel=0.15)


def test_the_load_follows_the_time_of_day() -> None:
    """Two in the afternoon is three times as busy as two in the morning."""
    times = list(takewhile(lambda at: at < MIDNIGHT + 24 * HOUR, arrivals(Random(1), MIDNIGHT, 60)))
    night, afternoon = (sum(abs(at - MIDNIGHT - hour * HOUR) < HOUR for at in times) for hour in (2, 14))
    assert afternoon / night == pytest.approx(3, rel=0.15)


def test_calls_end_soon_after_the_deadline() -> None:
    """No call is created after the deadline; those in progress have their turn and their end within a minute."""
    deadline = MONDAY + 30_000
    traffic = Traffic(calls_per_minute=120, deadline_ms=deadline)
    calls = list(arriving(2, MONDAY, SCENARIOS["hang-storm"], traffic))
    assert max(at for at, _ in calls) < deadline
    assert max(call[-1].at_ms for _, call in calls) < deadline + 60_000
    assert all(call[-1].body["message"]["type"] == "end-of-call-report" for _, call in calls)


def test_the_deadline_shortens_calls() -> None:
    """Without it the same calls go on for longer."""
    short, long = (
        sum(len(call) for _, call in islice(arriving(2, MONDAY, NORMAL, Traffic(deadline_ms=end)), 20))
        for end in (MONDAY + 30_000, None)
    )
    assert short < long / 2


def test_the_number_of_turns_can_be_given() -> None:
    """With so many turns a conversation has so many messages of the caller."""
    _, call = next(arriving(1, MONDAY, NORMAL, Traffic(platforms=("interactly",), turns=40)))
    messages = call[-1].body["message"]["messages"]
    assert sum(message["role"] == "user" for message in messages) == 40


def test_only_the_platforms_asked_for_appear() -> None:
    """Traffic can be kept to one platform; without that, both come."""
    assert {platform for platform, _ in bodies(1, 20)} == {"interactly", "vapi"}
    assert {platform for platform, _ in bodies(1, 20, traffic=Traffic(platforms=("vapi",)))} == {"vapi"}
