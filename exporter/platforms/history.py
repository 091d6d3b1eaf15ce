"""A conversation's history as bytes: what an earlier update already brought is recognised without being decoded."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from exporter.errors import InvalidEvent
from exporter.events import Cursor, Message
from exporter.platforms.history_cache import HISTORY_CACHE, Cut, Known, digest
from exporter.platforms.json_decoding import MAX_ITEMS, decode

_T = TypeVar("_T")


class RawHistory(Generic[_T]):
    """The JSON array of a conversation's messages, decoded only as far as it is new.

    Args:
        raw: the array's bytes.
        kind: the array as a type: a list of the struct that one message is on the wire.
        convert: what one message says; None where nothing can be counted of it.
        cut: what of the array was recognised already.

    Raises:
        InvalidEvent: no conversation is that long.
    """

    def __init__(
        self,
        raw: msgspec.Raw | memoryview,
        kind: type[list[_T]],
        convert: Callable[[_T], Message | None],
        cut: Cut | None = None,
    ) -> None:
        self._raw = raw if isinstance(raw, memoryview) else bytes(raw)
        self._cut = cut
        known = cut.known if cut else Known(Cursor(0, 0), 0)
        tail = bytes(self._raw[known.cursor.length :])
        self._end = _end_of_last(tail) if cut is None else known.cursor.length + tail.rfind(b"}") + 1
        self._braces = known.braces + tail.count(b"{")
        self._kind = kind
        self._convert = convert
        self._by_key: dict[int, Message] | None = None
        # Each message has a brace, so most histories need not be looked at.
        if self._braces > MAX_ITEMS and (length(msgspec.Raw(self._raw)) or 0) > MAX_ITEMS:
            raise InvalidEvent(f"the conversation has more than {MAX_ITEMS} messages")

    def since(self, cursor: Cursor | None) -> tuple[list[Message], Cursor | None]:
        """The messages after ``cursor``, or all of them where the beginning changed, and the new cursor."""
        raw, end = self._raw, self._end
        if not end:
            return [], None
        read = Cursor(end, self._digest())
        HISTORY_CACHE.remember(raw, Known(read, self._braces))
        if cursor is None or not self._begins_as(cursor):
            return self._messages(bytes(raw)), read
        tail = bytes(raw[cursor.length : end]).lstrip()
        return (self._messages(b"[" + tail[1:] + b"]") if tail else []), read

    def find(self, key: int) -> Message | None:
        """The message with that key, wherever it stands."""
        if self._by_key is None:
            # Whoever looks for one message that is missing may look for thousands.
            self._by_key = {message.key: message for message in reversed(self._messages(bytes(self._raw)))}
        return self._by_key.get(key)

    def __bool__(self) -> bool:
        return self._end > 0

    def _begins_as(self, cursor: Cursor) -> bool:
        if self._cut and self._cut.known.cursor == cursor:
            return True
        return cursor.length <= self._end and digest(self._raw, cursor.length) == cursor.digest

    def _digest(self) -> int:
        """Digest of everything up to the end of the last message."""
        if self._cut is None:
            return digest(self._raw, self._end)
        hasher = self._cut.hasher.copy()
        hasher.update(self._raw[self._cut.known.cursor.length : self._end])
        return hasher.intdigest()

    def _messages(self, array: bytes) -> list[Message]:
        wire, _ = decode(array, self._kind)
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
