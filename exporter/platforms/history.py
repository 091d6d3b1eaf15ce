"""A conversation's history as bytes: what an earlier update already brought is recognised without being decoded."""

import secrets
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec
from xxhash import xxh3_64_intdigest

from exporter.events import Cursor, InvalidEvent, Message
from exporter.platforms.decoding import MAX_ITEMS, decode

_T = TypeVar("_T")
_SEED: Final = secrets.randbits(64)
"""Digests never leave the process, so nobody can prepare histories that have the same one."""


class RawHistory(Generic[_T]):
    """The JSON array of a conversation's messages, decoded only as far as it is new.

    Args:
        raw: the array's bytes.
        kind: struct of one message on the wire.
        convert: what one message says; None where nothing can be counted of it.

    Raises:
        InvalidEvent: no conversation is that long.
    """

    def __init__(self, raw: msgspec.Raw, kind: type[_T], convert: Callable[[_T], Message | None]) -> None:
        self._raw = bytes(raw)
        self._end = _end_of_last(self._raw)
        self._kind = kind
        self._convert = convert
        self._by_key: dict[int, Message] | None = None
        # Each message has a brace, so most histories need not be looked at.
        if self._raw.count(b"{") > MAX_ITEMS and (length(raw) or 0) > MAX_ITEMS:
            raise InvalidEvent(f"the conversation has more than {MAX_ITEMS} messages")

    def since(self, cursor: Cursor | None) -> tuple[list[Message], Cursor | None]:
        """The messages after ``cursor``, or all of them where the beginning changed, and the new cursor."""
        raw, end = self._raw, self._end
        if not end:
            return [], None
        read = Cursor(end, self._digest(end))
        if cursor is None or cursor.length > end or self._digest(cursor.length) != cursor.digest:
            return self._messages(raw), read
        tail = raw[cursor.length : end].lstrip()
        return (self._messages(b"[" + tail[1:] + b"]") if tail else []), read

    def find(self, key: int) -> Message | None:
        """The message with that key, wherever it stands."""
        if self._by_key is None:
            # Whoever looks for one message that is missing may look for thousands.
            self._by_key = {message.key: message for message in reversed(self._messages(self._raw))}
        return self._by_key.get(key)

    def __bool__(self) -> bool:
        return self._end > 0

    def _digest(self, length: int) -> int:
        return xxh3_64_intdigest(memoryview(self._raw)[:length], _SEED)

    def _messages(self, array: bytes) -> list[Message]:
        wire, _ = decode(array, list[self._kind])  # type: ignore[name-defined]  # the kind is known at run time
        converted = [self._convert(message) for message in wire]
        return [message for message in converted if message is not None]


def _end_of_last(array: bytes) -> int:
    """Length of an array of objects up to the end of its last one; 0 where there is none."""
    last = array.rfind(b"}")
    return last + 1 if array.startswith(b"[") else 0


def length(raw: msgspec.Raw) -> int | None:
    """Number of messages in a history; None where there is no array."""
    try:
        return len(msgspec.json.decode(raw, type=list[msgspec.Raw]))
    except msgspec.ValidationError:
        return None
