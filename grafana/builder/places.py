"""Places for thresholds in what the builder writes: an operator's own numbers come there when `assets` renders it."""

from operator import attrgetter
from typing import Final, NamedTuple, Self

from exporter.assets import load
from exporter.assets.dashboards import fill

DEFAULTS: Final = load()


class Number(float):
    """A threshold by its key: a number for the typed builders, a place in the template."""

    key: str

    def __new__(cls, key: str) -> Self:
        """The threshold with that key, such as ``hang_rate.critical``."""
        number = super().__new__(cls, attrgetter(key)(DEFAULTS))
        number.key = key
        return number


class Window(NamedTuple):
    """How far back a query looks: as a range, and in seconds."""

    range: str
    seconds: str


RANGE: Final = Window("$__range", "$__range_s")
"""The time range that the dashboard shows."""


def text(key: str, form: str) -> str:
    """The place of a threshold in a query or in words."""
    place = f"<<{key}:{form}>>"
    fill(place, DEFAULTS)
    return place


def window(key: str) -> Window:
    """The window of a threshold."""
    return Window(text(key, "duration"), text(key, "number"))


def plain(value: object) -> object:
    """What the builders made as plain JSON values, with places where the numbers are thresholds."""
    if isinstance(value, Number):
        return f"<<{value.key}>>"
    if to_json := getattr(value, "to_json", None):
        return plain(to_json())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
