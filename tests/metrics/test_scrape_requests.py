"""What a scraper may ask for: some families, and one of two formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.catalogue import (
    CALLS_ACTIVE,
    HANGS,
    RESPONSE,
)
from exporter.metrics.exposition import (
    Format,
    negotiate,
    render,
)
from exporter.metrics.metric import NANO
from tests.metrics.scraped import BOTH, OPENMETRICS, PA, TEXT, filled, parsed, scraped


@BOTH
@pytest.mark.parametrize("name", ["voice_hangs", "voice_hangs_total", "voice_hangs_created"])
def test_names_choose_families(fmt: Format, name: str) -> None:
    """A family is shown as a whole, by the name of the family in either format or of any sample."""
    table = filled((HANGS, (*PA, "openai", "m"), 1), (RESPONSE, PA, NANO), (CALLS_ACTIVE, PA, 1))
    samples = parsed(scraped(table, fmt, frozenset({name})), fmt)
    assert {sample for sample, _ in samples} == {"voice_hangs_total", "voice_hangs_created"}


@BOTH
@pytest.mark.parametrize("suffix", ["", "_bucket", "_count", "_sum", "_created"])
def test_any_sample_name_chooses_a_histogram(fmt: Format, suffix: str) -> None:
    """A histogram is never shown in parts."""
    table = filled((HANGS, (*PA, "openai", "m"), 1), (RESPONSE, PA, NANO))
    samples = parsed(scraped(table, fmt, frozenset({f"voice_response_seconds{suffix}"})), fmt)
    parts = {f"voice_response_seconds_{part}" for part in ("bucket", "count", "sum", "created")}
    assert {sample for sample, _ in samples} == parts


@BOTH
def test_names_choose_among_the_families_of_the_process(fmt: Format) -> None:
    """They too are chosen by family or sample."""
    for name in ("process_cpu_seconds", "process_cpu_seconds_total"):
        samples = parsed(scraped(filled(), fmt, frozenset({name})), fmt)
        assert {sample for sample, _ in samples} == {"process_cpu_seconds_total"}


def test_unknown_names_choose_nothing() -> None:
    """A scrape of nothing is empty, or the end mark alone, and never has an empty chunk."""
    nothing = frozenset({"voice_nothing"})
    assert list(render(filled((CALLS_ACTIVE, PA, 1)), TEXT, nothing)) == []
    assert list(render(filled((CALLS_ACTIVE, PA, 1)), OPENMETRICS, nothing)) == [b"# EOF\n"]


def test_content_types_are_those_of_the_two_formats() -> None:
    """Nothing else is ever answered, whatever version a client asks for."""
    assert [fmt.value for fmt in Format] == [
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ]


PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "fmt"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (BROWSER, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=abc", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=0,*/*", TEXT),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;q=.6 , text/*;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;q=0.4,text/*;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.4,*/*;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.1,*/*;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;q=0.9,text/plain;version=0.0.3", OPENMETRICS),
        ("application/openmetrics-text;q=nan,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=,;;=,,", TEXT),
        ("application/openmetrics-text;q=2", TEXT),
    ],
)
def test_the_format_is_what_the_client_prefers(accept: str, fmt: Format) -> None:
    """OpenMetrics where a known version of it is named and at least as welcome as text, else text."""
    assert negotiate(accept) is fmt


@given(
    st.text() | st.lists(st.sampled_from([*';,="/ *', "q", "version", "1.0.0", "٣", "text/plain", "nan"])).map("".join)
)
def test_no_accept_header_is_an_error(accept: str) -> None:
    """Garbage gets a scrape too."""
    assert negotiate(accept) in Format
