"""Recorded bodies out of files of every form."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.replay.bodies import bodies

VALUES = [{"a": 1, "text": 'brace } and \\" quote'}, {"b": [{"c": "[\n"}]}, {"d": None}]


def read(text: str) -> list[tuple[int, object]]:
    """Line and value of every body."""
    return [(body.line, json.loads(body.data)) for body in bodies(io.StringIO(text))]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, VALUES)),
        "".join(json.dumps(value) + "\r\n\n" for value in VALUES),
        json.dumps(VALUES),
        json.dumps(VALUES, indent=2),
        "\ufeff" + json.dumps(VALUES, indent=1),
        "".join(json.dumps(value, indent=2) for value in VALUES),
        "[\n" + ",\n".join(map(json.dumps, VALUES)) + "\n]\n",
        "\n\n" + json.dumps(VALUES),
        "".join(map(json.dumps, VALUES)),
        " ".join(map(json.dumps, VALUES)) + "\n",
        json.dumps(VALUES[0]) + "\n" + "".join(map(json.dumps, VALUES[1:])) + "\n",
        ",".join(map(json.dumps, VALUES)),
    ],
)
def test_every_form(text: str) -> None:
    """Lines, arrays and values that span lines give the same bodies."""
    assert [value for _, value in read(text)] == VALUES


@given(
    st.lists(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.integers()))),
    st.sampled_from([None, 1]),
)
def test_any_values(values: list[dict[str, object]], indent: int | None) -> None:
    """Whatever strings hold, an array gives its values back."""
    assert [value for _, value in read(json.dumps(values, indent=indent))] == values


def test_lines_are_named_where_bodies_start() -> None:
    """A body comes with the line on which it starts."""
    assert [line for line, _ in read('{"a": 1}\n\n{"b": 2}\n')] == [1, 3]
    assert [line for line, _ in read('[\n  {\n    "a": 1\n  },\n  {"b": 2}\n]')] == [2, 5]


@pytest.mark.parametrize(
    "form", ['{"a": 1}\nno json\n{"b": 2}\n', '[\n{"a": 1},\nno json at all, really none,\n{"b": 2}\n]']
)
def test_bad_line_costs_only_itself(form: str) -> None:
    """What is no value comes as it stands, and those around it are read."""
    data = [body.data for body in bodies(io.StringIO(form))]
    assert data[0] == b'{"a": 1}'
    assert data[1].startswith(b"no json")
    assert data[-1] == b'{"b": 2}'


def test_truncated_value() -> None:
    """A value that the file's end cuts off is one bad body."""
    whole, cut = (body.data for body in bodies(io.StringIO('[{"a": 1}, {"b": "never en')))
    assert (whole, cut) == (b'{"a": 1}', b'{"b": "never en')


def test_values_larger_than_a_chunk() -> None:
    """A value longer than what is read at once is whole."""
    large = [{"text": "x" * 3_000_000}, {"after": 1}]
    assert [value for _, value in read(json.dumps(large, indent=1))] == large
