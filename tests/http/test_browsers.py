"""What a browser sends for somebody else is told from what platforms and tools send."""

import pytest
from multidict import CIMultiDict

from exporter.http.browsers import is_cross_site, is_rebound


@pytest.mark.parametrize(
    ("headers", "cross"),
    [
        ({"Host": "localhost:10060"}, False),
        ({}, False),
        ({"Host": "localhost:10060", "Origin": "http://localhost:10060"}, False),
        ({"Host": "LOCALHOST:10060", "origin": "HTTP://localhost:10060", "sec-fetch-site": "same-origin"}, False),
        ({"Host": "localhost:10060", "Sec-Fetch-Site": "none"}, False),
        ({"Host": "localhost:10060", "Origin": "http://evil.example"}, True),
        ({"Host": "localhost:10060", "Origin": "http://localhost:3000"}, True),
        ({"Host": "localhost:10060", "Origin": "null"}, True),
        ({"Host": "localhost:10060", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Host": "localhost:10060", "Sec-Fetch-Site": "same-site"}, True),
    ],
)
def test_cross_site(headers: dict[str, str], cross: bool) -> None:
    """Only browsers send these headers, and they can't be made to leave them out."""
    assert is_cross_site(CIMultiDict(headers)) is cross


@pytest.mark.parametrize(
    ("host", "rebound"),
    [
        ("localhost:10060", False),
        ("localhost", False),
        ("app.localhost:80", False),
        ("127.0.0.1:10060", False),
        ("192.0.2.7", False),
        ("[::1]:10060", False),
        ("[2001:db8::1]", False),
        ("exporter:10060", False),
        ("voice.example.com", False),
        ("VOICE.example.com.:443", False),
        ("", False),
        ("evil.example:10060", True),
        ("127.0.0.1.evil.example", True),
        ("localhost.evil.example:10060", True),
        ("evil.example.", True),
    ],
)
def test_rebound(host: str, rebound: bool) -> None:
    """A name that somebody can register may lead anywhere; an address, or a name without a dot, is nobody's to give."""
    assert is_rebound(CIMultiDict({"Host": host} if host else {}), {"voice.example.com"}) is rebound
