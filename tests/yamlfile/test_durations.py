import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.yamlfile.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("250ms", 0.25),
        ("10s", 10),
        ("90m", 5400),
        ("1h30m", 5400),
        ("2h", 7200),
        ("30d", 2_592_000),
        ("1w", 604_800),
        ("1y", 31_536_000),
        ("1y2w3d4h5m6s7ms", 31_536_000 + 2 * 604_800 + 3 * 86_400 + 4 * 3600 + 5 * 60 + 6.007),
        ("9223372036854ms", 9_223_372_036.854),
    ],
)
def test_durations_are_prometheus_durations(text: str, seconds: float) -> None:
    """Each unit counts as Prometheus counts it."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "5",
            "00",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "1e3s",
            "10 s",
            " 10s",
            "10s ",
            "10s\n",
            "10S",
            "1m1h",
            "1s1s",
        ),
        *("5min", "inf", "nan", "\u0661s", "1_0s", "9" * 5000 + "s", "1s\x00"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """What Prometheus does not read as a duration is refused with a word on how to write it, however long it is."""
    with pytest.raises(ValueError, match=r"is not a duration: write whole numbers with units, such as 10s") as refused:
        parse_duration(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("text", ["293y", "9223372036855ms", "99999999999999999999y"])
def test_durations_end_where_prometheus_ends(text: str) -> None:
    """A duration that Prometheus itself could not hold is refused."""
    with pytest.raises(ValueError, match="is longer than 292 years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (0.25, "250ms"), (18.0, "18s"), (300, "5m"), (5400, "1h30m"), (7200, "2h"), (86_400, "1d")),
        *((30 * 86_400, "30d"), (604_800, "1w"), (8 * 86_400, "8d"), (31_536_000, "1y"), (59.9996, "1m")),
    ],
)
def test_durations_are_written_as_prometheus_writes_them(seconds: float, text: str) -> None:
    """The largest units first; years and weeks only where nothing is left of them; milliseconds are the smallest."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [-0.001, math.inf, -math.inf, math.nan])
def test_what_is_no_duration_cannot_be_written(seconds: float) -> None:
    """Negative and endless spans are refused."""
    with pytest.raises(ValueError, match="seconds are no duration"):
        format_duration(seconds)


@given(st.integers(0, 9_223_372_036_854))
def test_writing_and_reading_give_the_same(milliseconds: int) -> None:
    """A written duration reads back as itself, to the millisecond."""
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000
