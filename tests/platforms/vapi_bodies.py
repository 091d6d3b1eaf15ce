"""Vapi's bodies for tests: the fixtures, edited, and bodies drawn from the published schemas."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.calls.tally import FIXTURES, payload

SCHEMAS: dict[str, Any] = json.loads((FIXTURES / "vapi" / "schemas.json").read_text())
"""Vapi's OpenAPI schemas of August 2026, without descriptions and without what is never measured."""

ENDED_REASONS = (FIXTURES / "vapi" / "ended-reasons.txt").read_text().split()
"""Documented values of endedReason; the set is open."""

START_MS = 1_767_603_600_000
_CALL_IDS = ("c0a8e1d2-0000-4000-8000-000000000001", "c0a8e1d2-0000-4000-8000-000000000002")
_PROVIDERS = ("openai", "11labs", "deepgram", "custom-llm", "not a label", "")
_WRONG: tuple[Any, ...] = (None, True, "wrong", [], {}, 1e300)


def message(name: str, /, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """A fixture with these fields of its message replaced, or left out where None."""
    body = payload(name, "vapi")
    for field, value in fields.items():
        body["message"][field] = value
        if value is None:
            del body["message"][field]
    return body


class Writer:
    """Writes bodies in the shapes of the schemas, with a value of the wrong type now and then.

    Args:
        rng: decides everything.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def body(self, name: str) -> dict[str, Any]:
        """A body of a message's schema, in its envelope or bare as a client sends it."""
        kind = self._rng.choice(SCHEMAS[name]["properties"]["type"]["enum"])
        written = {**self._object(SCHEMAS[name]), "type": kind}
        return self._rng.choice(({"message": written}, written))

    def _value(self, name: str, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        if name in _SPECIAL:
            return _SPECIAL[name](self._rng)
        if self._rng.random() < 0.04:
            return self._rng.choice(_WRONG)
        for choices in (schema.get("oneOf"), schema.get("allOf")):
            if choices:
                return self._value(name, self._rng.choice(choices))
        if "$ref" in schema:
            return self._value(name, SCHEMAS.get(schema["$ref"].rpartition("/")[2], {"type": "object"}))
        return self._plain(schema)

    def _plain(self, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
        if schema["type"] == "object":
            return self._object(schema)
        if schema["type"] == "array":
            return [self._value("", schema["items"]) for _ in range(self._rng.randint(0, 3))]
        return _SCALARS[schema["type"]](self._rng)

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self._value(name, inner)
            for name, inner in schema.get("properties", {}).items()
            if name in required or self._rng.random() < 0.5
        }


def _service(rng: Random) -> dict[str, Any]:
    return {"provider": rng.choice(_PROVIDERS), "model": rng.choice(("gpt-4.1-mini", "nova-3", 5))}


def _time(rng: Random) -> float:
    return rng.choice((START_MS + rng.randint(0, 20), float(START_MS), -5, 5))


def _reason(rng: Random) -> str:
    return rng.choice((rng.choice(ENDED_REASONS), "pipeline-error-", "Something new.", ""))


_SPECIAL: dict[str, Callable[[Random], Any]] = {
    "id": lambda rng: rng.choice(_CALL_IDS),
    "time": _time,
    "timestamp": _time,
    "endedReason": _reason,
    "successEvaluation": lambda rng: rng.choice(("true", "Good", "7", True, False)),
    "assistant": lambda rng: {"name": "Example", **{part: _service(rng) for part in ("model", "voice", "transcriber")}},
    "transcriber": _service,
    "voice": _service,
    "metadata": lambda rng: {"wordLevelConfidence": [{"confidence": rng.uniform(-0.1, 1.1)} for _ in range(3)]},
}
_SCALARS: dict[str, Callable[[Random], Any]] = {
    "number": lambda rng: rng.choice((rng.randint(-5, 5000), rng.uniform(-1, 100), float("inf"), 0)),
    "boolean": lambda rng: rng.random() < 0.5,
    "string": lambda rng: rng.choice(("", "text", "\ud800", "2026-01-05T09:00:00Z")),
}
