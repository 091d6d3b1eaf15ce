"""A conversation's history: the messages of an update, decoded only as far as they are not known to be counted."""

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

import msgspec

from exporter.errors import InvalidEvent
from exporter.events import Conversation, Fact, Message, UserTurn
from exporter.platforms.history_cache import Cut, HistoryCache
from exporter.platforms.json_decoding import MAX_ITEMS, decode

_T = TypeVar("_T")


class History(Generic[_T]):
    """Reads one platform's arrays of messages.

    Args:
        kind: the array as a type: a list of the struct that one message is on the wire.
        convert: what one message says; None where nothing can be counted of it.
    """

    def __init__(self, kind: type[list[_T]], convert: Callable[[_T], Message | None]) -> None:
        self._kind: Final = kind
        self._convert: Final = convert

    def whole(self, array: bytes, cache: HistoryCache | None = None) -> Conversation:
        """All messages of an array, and how to recognise them in the next one.

        Raises:
            InvalidEvent: no conversation is that long.
        """
        messages, count = self._messages(array, 0)
        return Conversation(messages, (), cache.begun(array, count, _users(messages)) if cache and messages else None)

    def new(self, cut: Cut, call: int, array: bytes, cache: HistoryCache) -> Conversation | None:
        """The messages of a call behind the beginning that was cut; None where only the whole body tells them.

        Raises:
            InvalidEvent: no conversation is that long.
        """
        tail = cut.tail(array)
        if tail is None or call != cut.call:
            return None
        messages, count = self._messages(b"[" + tail.lstrip().removeprefix(b","), cut.beginning.messages)
        users = _users(messages)
        known = {turn.key: turn for turn in cut.beginning.users}
        missing = {message.turn for message in messages if message.turn is not None} - {turn.key for turn in users}
        if not missing <= known.keys():
            return None
        return Conversation(messages, tuple(known[turn] for turn in missing), cache.grown(cut, tail, count, users))

    def _messages(self, array: bytes, before: int) -> tuple[tuple[Message, ...], int]:
        if not array.startswith(b"["):
            return (), 0
        # Each message has a brace, so most histories need not be counted.
        if before + array.count(b"{") > MAX_ITEMS and before + (length(msgspec.Raw(array)) or 0) > MAX_ITEMS:
            raise InvalidEvent(f"the conversation has more than {MAX_ITEMS} messages")
        wire, _ = decode(array, self._kind)
        converted = [self._convert(message) for message in wire]
        return tuple([message for message in converted if message is not None]), len(wire)


def _users(messages: Iterable[Message]) -> list[UserTurn]:
    return [
        UserTurn(message.key, message.time_ms, message.elapsed_ms, message.eou)
        for message in messages
        if message.role == "user"
    ]


def conversation_start(facts: Iterable[Fact]) -> tuple[int, int] | tuple[()]:
    """Time and key of the earliest message that facts tell of: what a conversation is known by that has no call id."""
    said = [message for fact in facts if isinstance(fact, Conversation) for message in fact.messages]
    return min(((message.time_ms or 0, message.key) for message in said), default=())


def length(raw: msgspec.Raw) -> int | None:
    """Number of messages in a history; None where there is no array."""
    try:
        return len(msgspec.json.decode(raw, type=list[msgspec.Raw]))
    except msgspec.ValidationError:
        return None
