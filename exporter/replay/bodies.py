"""Recorded webhook bodies out of a file, in constant memory: a JSON value, a JSON array, or JSON lines."""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple, TextIO

_CHUNK: Final = 1 << 20
_MAX_BODY: Final = 64 << 20
"""Characters; no platform sends a body as large."""
_BETWEEN: Final = " \t\r\n,[]\ufeff"
_decode: Final = json.JSONDecoder().raw_decode


class Body(NamedTuple):
    """A body, or what stands where one should be, and the line on which it starts, counted from 1."""

    line: int
    data: bytes


def bodies(file: TextIO) -> Iterator[Body]:
    """Every body of a file."""
    head = file.readline(_MAX_BODY)
    following = file.readline(_MAX_BODY)
    if _spans_lines(head, following):
        yield from _values(file, head + following)
    else:
        yield from _lines(file, head, following)


def _spans_lines(head: str, following: str) -> bool:
    """Whether bodies are not one a line: an array, or a value that goes on below its first line."""
    start = head.lstrip(" \t\ufeff")
    if not start.startswith("{"):
        return start.startswith("[") or not start.strip()
    try:
        _decode(start)
    except json.JSONDecodeError:
        return not following.startswith("{")
    return False


def _lines(file: TextIO, line: str, following: str) -> Iterator[Body]:
    number = 1
    while line:
        if text := line.strip(_BETWEEN):
            yield Body(number, text.encode("utf-8", "replace"))
        line, following = following, file.readline(_MAX_BODY)
        number += 1


def _values(file: TextIO, buffer: str) -> Iterator[Body]:
    """Values one after the other, in an array or not; what is no value is given up to the end of its line."""
    line, at = 1, 0
    while True:
        while at < len(buffer) and buffer[at] in _BETWEEN:
            line += buffer[at] == "\n"
            at += 1
        end, complete = _end_of_value(buffer, at)
        if not complete and len(buffer) - at < _MAX_BODY and (more := file.read(_CHUNK)):
            buffer, at = buffer[at:] + more, 0
            continue
        if at == len(buffer):
            return
        text = buffer[at:end]
        yield Body(line, text.encode("utf-8", "replace"))
        line += text.count("\n")
        at = end


def _end_of_value(buffer: str, at: int) -> tuple[int, bool]:
    """Where the value ends, and whether that is certain however the file goes on."""
    try:
        return _decode(buffer, at)[1], True
    except json.JSONDecodeError as error:
        newline = buffer.find("\n", at)
        broken = error.pos < len(buffer) - 16 and not error.msg.startswith("Unterminated")
        return (len(buffer) if newline < 0 else newline), broken
    except RecursionError:
        return len(buffer), True
