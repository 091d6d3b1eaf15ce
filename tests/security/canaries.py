"""Bodies stuffed with marked text, so that whatever shows up elsewhere can be traced to the field it came from."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

LABEL: Final = "canary-{}x"
"""A form that any label value may have."""
TEXT: Final = 'Ada Example, +1 555 0100: "canary-{}x" \\ <b>'
"""As people write: no label value."""

_MARK: Final = re.compile(r"canary-(\d+)x")
_STRUCTURE: Final = frozenset(
    {
        "type",
        "event",
        "role",
        "status",
        "callType",
        "transcriptType",
        "endedReason",
        "disconnection_reason",
    }
)
"""Fields that decide how the others are read; in a body full of canaries they stay as they are."""


_CALL_IDS: Final = (("call", "id"), ("call", "call_id"), ("data", "conversation_id"))
_ASSISTANT_IDS: Final = (
    ("call", "assistantId"),
    ("assistant", "_id"),
    ("assistant", "id"),
    ("call", "agent_id"),
    ("data", "agent_id"),
)


class Canaries:
    """Hands out canaries and knows where each was put.

    Args:
        form: how one is written; ``{}`` is its number.
    """

    def __init__(self, form: str) -> None:
        self.form = form
        self._places: list[str] = []
        self._once: set[str] = set()

    def __len__(self) -> int:
        return len(self._places)

    def new(self, place: str) -> str:
        """A canary for that place."""
        self._places.append(place)
        return self.form.format(len(self._places) - 1)

    def first(self, place: str) -> bool:
        """Whether this is asked for the first time of that place."""
        known = place in self._once
        self._once.add(place)
        return not known

    def in_(self, text: str | bytes) -> set[str]:
        """The places whose canaries are in the text."""
        shown = text.decode("latin-1") if isinstance(text, bytes) else text
        return {self._places[int(number)] for number in _MARK.findall(shown)}


def stuffed(platform: str, body: dict[str, Any], canaries: Canaries) -> Iterator[bytes]:
    """The body with a canary in every field at once, then of a known assistant, in one field, and as a field's name.

    Each is about a later call of its own, so that none is taken for a repetition or for old news.
    """
    leaves = [(path, value) for path, value in _walk(body) if not isinstance(value, dict | list)]
    full = deepcopy(body)
    for path, value in leaves:
        if isinstance(value, str) and path[-1] not in _STRUCTURE:
            _put(full, path, canaries.new(place(platform, path)))
    yield json.dumps(full).encode()
    yield json.dumps(_of_assistant(full, f"assistant-{len(canaries)}")).encode()
    kind = str(body.get("message", body).get("type") or body.get("event"))
    for path in [path for path, _ in leaves if canaries.first(kind + place(platform, path))]:
        single = _own_call(body, canaries)
        _put(single, path, canaries.new(place(platform, path)))
        yield json.dumps(single).encode()
    objects = [path for path, value in _walk(body) if isinstance(value, dict)]
    for path in [path for path in objects if canaries.first(kind + place(platform, (*path, "<name>")))]:
        named = _own_call(body, canaries)
        _get(named, path)[canaries.new(place(platform, (*path, "<name>")))] = canaries.new(
            place(platform, (*path, "?"))
        )
        yield json.dumps(named).encode()


def paths(body: Any) -> list[Path]:  # noqa: ANN401 - any JSON value
    """Every place in a body, itself first."""
    return [path for path, _ in _walk(body)]


def place(platform: str, path: Path) -> str:
    """A path for people, without the places in arrays."""
    return f"{platform} " + ".".join("[]" if isinstance(part, int) else part for part in path).replace(".[]", "[]")


def _own_call(body: dict[str, Any], canaries: Canaries) -> dict[str, Any]:
    own = deepcopy(body)
    message = own.get("message", own)
    if "timestamp" in message:
        message["timestamp"] += len(canaries)
    for part, key in _CALL_IDS:
        if part in message:
            message[part][key] = f"call-{len(canaries)}"
    if "call_id" in message:
        message["call_id"] = f"call-{len(canaries)}"
    return own


def _of_assistant(body: dict[str, Any], name: str) -> dict[str, Any]:
    message = body.get("message", body)
    for part, key in (*_CALL_IDS, *_ASSISTANT_IDS):
        if part in message:
            message[part][key] = name
    if "call_id" in message:
        message["call_id"] = name
    return body


def _walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - any JSON value
    yield path, value
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(inner, (*path, key))


def _get(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    for part in path:
        value = value[part]
    return value


def _put(value: Any, path: Path, canary: str) -> None:  # noqa: ANN401 - any JSON value
    _get(value, path[:-1])[path[-1]] = canary
