"""Analysers of these tests."""

import threading
from typing import Final

GATE: Final = threading.Event()
"""Closed, `patient` waits."""
HEARD: Final[list[str]] = []
"""What `listening` was asked."""


def listening(text: str) -> tuple[str, float]:
    """Take note of the text; longer ones sound worse."""
    HEARD.append(text)
    return ("negative", 0.9) if len(text) % 2 else ("positive", 0.6)


def by_length(text: str) -> tuple[str, float]:
    """The same for the same text."""
    return ("negative", "neutral", "positive")[len(text) % 3], len(text) % 10 / 10


def patient(text: str) -> tuple[str, float]:
    """Judge once the gate is open."""
    GATE.wait()
    return by_length(text)


def indiscreet(text: str) -> tuple[str, float]:
    """Fail, and say about what."""
    raise RuntimeError(f"cannot judge {text}")


def quitting(_text: str) -> tuple[str, float]:
    """End, as if it were a command."""
    raise SystemExit(1)


def vague(text: str) -> tuple[str, float]:
    """Give what is no sentiment, or no confidence."""
    return ("gloomy", 0.5) if len(text) % 2 else ("negative", 1.5)


def upset(_text: str) -> tuple[str, float]:
    """Everything is negative."""
    return "negative", 0.95
