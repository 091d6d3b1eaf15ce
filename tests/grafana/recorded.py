"""Recorded traffic, and what it says by itself: worked out from the bodies, with nothing of the exporter."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from exporter.simulate import bodies

SCENARIOS = ("hang-storm", "llm-rate-limit", "audio-quality")
_CALL_ID = re.compile(rb'"call":\{"id":"(CA|WC-)')


def record(start_ms: int) -> list[bytes]:
    """Bodies of Interactly's webhook, of calls of every kind."""
    return [
        body
        for seed, scenario in enumerate(SCENARIOS)
        for platform, body in bodies(20 + seed, 40, scenario, start_ms=start_ms)
        if platform == "interactly"
    ]


def again(sent: Sequence[bytes]) -> list[bytes]:
    """The same calls under other ids."""
    return [_CALL_ID.sub(rb'"call":{"id":"again-\1', body) for body in sent]


@dataclass(frozen=True)
class Said:
    """What bodies say.

    Attributes:
        bodies: in the order in which they were sent.
    """

    bodies: Sequence[bytes]

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """What is in them."""
        return [json.loads(body)["message"] for body in self.bodies]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def calls(self) -> set[str]:
        """Ids of the calls."""
        return {event["call"]["id"] for event in self.events}

    @property
    def hung(self) -> set[str]:
        """Ids of the calls that hung."""
        return {event["call"]["id"] for event in self.of("hang")}

    @property
    def errors(self) -> Counter[str]:
        """Errors by code."""
        return Counter(event["error"]["code"] for event in self.of("error"))

    @property
    def evaluations(self) -> Counter[str]:
        """Calls by success evaluation."""
        return Counter(event["analysis"].get("successEvaluation") or "none" for event in self.of("end-of-call-report"))

    @cached_property
    def conversations(self) -> dict[str, dict[str, dict[str, Any]]]:
        """By call, its messages by id, in their order."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for event in self.of("conversation-update"):
            said = found.setdefault(event["call"]["id"], {})
            for message in event["messages"]:
                said.setdefault(message["messageId"], message)
        return found

    def messages(self, role: str = "") -> Iterator[dict[str, Any]]:
        """All messages, or those of a role."""
        for said in self.conversations.values():
            yield from (message for message in said.values() if role in {"", message["role"]})

    def measured(self, group: str, field: str, **having: object) -> list[float]:
        """A measurement of all messages, where they have it and these fields beside it."""
        groups = (message["metrics"].get(group, {}) for message in self.messages() if message.get("metrics"))
        return [
            found[field]
            for found in groups
            if field in found and all(found.get(name) == value for name, value in having.items())
        ]

    def first_parts(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """The first part of each reply, with the message that it answers."""
        for said in self.conversations.values():
            answered: set[str] = set()
            for message_id, message in said.items():
                turn = "-".join(message_id.split("-")[:2])
                if message["role"] == "assistant" and turn in said.keys() - {message_id} - answered:
                    answered.add(turn)
                    yield message, said[turn]

    def llm(self, field: str) -> list[float]:
        """A measurement of the LLM in the first part of each reply."""
        return [part["metrics"]["llm"][field] for part, _ in self.first_parts() if field in part["metrics"]["llm"]]

    def responses(self) -> list[float]:
        """What callers waited, in milliseconds."""
        elapsed = "totalElapsedTimeMs"
        return [
            part["metrics"]["timeline"][elapsed] - asked["metrics"]["timeline"][elapsed]
            for part, asked in self.first_parts()
        ]
