"""Which headers pass, and which are added."""

from collections.abc import Iterable

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy

from exporter.relay import headers


def onward(*sent: tuple[str, str], secret: Iterable[str] = ()) -> CIMultiDict[str]:
    """The headers of a request to an application."""
    request = make_mocked_request("POST", "/webhook/vapi", headers=CIMultiDict([("Host", "voice.example"), *sent]))
    return CIMultiDict(headers.onward(request.clone(remote="192.0.2.7"), frozenset(secret)))


def test_what_matters_goes_on_in_order_and_repeated() -> None:
    """Names, values, order and repetitions stay; the exporter's own come behind."""
    sent = [
        ("Content-Type", "application/json"),
        ("X-Call-Id", "c1"),
        ("x-tag", "a"),
        ("X-Tag", "b"),
        ("Cookie", "c=1"),
    ]
    assert list(onward(*sent).items())[: len(sent)] == sent


def test_what_is_added() -> None:
    """Who asked, how, for which host, and through whom."""
    assert list(onward().items()) == [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "voice.example"),
        ("Via", "1.1 voice-exporter"),
    ]


def test_what_a_proxy_in_front_said_is_kept() -> None:
    """The list of addresses grows; scheme and host are those that the first proxy saw."""
    sent = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "https")]
    passed = onward(*sent, ("X-Forwarded-Host", "public.example"), ("Via", "1.1 nginx"))
    assert passed.getall("X-Forwarded-For") == ["203.0.113.9, 10.0.0.1, 192.0.2.7"]
    assert passed.getall("X-Forwarded-Proto") == ["https"]
    assert passed.getall("X-Forwarded-Host") == ["public.example"]
    assert passed.getall("Via") == ["1.1 nginx, 1.1 voice-exporter"]


PER_CONNECTION = ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"]


@pytest.mark.parametrize(
    "name", [*PER_CONNECTION, "Proxy-Authenticate", "Proxy-Authorization", "Expect", "Content-Length", "Host"]
)
def test_what_belongs_to_the_connection_stays(name: str) -> None:
    """RFC 9110, 7.6.1, and what the next connection has of its own."""
    assert name not in onward((name, "x"))


def test_what_connection_names_stays() -> None:
    """Headers that Connection names belong to it, however it is written; X-Forwarded-For is added all the same."""
    passed = onward(("Connection", "close, X-Hop ,"), ("connection", "x-FORWARDED-for"), ("X-Hop", "1"), ("X-End", "2"))
    assert "X-Hop" not in passed
    assert passed["X-End"] == "2"
    assert passed["X-Forwarded-For"] == "192.0.2.7"


def test_the_secret_stays() -> None:
    """Headers that carry the webhook's secret are left out, each time they come."""
    passed = onward(("X-Vapi-Secret", "s"), ("x-vapi-secret", "t"), ("X-Other", "o"), secret={"x-vapi-secret"})
    assert "x-vapi-secret" not in passed
    assert passed["X-Other"] == "o"


def test_bytes_that_are_no_text_are_left_out() -> None:
    """They are read as surrogates, which could not be sent."""
    answer = CIMultiDictProxy(CIMultiDict([("X-Name", "Jos\udce9"), ("X-City", "Köln")]))
    assert headers.back(answer) == (("X-Name", "Jos"), ("X-City", "Köln"))


def test_the_way_back() -> None:
    """An answer's headers come back, repeated ones too, without those of its connection."""
    answer = CIMultiDict(
        [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "X-Hop"), ("X-Hop", "1"), ("Content-Length", "5")]
    )
    answer.add("Transfer-Encoding", "chunked")
    passed = headers.back(CIMultiDictProxy(answer))
    assert passed == (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "5"))


def test_hops() -> None:
    """Each exporter on the way is one, however Via is written; other proxies are none."""
    via = CIMultiDict([("Via", "1.1 nginx, 1.1 voice-exporter"), ("Via", "1.1 voice-exporter")])
    assert headers.hops(make_mocked_request("POST", "/", headers=via)) == 2
    assert headers.hops(make_mocked_request("POST", "/")) == 0
