"""What is sent: webhook bodies of invented calls, made distinct by their call ids."""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any, Final

from msgspec import Struct

from exporter.simulate.calls import Traffic
from exporter.simulate.model import PlatformName
from exporter.simulate.scenarios import SCENARIOS
from exporter.simulate.traffic import MONDAY, encode, generate_call

SPAN: Final = 5
"""Updates of one call that are measured: those of two messages fewer to two more than the size that is asked for."""

_calls: Final = count(1)


class Template(Struct, frozen=True):
    """A body that can be made another call's.

    Attributes:
        parts: the bytes between which the call's id stands: its own, and in front of those of its messages.
    """

    parts: tuple[bytes, ...]

    def of(self, call: str) -> bytes:
        """The body as that call's."""
        return call.encode().join(self.parts)


def new_call() -> str:
    """A call's id that nothing was sent of yet."""
    return f"CA{next(_calls):032x}"


def updates(messages: int, calls: int = 4) -> Iterator[list[Template]]:
    """Of each call: the update that comes before those measured, then `SPAN` updates around so many messages."""
    first = messages - SPAN // 2
    for seed in range(calls):
        by_length = _by_length(seed, messages + SPAN)
        yield [_template(by_length[length]) for length in range(first - 1, first + SPAN)]


def growing(messages: int) -> list[Template]:
    """Every update of one call of so many messages, from the first to the last."""
    by_length = _by_length(1, messages)
    return [_template(by_length[length]) for length in range(1, messages + 1)]


def conversation(platform: PlatformName, messages: int) -> Template:
    """An update of a call on a platform, with about so many messages."""
    made = _deliveries(1, "normal", messages, platform)
    found = [body for body in made if body["message"]["type"] == "conversation-update"]
    return _template(min(found, key=lambda body: abs(len(body["message"]["messages"]) - messages)))


def hangs(size: int = 2048, calls: int = 4) -> list[list[Template]]:
    """Of each call: the conversation before its hang, then the hang, of about as many bytes as the documented one."""
    found: list[tuple[Any, Any]] = []
    for seed in range(100):
        made = [body for body in _deliveries(seed, "hang-storm", turns=6) if body["message"].get("messages")]
        kinds = [body["message"]["type"] for body in made]
        place = kinds.index("hang") if "hang" in kinds else 0
        if place:
            found.append((made[place - 1], made[place]))
    found.sort(key=lambda pair: abs(len(encode(pair[1])) - size))
    return [[_template(before), _template(hang)] for before, hang in found[:calls]]


def _by_length(seed: int, messages: int) -> dict[int, Any]:
    """Conversation updates of a call by the number of their messages; short calls stand in for none."""
    made = _deliveries(seed, "normal", turns=messages)
    found = [body for body in made if body["message"]["type"] == "conversation-update"]
    return {len(body["message"]["messages"]): body for body in found}


def _deliveries(seed: int, scenario: str, turns: int, platform: PlatformName = "interactly") -> list[Any]:
    traffic = Traffic(platforms=(platform,), turns=turns)
    made = generate_call(Random(seed), MONDAY + seed, SCENARIOS[scenario], traffic=traffic)
    return [delivery.body for delivery in made]


def _template(body: Any) -> Template:  # noqa: ANN401 - JSON
    call = encode(body["message"]["call"]["id"])[1:-1]
    # No two calls of a platform have a message in common: conversations are recognised by their first one.
    own = encode(body).replace(b'"messageId":"', b'"messageId":"' + call + b"-")
    return Template((*own.split(call),))
