import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.catalogue import LABEL_OVERFLOWS, LABEL_VALUES
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.label_values import FREE, RESERVED, clean, clean_name, is_free_value, written

DAY = 86_400.0


def _limits(**max_values: int) -> LabelLimits:
    return LabelLimits(max_values, max_series=100, ttl=30 * DAY)


def _size(limits: LabelLimits, label: str) -> int:
    return dict(limits.sizes()[1])[label,]


@pytest.mark.parametrize("value", ["gpt-4o", "us.anthropic/claude:0", "A_b", "x" * 64])
def test_a_proper_value_stays(value: str) -> None:
    """Letters, digits and ``._:/-`` up to 64 characters are kept as they are."""
    assert clean(value) == value


@pytest.mark.parametrize("value", ["a b", "x" * 65, 'quo"te', "naïve", "line\n", "+15550100", "{}"])
def test_an_improper_value_is_other(value: str) -> None:
    """Anything else is `other`, so that no text or phone number becomes a label."""
    assert clean(value) == "other"


def test_no_value_is_unknown() -> None:
    """An empty string is a value that the payload lacks."""
    assert clean("") == "unknown"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada Example's desk", "Ada Example's desk"),
        ("tab\tand\nline\x7f\x85", "tabandline"),
        ("half \ud83d pair", "half  pair"),
        ("日本語 👩‍⚕️", "日本語 👩‍⚕️"),
        ("x" * 70, "x" * 64),
        ("\n", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_name_keeps_everything_but_control_characters(name: str, shown: str) -> None:
    """An assistant's name may hold any text, cut at 64 characters."""
    assert clean_name(name) == shown


@given(st.text(st.characters(codec=None), max_size=80))
def test_a_name_can_always_be_written(name: str) -> None:
    """No name is too long, breaks a line, or cannot be encoded."""
    shown = clean_name(name)
    assert 1 <= len(shown) <= 64
    assert not any(unicodedata.category(character) == "Cc" for character in shown)
    shown.encode()


def test_label_values_are_escaped() -> None:
    r"""Backslash, quote and line feed become ``\\``, ``\"`` and ``\n``."""
    assert written(("a", "b"), ('x"y\\z', "1\n2")) == r'a="x\"y\\z",b="1\n2"'


def test_values_up_to_the_limit_are_admitted() -> None:
    """The limit is the number of distinct values, however often they come."""
    limits = _limits(model=2)
    assert [limits.admit("model", value, 0.0) for value in ("m1", "m2", "m1", "m3", "m2")] == [
        "m1",
        "m2",
        "m1",
        "other",
        "m2",
    ]
    assert _size(limits, "model") == 2


def test_each_time_a_value_is_one_too_many_counts() -> None:
    """Overflows are increments, handed out once and summed by label."""
    limits = _limits(model=0, tool=0)
    for label, value in (("model", "m1"), ("model", "m1"), ("tool", "t1")):
        limits.admit(label, value, 0.0)
    assert sorted(limits.overflows(), key=lambda each: each[1]) == [
        (LABEL_OVERFLOWS, ("model",), 2),
        (LABEL_OVERFLOWS, ("tool",), 1),
    ]
    assert list(limits.overflows()) == []


def test_an_improper_value_is_no_overflow() -> None:
    """It is `other` for its form, not for want of room."""
    limits = _limits(model=0)
    assert limits.admit("model", "not proper", 0.0) == "other"
    assert list(limits.overflows()) == []


@pytest.mark.parametrize("value", sorted(RESERVED))
def test_reserved_values_need_no_room(value: str) -> None:
    """`unknown`, `other`, `all` and `transient` pass a full label and take no place in one that has room."""
    limits = _limits(assistant_id=0)
    assert limits.admit("assistant_id", value, 0.0) == value
    assert list(limits.overflows()) == []
    assert _size(limits, "assistant_id") == 0


def test_closed_labels_are_left_alone() -> None:
    """Only free labels are limited; the values of the others are closed lists."""
    limits = LabelLimits(dict.fromkeys(FREE, 0), 0, DAY)
    assert limits.admit("role", "any thing", 0.0) == "any thing"


def test_a_label_without_limit_takes_any_number() -> None:
    """A label that max_values does not name is unlimited, as is one with a huge number."""
    limits = _limits(tool=10**12)
    for label in ("tool", "model"):
        assert [limits.admit(label, f"v{i}", 0.0) for i in range(1000)] == [f"v{i}" for i in range(1000)]


def test_a_rollback_gives_the_place_back() -> None:
    """A value of a batch that failed does not count; one that was committed does."""
    limits = _limits(model=2)
    limits.admit("model", "kept", 0.0)
    limits.commit()
    limits.admit("model", "kept", 1.0)
    limits.admit("model", "lost", 1.0)
    limits.rollback()
    assert limits.fold("model", "kept") == "kept"
    assert limits.admit("model", "next", 2.0) == "next"
    assert limits.fold("model", "lost") == "other"


def test_restored_values_stay_beyond_a_lowered_limit() -> None:
    """A restart with a lower limit keeps what was counted, and admits no more."""
    limits = _limits(model=1)
    for value in ("m1", "m2", "other"):
        limits.restore("model", value, 0.0)
    assert _size(limits, "model") == 2
    assert limits.admit("model", "m2", 0.0) == "m2"
    assert limits.admit("model", "m3", 0.0) == "other"


def test_unused_values_retire_after_the_ttl() -> None:
    """A value goes when neither its admission, nor a series, nor an open call is younger than the ttl."""
    limits = _limits()
    for value in ("idle", "series", "call"):
        limits.admit("assistant_id", value, 0.0)
    limits.admit("assistant_id", "fresh", DAY)
    limits.touch("assistant_id", "series", DAY)
    limits.touch("assistant_id", "idle", -1.0)
    limits.touch("assistant_id", "unknown to all", DAY)
    gone = limits.retire(30 * DAY + 1, lambda label, value: (label, value) == ("assistant_id", "call"))
    assert gone == {"assistant_id": {"idle"}}
    assert limits.retire(30 * DAY + 1, lambda _, value: value == "call") == {}
    assert _size(limits, "assistant_id") == 3


def test_admission_is_a_use() -> None:
    """A value that is asked for again is as fresh as a new one."""
    limits = _limits()
    limits.admit("assistant_id", "a1", 0.0)
    limits.admit("assistant_id", "a1", 20 * DAY)
    assert limits.retire(31 * DAY, lambda *_: False) == {}


def test_a_retired_value_leaves_room() -> None:
    """The place of a value that went is free for another."""
    limits = _limits(model=1)
    limits.admit("model", "old", 0.0)
    assert limits.fold("model", "new") == "other"
    limits.retire(31 * DAY, lambda *_: False)
    assert limits.admit("model", "new", 31 * DAY) == "new"


def test_sizes_name_every_free_label() -> None:
    """voice_exporter_label_values has a row for each unbounded label, 0 included."""
    limits = _limits()
    limits.admit("tool", "lookup", 0.0)
    assert limits.sizes() == (LABEL_VALUES, [((label,), int(label == "tool")) for label in FREE])


@given(st.text(max_size=70))
def test_whatever_comes_in_only_proper_values_come_out(value: str) -> None:
    """Every admitted value may stand in a label."""
    assert is_free_value(_limits(model=1).admit("model", value, 0.0))
