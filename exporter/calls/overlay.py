"""Mappings that grow with a call: an event costs what it changes of them, not what they hold already."""

from abc import abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final, Generic, Self, TypeVar

_V = TypeVar("_V")


class Overlay(Generic[_V]):
    """A mapping of keys to values, none of them None.

    What is kept is shared by all states of a call, and the fold never changes it. What the events of a batch change
    lies over it until the batch is kept.

    Attributes:
        changes: what was set since the last `settle`, by key; None where the key was removed.
    """

    __slots__ = ("_size", "changes")

    def __init__(self, size: int) -> None:
        self._size = size
        self.changes: dict[int, _V | None] | None = None

    def fork(self) -> Self:
        """A copy that may be changed without this one changing."""
        forked = self._copied()
        forked._size = self._size  # noqa: SLF001 - of its own class
        forked.changes = {**(self.changes or {})}
        return forked

    def settle(self) -> None:
        """The changes are kept. States from before them are of no use any more."""
        if self.changes:
            self._keep(self.changes)
        self.changes = None

    def get(self, key: int, default: _V) -> _V:
        """The value of a key."""
        changes = self.changes
        value = changes[key] if changes and key in changes else self._kept(key)
        return default if value is None else value

    def items(self) -> Iterator[tuple[int, _V]]:
        """Keys and values."""
        changes = self.changes or {}
        yield from ((key, value) for key, value in self._all_kept() if key not in changes)
        yield from ((key, value) for key, value in changes.items() if value is not None)

    def __setitem__(self, key: int, value: _V) -> None:
        if key not in self:
            self._size += 1
        self._changing()[key] = value

    def __delitem__(self, key: int) -> None:
        self._size -= 1
        self._changing()[key] = None

    def __contains__(self, key: int) -> bool:
        changes = self.changes
        return (changes[key] if changes and key in changes else self._kept(key)) is not None

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overlay) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _changing(self) -> dict[int, _V | None]:
        if self.changes is None:
            self.changes = {}
        return self.changes

    @abstractmethod
    def _copied(self) -> Self:
        """Another one that shares what is kept."""

    @abstractmethod
    def _kept(self, key: int) -> _V | None:
        """The kept value of a key."""

    @abstractmethod
    def _all_kept(self) -> Iterator[tuple[int, _V]]:
        """What is kept."""

    @abstractmethod
    def _keep(self, changes: Mapping[int, _V | None]) -> None:
        """Change what is kept; that of an empty one may be shared by all calls."""


class Objects(Overlay[_V]):
    """Of few values."""

    __slots__ = ("_objects",)

    def __init__(self, objects: dict[int, _V] | None = None) -> None:
        self._objects: dict[int, _V] = objects or {}
        super().__init__(len(self._objects))

    def _copied(self) -> Self:
        return self.__class__(self._objects)

    def _kept(self, key: int) -> _V | None:
        return self._objects.get(key)

    def _all_kept(self) -> Iterator[tuple[int, _V]]:
        return iter(self._objects.items())

    def _keep(self, changes: Mapping[int, _V | None]) -> None:
        kept = self._objects or {}
        for key, value in changes.items():
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
        self._objects = kept


class Masks(Overlay[int]):
    """Of many unsigned numbers of 32 bits, in 12 bytes each: a dictionary takes 80. Keys have 64 bits."""

    __slots__ = ("_keys", "_masks")

    def __init__(self, masks: Mapping[int, int] | None = None) -> None:
        self._keys, self._masks = _NOTHING
        if masks:
            self._replace(masks)
        super().__init__(len(self._keys))

    def _replace(self, masks: Mapping[int, int]) -> None:
        self._keys = array("q", sorted(masks))
        self._masks = array("I", map(masks.__getitem__, self._keys))

    def _copied(self) -> Self:
        copied = self.__class__()
        copied._keys, copied._masks = self._keys, self._masks  # noqa: SLF001 - of its own class
        return copied

    def _kept(self, key: int) -> int | None:
        keys = self._keys
        place = bisect_left(keys, key)
        return self._masks[place] if place < len(keys) and keys[place] == key else None

    def _all_kept(self) -> Iterator[tuple[int, int]]:
        return zip(self._keys, self._masks, strict=True)

    def _keep(self, changes: Mapping[int, int | None]) -> None:
        if len(changes) * _MANY > len(self._keys) or None in changes.values():
            self._replace(dict(self.items()))
            return
        for key, mask in changes.items():
            place = bisect_left(self._keys, key)
            if self._kept(key) is None:
                self._keys.insert(place, key)
                self._masks.insert(place, mask or 0)
            else:
                self._masks[place] = mask or 0


_MANY: Final = 8
"""Where one in so many keys changes, all are written anew."""
_NOTHING: Final = (array("q"), array("I"))
