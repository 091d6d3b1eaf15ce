"""Label values: what they may hold, and how both formats write them."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from exporter.events import OTHER, UNKNOWN

FREE: Final = ("assistant_id", "provider", "model", "error_code", "tool")
"""Labels whose values come from payloads. The values of all others are closed lists."""

RESERVED: Final = frozenset({UNKNOWN, OTHER, "all", "transient"})
"""Values that stand for no one in particular: never counted against a limit, never removed."""

NAME_LENGTH: Final = 64

_FREE_VALUE = re.compile(r"[A-Za-z0-9._:/-]{1,64}")


def is_free_value(value: str) -> bool:
    """Whether the value may be that of an unbounded label."""
    return _FREE_VALUE.fullmatch(value) is not None


def clean(value: str) -> str:
    """The value of an unbounded label, ``other`` where it may not be one, ``unknown`` where there is none."""
    if not value:
        return UNKNOWN
    return value if is_free_value(value) else OTHER


def clean_name(name: str) -> str:
    """The name of an assistant without control characters, cut at 64 characters; ``unknown`` where nothing is left."""
    kept = (character for character in name if unicodedata.category(character) not in {"Cc", "Cs"})
    return "".join(kept)[:NAME_LENGTH] or UNKNOWN


def written(names: Iterable[str], values: Iterable[str]) -> str:
    """The label set as both formats write it, without the braces."""
    return ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
