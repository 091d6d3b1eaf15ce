"""Reads simulated traffic the way a receiver would: as decoded bodies, call by call."""

from typing import Any

from msgspec import json

from exporter.simulate import Traffic, bodies

Message = dict[str, Any]


def interactly_calls(seed: int, calls: int = 4, scenario: str = "normal", **traffic: Any) -> list[list[Message]]:  # noqa: ANN401 -- passed on
    """Interactly's messages, call by call, in the order in which they are sent."""
    return _calls(seed, calls, scenario, Traffic(platforms=("interactly",), **traffic))


def vapi_calls(seed: int, calls: int = 4, scenario: str = "normal", **traffic: Any) -> list[list[Message]]:  # noqa: ANN401 -- passed on
    """Vapi's messages, call by call, in the order in which they are sent."""
    return _calls(seed, calls, scenario, Traffic(platforms=("vapi",), **traffic))


def _calls(seed: int, calls: int, scenario: str, traffic: Traffic) -> list[list[Message]]:
    found: dict[str, list[Message]] = {}
    for _, body in bodies(seed, calls, scenario, traffic=traffic):
        message = json.decode(body)["message"]
        found.setdefault(message["call"]["id"], []).append(message)
    return list(found.values())


def of_type(call: list[Message], *types: str) -> list[Message]:
    """The call's messages of these types."""
    return [message for message in call if message["type"] in types]


def report(call: list[Message]) -> Message:
    """The call's only end-of-call report."""
    (found,) = of_type(call, "end-of-call-report")
    return found


def conversation(call: list[Message]) -> list[Message]:
    """The messages of the last conversation update: the whole history, or nothing where nobody talked."""
    updates = of_type(call, "conversation-update")
    return updates[-1]["messages"] if updates else []
