"""Whose request it is behind trusted proxies."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from exporter.http.forwarded import client

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1"), ip_network("2001:db8:ffff::/48"))
PROXY = "10.0.0.1"


def asked(*headers: tuple[str, str], peer: str | None = PROXY) -> str | None:
    """Whose request one with these headers is."""
    return client(peer, CIMultiDict(headers), TRUSTED)


@pytest.mark.parametrize(
    ("value", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.1.1.1,10.2.2.2", "192.0.2.7"),
        ("10.3.3.3, 10.1.1.1", "10.3.3.3"),
        ("nonsense, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, nonsense", PROXY),
        ("192.0.2.7,", PROXY),
        ("", PROXY),
        ("192.0.2.999", PROXY),
    ],
)
def test_x_forwarded_for(value: str, whose: str) -> None:
    """The right-most address that no trusted proxy has; what can't be read is the peer's."""
    assert asked(("X-Forwarded-For", value)) == whose


@pytest.mark.parametrize(
    ("value", "whose"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=198.51.100.1, for=192.0.2.7;proto=https;by=10.0.0.9", "192.0.2.7"),
        ('proto=https; for="[2001:db8::7]:4711"', "2001:db8::7"),
        ('for=192.0.2.7, for="10.1.1.1:80"', "192.0.2.7"),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("proto=https", PROXY),
        ("for=192.0.2.7;for=192.0.2.8", PROXY),
    ],
)
def test_forwarded(value: str, whose: str) -> None:
    """RFC 7239 says the same in other words."""
    assert asked(("Forwarded", value)) == whose


def test_several_lines_are_one_list() -> None:
    """Each proxy may add a line of its own."""
    assert asked(("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "192.0.2.7")) == "192.0.2.7"


def test_who_is_not_trusted_is_not_believed() -> None:
    """Nor is anybody without a trusted proxy, or in two headers of which the proxy wrote one."""
    assert asked(("X-Forwarded-For", "192.0.2.7"), peer="203.0.113.1") == "203.0.113.1"
    assert client("203.0.113.1", CIMultiDict({"X-Forwarded-For": "192.0.2.7"}), ()) == "203.0.113.1"
    assert asked(("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.8")) == PROXY
    assert asked(("X-Forwarded-For", "192.0.2.7"), peer=None) is None
    assert asked(peer="::1") == "::1"


@given(st.text(), st.sampled_from(["X-Forwarded-For", "Forwarded"]))
def test_nothing_is_raised(value: str, header: str) -> None:
    """Whatever a client writes there."""
    assert asked((header, value)) is not None
