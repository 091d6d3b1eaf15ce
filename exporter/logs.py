"""Logs: one line a record on stderr, as logfmt or JSON, that no value can break out of and no payload gets into.

Call sites use the standard library's loggers. What belongs to a record beside its message is a field:
``extra={"platform": name}``, or `log` for fields whose names a log record has itself.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from traceback import walk_tb
from typing import Final, TypeAlias

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
"""Values of ``--log.level``."""

_Fields: TypeAlias = dict[str, object]

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "fields"}
_KEY: Final = re.compile(r"[^A-Za-z0-9_.-]")
_REPR: Final = re.compile(r"\s*[\n\"'(<\[{].*", re.DOTALL)
"""The rest of a library's message from where it may show an object: asyncio prints a failed task and its exception."""

_DEPTH: Final = 8
"""Frames of an exception that are shown, innermost last."""


def setup(level: str, fmt: str) -> None:
    """Send the records of all loggers to stderr; may be called again to change level or format.

    Args:
        level: one of `LEVELS`.
        fmt: one of `FORMATS`.

    Raises:
        ValueError: there is no such level or format.
    """
    if level not in LEVELS or fmt not in FORMATS:
        wrong, known = (level, LEVELS) if level not in LEVELS else (fmt, FORMATS)
        raise ValueError(f"{wrong!r} is none of {', '.join(known)}")
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter(FORMATS[fmt]))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level])
    logging.getLogger("aiohttp.access").disabled = True


def log(logger: logging.Logger, level: int, msg: str, **fields: object) -> None:
    """Log a message with fields, whatever their names."""
    logger.log(level, msg, extra={"fields": fields})


def cause(error: BaseException) -> str:
    """Type of an exception and the lines it came through. Its text may hold content of a payload and stays out."""
    places = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return type(error).__name__ + (f" at {' > '.join(places[-_DEPTH:])}" if places else "")


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only, not when it runs
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Let the record go: the library would print it to the same stderr, arguments and all."""


class _Formatter(logging.Formatter):
    def __init__(self, render: Callable[[_Fields], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        return self._render(_fields(record))


def _fields(record: logging.LogRecord) -> _Fields:
    ours = record.name.partition(".")[0] == "exporter"
    message = _message(record)
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields: _Fields = {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname.lower().replace("warning", "warn"),
        "logger": record.name,
        "msg": message if ours else _REPR.sub("", message),
    }
    if record.exc_info and record.exc_info[1]:
        fields["error"] = cause(record.exc_info[1])
    for name, value in _extra(record) if ours else ():
        key = _KEY.sub("_", name) or "_"
        fields[f"{key}_" if key in fields else key] = value
    return fields


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a slip at a call site is no reason to lose what it had to say
        return str(record.msg)


def _extra(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    yield from ((name, value) for name, value in vars(record).items() if name not in _OWN)
    yield from getattr(record, "fields", {}).items()


def _logfmt(fields: _Fields) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def _quoted(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value)
    plain = text and text.isprintable() and not any(character in ' ="' for character in text)
    return text if plain else json.dumps(text)


def _json(fields: _Fields) -> str:
    return json.dumps({name: _jsonable(value) for name, value in fields.items()})


def _jsonable(value: object) -> object:
    number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if value is None or number else str(value)


FORMATS: Final[Mapping[str, Callable[[_Fields], str]]] = {"logfmt": _logfmt, "json": _json}
"""Values of ``--log.format``."""
