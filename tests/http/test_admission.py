"""Limits: rates by source, requests in flight, memory of bodies."""

import pytest

from exporter.errors import Refused
from exporter.http import admission
from exporter.http.admission import Admission, RateLimiter, source


def test_a_source_gets_its_rate_and_no_more() -> None:
    """A source may send as many at once as it may a second, and then one each time its bucket holds one again."""
    limiter = RateLimiter(2.0)

    assert [limiter.allows("a", 0.0) for _ in range(3)] == [True, True, False]
    assert [limiter.allows("a", now) for now in (0.4, 0.5, 0.6, 1.0)] == [False, True, False, True]


def test_a_source_leaves_the_others_their_rate() -> None:
    """One source that used up its rate takes nothing from another."""
    limiter = RateLimiter(1.0)
    limiter.allows("a", 0.0)

    assert not limiter.allows("a", 0.0)
    assert limiter.allows("b", 0.0)


def test_a_rate_below_one_a_second_lets_the_first_in() -> None:
    """A slow rate is a rate, not a ban."""
    limiter = RateLimiter(0.1)

    assert [limiter.allows("a", now) for now in (0.0, 9.0, 10.0)] == [True, False, True]


def test_remembered_sources_are_bounded() -> None:
    """With a million addresses, the one silent for longest is forgotten and the others are kept."""
    limiter = RateLimiter(1.0, max_sources=2)
    for name in ("a", "b", "a", "c"):
        limiter.allows(name, 0.0)

    assert not limiter.allows("a", 0.0)
    assert limiter.allows("b", 0.0)


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
    ],
)
def test_addresses_of_one_host_are_one_source(remote: str | None, expected: str) -> None:
    """An IPv6 host has a whole /64 to send from; an IPv4 address on a dual-stack socket is the same host."""
    assert source(remote) == expected


def test_no_more_than_the_limit_are_under_way() -> None:
    """The request above the limit is refused with 429, and let in once another is done."""
    gate = Admission()
    gate.configure(1, None)

    with gate.enter("a"), pytest.raises(Refused) as refused, gate.enter("b"):
        pytest.fail("the second was let in")
    assert (refused.value.status, refused.value.outcome, refused.value.retry_after) == (429, "limited", 1)
    with gate.enter("b"):
        pass


def test_requests_still_arriving_keep_nobody_out() -> None:
    """A request whose body trickles in does not count against the limit of requests in flight."""
    gate = Admission()
    gate.configure(1, None)

    with gate.enter("slow") as slow:
        slow.stop = print
        with gate.enter("b"):
            pass


def test_a_new_rate_takes_effect() -> None:
    """Limits follow a reload."""
    gate = Admission()
    gate.configure(10, 1.0)
    with gate.enter("a"):
        pass
    with pytest.raises(Refused), gate.enter("a"):
        pass

    gate.configure(10, None)

    with gate.enter("a"):
        pass


def test_the_largest_arriving_body_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """When bodies use all memory, the largest unfinished one is cut off and the small one gets its bytes."""
    monkeypatch.setattr(admission, "MAX_HELD_BYTES", 100)
    gate = Admission()
    gate.configure(10, None)
    with gate.enter("a") as large, gate.enter("b") as small:
        cut: list[str] = []
        large.stop = lambda: cut.append("large")
        small.stop = lambda: cut.append("small")
        large.hold(100)
        small.hold(5)

        assert cut == ["large"]
        assert (large.held, small.held, gate.held) == (0, 5, 5)
    assert gate.held == 0


def test_the_largest_body_is_refused_when_it_asks_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is itself the largest can't push smaller ones out."""
    monkeypatch.setattr(admission, "MAX_HELD_BYTES", 100)
    gate = Admission()
    gate.configure(10, None)
    with gate.enter("a") as large, gate.enter("b") as small:
        small.hold(10)
        small.stop = large.stop = print
        large.hold(90)
        with pytest.raises(Refused) as refused:
            large.hold(1)

        assert refused.value.status == 429
        assert small.held == 10
