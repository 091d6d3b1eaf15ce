"""What keys of a YAML file may take: the kinds that any table of keys needs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from exporter.errors import Fault, Invalid
from exporter.yamlfile.durations import format_duration, parse_duration
from exporter.yamlfile.schema import Kind, unknown
from exporter.yamlfile.tree import Node

MAX_INTEGER: Final = 2**31 - 1


def kind(expects: str, convert: Callable[[Any], Any], show: Callable[[Any], str] = str) -> Kind:
    """A kind whose values pass ``convert``; it raises ValueError or TypeError for those that do not."""

    def read(node: Node) -> Any:  # noqa: ANN401 - the kind says what it is
        try:
            return convert(node.value)
        except (ValueError, TypeError):
            raise Invalid(node.fault(f"expected {expects}")) from None

    return Kind(expects, read, show)


def integer(low: int = 1) -> Kind:
    """A whole number from ``low`` up to what any of our limits can mean."""

    def convert(value: object) -> int:
        if type(value) is not int or not low <= value <= MAX_INTEGER:
            raise ValueError
        return value

    return kind(f"a whole number from {low} to {MAX_INTEGER}", convert)


def duration(*, zero: bool = False) -> Kind:
    """A duration in seconds; ``zero`` says whether it may be 0."""

    def convert(value: object) -> float:
        seconds = parse_duration("0") if value == 0 and type(value) is int else parse_duration(text(value))
        if not seconds and not zero:
            raise ValueError
        return seconds

    return kind(f"a duration{'' if zero else ' above 0'} such as 10s, 5m or 1h30m", convert, format_duration)


def choice(*names: str) -> Kind:
    """One of some names."""

    def convert(value: object) -> str:
        if value not in names:
            raise ValueError
        return text(value)

    return kind(f"one of {', '.join(names)}", convert)


def text(value: object) -> str:
    """The value if it is text.

    Raises:
        TypeError: it is another type.
    """
    if not isinstance(value, str):
        raise TypeError
    return value


def number(value: object) -> float:
    """The value if it is a finite number.

    Raises:
        ValueError: it is another type, infinite, or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_INTEGER:
        raise ValueError
    return float(value)


def listed(of: Kind, plural: str) -> Kind:
    """A list of values of one kind."""

    def read(node: Node) -> tuple[Any, ...]:
        if not isinstance(node.value, list):
            raise Invalid(node.fault(f"expected a list of {plural}, such as [a, b]"))
        values: list[Any] = []
        faults: list[Fault] = []
        for item in node.value:
            try:
                values.append(of.read(item))
            except Invalid as error:
                faults += error.faults
        if faults:
            raise Invalid(*faults)
        return tuple(values)

    below = tuple(replace(key, path=f"[].{key.path}") for key in of.keys)
    return Kind(f"a list of {plural}", read, lambda value: ", ".join(map(of.show, value)) or "none", below)


def mapped(kinds: Mapping[str, Kind], expects: str, show: Callable[[Any], str] = str) -> Kind:
    """Values by name, each of the kind that its name has; an empty section has none."""

    def read(node: Node) -> Mapping[str, Any]:
        if not isinstance(node.value, dict | None):
            raise Invalid(node.fault(f"expected {expects}"))
        entries = node.value or {}
        values: dict[str, Any] = {}
        faults = [inner.fault(unknown(name, kinds)) for name, inner in entries.items() if name not in kinds]
        for name in (name for name in entries if name in kinds):
            try:
                values[name] = kinds[name].read(entries[name])
            except Invalid as error:
                faults += error.faults
        if faults:
            raise Invalid(*faults)
        return MappingProxyType(values)

    return Kind(expects, read, show)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _rate(value: object) -> float | None:
    if value is not None and number(value) <= 0:
        raise ValueError
    return None if value is None else number(value)


BOOLEAN: Final = kind("true or false", _boolean, lambda value: str(value).lower())
RATE: Final = kind("a number above 0, or null", _rate, lambda value: "none" if value is None else f"{value:g}")
TEXT: Final = kind(
    "text, in quotes where it could be a number, a date, yes or no", text, lambda value: value or "empty"
)
