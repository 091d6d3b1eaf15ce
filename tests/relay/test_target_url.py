"""Where requests go: what may follow a configured URL, and what comes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from exporter.relay.target_url import address, is_suffix


@pytest.mark.parametrize("suffix", ["", "/", "/tools", "/tools/", "/a/b-c/d.e/~f_1", "/...", "/..a", "/a..", "/.well"])
def test_plain_paths_are_passed_on(suffix: str) -> None:
    """Segments of letters, digits and harmless marks may follow."""
    assert is_suffix(suffix)


@pytest.mark.parametrize(
    "suffix",
    [
        "/..",
        "/.",
        "/../x",
        "/./x",
        "/x/..",
        "/x/../y",
        "//x",
        "/x//y",
        "//",
        "x",
        "@evil",
        ":80",
        "/%2e%2e",
        "/..;/x",
        "/a;b",
        "/a\\b",
        "/a\tb",
        "/ä",
        "/a?b",
        "/a#b",
        "/http://evil",
        "/a:b",
        "/a@b",
    ],
)
def test_paths_that_a_server_could_read_otherwise_are_not(suffix: str) -> None:
    """No way up, no empty segment, no host, nothing encoded, no path parameter."""
    assert not is_suffix(suffix)


@pytest.mark.parametrize(
    ("url", "suffix", "query", "result"),
    [
        ("http://app:8080/hook", "", "", "http://app:8080/hook"),
        ("http://app:8080/hook", "/tools", "", "http://app:8080/hook/tools"),
        ("http://app:8080/hook/", "/tools/", "", "http://app:8080/hook/tools/"),
        ("http://app:8080/hook/", "", "", "http://app:8080/hook/"),
        ("http://app", "", "", "http://app/"),
        ("http://app", "/tools", "a=1", "http://app/tools?a=1"),
        ("http://app/hook?key=1", "", "", "http://app/hook?key=1"),
        ("http://app/hook?key=1", "/x", "a=%2F&a=+", "http://app/hook/x?key=1&a=%2F&a=+"),
        ("https://[::1]:8443/a%20b", "/x", "", "https://[::1]:8443/a%20b/x"),
    ],
)
def test_address(url: str, suffix: str, query: str, result: str) -> None:
    """The suffix goes behind the path, the query behind the configured one, and nothing is written anew."""
    assert str(address(url, suffix, query)) == result


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.text(max_size=30))
def test_no_suffix_or_query_leaves_the_configured_place(suffix: str, query: str) -> None:
    """Whatever is let through, scheme, host, port and the beginning of the path stay as configured."""
    if not is_suffix(suffix):
        suffix = ""
    found = address("http://app:8080/hook", suffix, query.replace("#", ""))
    assert found.origin() == URL("http://app:8080")
    assert (found.raw_path + "/").startswith("/hook/")
    assert ".." not in found.raw_path.split("/")
