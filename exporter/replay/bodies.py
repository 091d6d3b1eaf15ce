"""Recorded webhook bodies out of a file, in constant memory: JSON values in an array, in lines, or one after the other.

The file is text whose undecodable bytes are kept (``errors="surrogateescape"``), so that a body is judged as if it came
to the webhook.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple, TextIO

_CHUNK: Final = 1 << 20
_MAX_BODY: Final = 64 << 20
"""Characters; no platform sends a body as large."""
_BETWEEN: Final = " \t\r\n,[]\ufeff"
_ADJACENT: Final = re.compile(r"}[ \t]*{")
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
        _, end = _decode(start)
    except json.JSONDecodeError:
        return not following.startswith("{")
    return bool(start[end:].strip(_BETWEEN))


def _lines(file: TextIO, line: str, following: str) -> Iterator[Body]:
    number = 1
    while line:
        if text := line.strip(_BETWEEN):
            yield from _on_line(number, text)
        line, following = following, file.readline(_MAX_BODY)
        number += 1


def _on_line(number: int, text: str) -> Iterator[Body]:
    """The bodies of a line: one, or several behind each other."""
    at = 0
    while _ADJACENT.search(text, at):
        end, complete = _end_of_value(text, at)
        if not complete or end == len(text):
            break
        yield Body(number, _encoded(text[at:end]))
        at = end + len(text[end:]) - len(text[end:].lstrip(_BETWEEN))
    yield Body(number, _encoded(text[at:]))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


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
        yield Body(line, _encoded(text))
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
