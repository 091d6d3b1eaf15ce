"""Mappings that grow with a call: an event costs what it changes of them, not what they hold already."""

from collections.abc import Iterator
from copy import copy
from typing import Generic, Self, TypeVar

_V = TypeVar("_V")


class Overlay(Generic[_V]):
    """A mapping of keys to values, none of them None.

    What is kept is shared by all states of a call, and the fold never changes it. What the events of a batch change
    lies over it until the batch is kept.

    Attributes:
        changes: what was set since the last `settle`, by key; None where the key was removed.
    """

    __slots__ = ("_kept", "_size", "changes")

    def __init__(self, kept: dict[int, _V] | None = None) -> None:
        self._kept: dict[int, _V] = kept or {}
        self._size = len(self._kept)
        self.changes: dict[int, _V | None] | None = None

    def fork(self) -> Self:
        """A copy that may be changed without this one changing."""
        forked = copy(self)
        forked.changes = {**(self.changes or {})}
        return forked

    def settle(self) -> None:
        """The changes are kept. States from before them are of no use any more."""
        if not self.changes:
            return
        # An empty one may be shared by all calls.
        kept = self._kept or {}
        for key, value in self.changes.items():
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
        self._kept, self.changes = kept, None

    def get(self, key: int, default: _V) -> _V:
        """The value of a key."""
        if self.changes and key in self.changes:
            value = self.changes[key]
            return default if value is None else value
        return self._kept.get(key, default)

    def items(self) -> Iterator[tuple[int, _V]]:
        """Keys and values, oldest first, as far as nothing changed a value."""
        changes = self.changes or {}
        yield from ((key, value) for key, value in self._kept.items() if key not in changes)
        yield from ((key, value) for key, value in changes.items() if value is not None)

    def __setitem__(self, key: int, value: _V) -> None:
        if key not in self:
            self._size += 1
        self._changing()[key] = value

    def __delitem__(self, key: int) -> None:
        self._size -= 1
        self._changing()[key] = None

    def __contains__(self, key: int) -> bool:
        if self.changes and key in self.changes:
            return self.changes[key] is not None
        return key in self._kept

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overlay) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _changing(self) -> dict[int, _V | None]:
        if self.changes is None:
            self.changes = {}
        return self.changes
