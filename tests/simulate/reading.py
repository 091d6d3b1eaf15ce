"""Reads simulated traffic call by call."""

from itertools import islice
from typing import Any

from exporter.simulate import SCENARIOS, Traffic, arriving
from exporter.simulate.traffic import MONDAY

Message = dict[str, Any]


def interactly_calls(seed: int, calls: int = 4, scenario: str = "normal", **traffic: Any) -> list[list[Message]]:  # noqa: ANN401 -- passed on
    """Interactly's messages, call by call, in the order in which they are sent."""
    return _calls(seed, calls, scenario, Traffic(platforms=("interactly",), **traffic))


def vapi_calls(seed: int, calls: int = 4, scenario: str = "normal", **traffic: Any) -> list[list[Message]]:  # noqa: ANN401 -- passed on
    """Vapi's messages, call by call, in the order in which they are sent."""
    return _calls(seed, calls, scenario, Traffic(platforms=("vapi",), **traffic))


def _calls(seed: int, calls: int, scenario: str, traffic: Traffic) -> list[list[Message]]:
    created = islice(arriving(seed, MONDAY, SCENARIOS[scenario], traffic), calls)
    return [[delivery.body["message"] for delivery in call] for _, call in created]


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
