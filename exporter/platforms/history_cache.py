"""Beginnings of conversations whose messages are counted: a body that repeats one is not read there again.

Every update of a conversation repeats all of it, and to scan 110 kB takes as long as everything else together. So the
known beginning is taken out of a body before it is decoded, and a mark stands in its place. A beginning is known from
the moment its messages are durable, so what is left out was counted, whatever becomes of the call's state. In a new
process nothing is known, and the first update of a call is read whole.
"""

import re
import secrets
from collections import OrderedDict
from typing import Final

from msgspec import Struct
from xxhash import xxh3_64, xxh3_64_intdigest

from exporter.events import Beginning, Conversation, Event, UserTurn

_MARK: Final = b'[{"%s":0}' % secrets.token_hex(8).encode()
"""Stands for the known beginning; nobody can send it."""
_KIND: Final = b'"conversation-update"'
_TYPE: Final = re.compile(rb'"type"\s*:\s*\Z')
_TYPE_WITHIN: Final = 64
"""Bytes before a value in which its key stands."""
_NAME: Final = b'"messages"'
_ARRAY: Final = re.compile(rb"\s*:\s*(?=\[\s*\{)")
_MAX_KNOWN: Final = 10_000
_MAX_FIRST: Final = 8192
"""Bytes of a first message that a conversation is recognised by; one with a longer first message is not."""
_USERS_KEPT: Final = 2


class Cut(Struct, frozen=True):
    """A body without the beginning that is known.

    Attributes:
        body: the body with a mark in its place.
        call: whose conversation it is.
        beginning: what was taken out.
        hasher: has read what was taken out.
    """

    body: bytes
    call: int
    beginning: Beginning
    hasher: xxh3_64

    def tail(self, array: bytes) -> bytes | None:
        """What follows the beginning in the array that was decoded; None where that is another one than was cut."""
        return array[len(_MARK) :] if array.startswith(_MARK) else None


class HistoryCache:
    """The beginnings that are known, by the first message, the one unused for longest going first."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[int, Beginning]] = OrderedDict()
        # Digests never leave the process, so nobody can prepare histories that have the same one.
        self._seed = secrets.randbits(64)

    def cut(self, body: bytes) -> Cut | None:
        """The conversation-update without what is known of its messages; None where nothing is."""
        start = _start_of_array(body)
        first = start and self._first(body, start)
        if not first or first not in self._known or not _is_update(body, start):
            return None
        self._known.move_to_end(first)
        call, beginning = self._known[first]
        rest = start + beginning.length
        hasher = xxh3_64(memoryview(body)[start:rest], self._seed)
        if rest > len(body) or hasher.intdigest() != beginning.digest:
            return None
        return Cut(body[:start] + _MARK + body[rest:], call, beginning, hasher)

    def begun(self, array: bytes, messages: int, users: list[UserTurn]) -> Beginning | None:
        """An array of so many messages as later updates will begin; None where they can't be recognised."""
        first, end = self._first(array, 0), _end_of_last(array)
        if not first:
            return None
        return Beginning(first, end, xxh3_64_intdigest(memoryview(array)[:end], self._seed), messages, _latest(users))

    def grown(self, cut: Cut, tail: bytes, messages: int, users: list[UserTurn]) -> Beginning:
        """The beginning with so many more messages, those of the tail."""
        more = _end_of_last(tail)
        cut.hasher.update(tail[:more])
        known = cut.beginning
        return Beginning(
            known.first,
            known.length + more,
            cut.hasher.intdigest(),
            known.messages + messages,
            _latest([*known.users, *users]),
        )

    def remember(self, event: Event) -> None:
        """Know the beginning that an event brought, now that it is durable."""
        for fact in event.facts:
            if isinstance(fact, Conversation) and fact.beginning and event.call is not None:
                self._known[fact.beginning.first] = event.call, fact.beginning
                if len(self._known) > _MAX_KNOWN:
                    self._known.popitem(last=False)

    def _first(self, body: bytes, start: int) -> int | None:
        """What a conversation is looked up by: a digest of its beginning up to where a first object ends."""
        end = body.find(b"}", start, start + _MAX_FIRST)
        return None if end < 0 else xxh3_64_intdigest(body[start:end], self._seed)


def _start_of_array(body: bytes) -> int:
    """Where the first array of objects starts that is called messages; 0 where there is none."""
    at = body.find(_NAME)
    while at >= 0:
        if found := _ARRAY.match(body, at + len(_NAME)):
            return found.end()
        at = body.find(_NAME, at + 1)
    return 0


def _is_update(body: bytes, before: int) -> bool:
    """Whether the type stands before that place; other events are measured whole."""
    at = body.find(_KIND, 0, before)
    while at >= 0:
        if _TYPE.search(body, max(0, at - _TYPE_WITHIN), at):
            return True
        at = body.find(_KIND, at + 1, before)
    return False


def _end_of_last(array: bytes) -> int:
    """Length of an array of objects up to the end of its last one; 0 where there is none."""
    return array.rfind(b"}") + 1


def _latest(users: list[UserTurn]) -> tuple[UserTurn, ...]:
    return tuple(users[-_USERS_KEPT:])
