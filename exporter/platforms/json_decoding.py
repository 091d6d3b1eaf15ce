"""Tolerant typed decoding: only the fields that are named become objects, and one bad field does not cost the rest."""

import json
import math
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec import Raw, Struct

from exporter.errors import InvalidEvent
from exporter.events import Rejected

_T = TypeVar("_T")
MAX_VALUES: Final = 500_000
"""Values in a body, by its commas; at the largest size of a body by default, 16 bytes each."""
MAX_ITEMS: Final = 10_000
"""Items of an array; a longer one is left out."""
_MAX_FLAWED: Final = 100_000
"""Values in a body that has a mistake, which costs much more to read."""
_MAX_DEPTH: Final = 200
Listed: TypeAlias = Annotated[list[_T], msgspec.Meta(max_length=MAX_ITEMS)]
"""An array on the wire."""

_decoder: Callable[[Any], msgspec.json.Decoder[Any]] = cache(msgspec.json.Decoder)


def decode(body: bytes, kind: type[_T]) -> tuple[_T, tuple[Rejected, ...]]:
    """Decode JSON into structs; a branch of the wrong shape is left out and named.

    Raises:
        InvalidEvent: not JSON, too much of it, or not an object or array where ``kind`` is one.
    """
    _limit(body, MAX_VALUES)
    try:
        return cast("_T", _decoder(kind).decode(body)), ()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _prune(body, kind)


def decoded(body: bytes, kind: type[_T]) -> _T | None:
    """What `decode` gives, None where it gives nothing: for whoever only wants to recognise a body."""
    try:
        return decode(body, kind)[0]
    except InvalidEvent:
        return None


def _limit(body: bytes, values: int) -> None:
    if body.count(b",") > values:
        raise InvalidEvent(f"the body has more than {values} values")


def _repaired(body: bytes) -> bytes:
    """The body as strict JSON, where it is only Python's or JavaScript's (NaN, Infinity, lone surrogates)."""
    try:
        return msgspec.json.encode(_strict(json.loads(body)))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise InvalidEvent("the body is not JSON") from None


def _strict(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    if depth > _MAX_DEPTH:
        raise InvalidEvent("the body is nested too deeply")
    match value:
        case float() if not math.isfinite(value):
            return "not finite"
        case str():
            return value.encode("utf-8", "replace").decode()
        case list():
            return [_strict(item, depth + 1) for item in value]
        case dict():
            return {_strict(key): _strict(item, depth + 1) for key, item in value.items()}
        case _:
            return value


def _prune(body: bytes, kind: type[_T]) -> tuple[_T, tuple[Rejected, ...]]:
    _limit(body, _MAX_FLAWED)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = msgspec.json.decode(_repaired(body))
    rejected: list[Rejected] = []
    fitting = _fit(value, kind, "", rejected)
    if fitting is None:
        raise InvalidEvent("the body is not a JSON object")
    return msgspec.convert(fitting, kind), tuple(rejected)


def _fit(value: Any, kind: Any, path: str, rejected: list[Rejected]) -> Any:  # noqa: ANN401 - any JSON value and type
    """The value without the branches that do not have the shape of ``kind``; None where it has none of it."""
    inner = next((option for option in get_args(kind) if option is not type(None)), None)
    origin = getattr(kind, "__origin__", None)
    listed = origin is list
    if kind is Raw:
        return Raw(msgspec.json.encode(value))
    if isinstance(kind, type) and issubclass(kind, Struct):
        if isinstance(value, dict):
            return _fit_struct(value, kind, path, rejected)
    elif listed:
        if isinstance(value, list) and len(value) <= MAX_ITEMS:
            items = [_fit(item, inner, path, rejected) for item in value]
            return [item for item in items if item is not None]
    elif origin is dict:
        if isinstance(value, dict):
            return value
    else:
        return value if inner is None else _fit(value, inner, path, rejected)
    if value is not None:
        rejected.append(Rejected(path or "message", "too_large" if listed and isinstance(value, list) else "type"))
    return None


def _fit_struct(value: dict[str, Any], kind: type[Struct], path: str, rejected: list[Rejected]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    fitting = {}
    for name, wire in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        if wire in value:
            item = _fit(value[wire], hints[name], f"{path}.{wire}".lstrip("."), rejected)
            if item is not None:
                fitting[wire] = item
    return fitting
