"""Beginnings of conversations that were read before: a body that repeats one is not scanned there again.

Scanning 110 kB takes as long as everything else together. So the known beginning is taken out of the body before it is
decoded, and a mark stands in its place. That only saves work: a message still counts by its own id.
"""

import secrets
from collections import OrderedDict
from typing import Final

from msgspec import Struct
from xxhash import xxh3_64, xxh3_64_intdigest

from exporter.events import Cursor

_SEED: Final = secrets.randbits(64)
"""Digests never leave the process, so nobody can prepare histories that have the same one."""
_MARK: Final = b'[{"%s":0}' % secrets.token_hex(8).encode()
"""Stands for the known beginning; nobody can send it."""
_ARRAY: Final = b'"messages":[{'
_TYPE: Final = b'"type":"conversation-update"'
_TYPE_WITHIN: Final = 1024
"""Bytes in which the type stands, where the platform writes it; elsewhere the body is read whole."""
_MAX_KNOWN: Final = 10_000
_MAX_FIRST: Final = 8192
"""Bytes of a first message that a conversation is recognised by; one with a longer first message is not."""


class Known(Struct, frozen=True, gc=False):
    """A beginning of an array that was read: its cursor, and how many braces open in it."""

    cursor: Cursor
    braces: int


class Cut(Struct, frozen=True):
    """A body without the beginning that is known.

    Attributes:
        body: the body with a mark in its place.
        known: what was taken out.
        hasher: has read what was taken out.
        whole: the body as it came.
        start: where in it the array begins.
    """

    body: bytes
    known: Known
    hasher: xxh3_64
    whole: bytes
    start: int

    def array(self, raw: bytes) -> memoryview | None:
        """The whole array that was decoded as ``raw``; None where that is another one than was cut."""
        tail = raw[len(_MARK) :]
        rest = self.start + self.known.cursor.length
        if not raw.startswith(_MARK) or not self.whole.startswith(tail, rest):
            return None
        return memoryview(self.whole)[self.start : rest + len(tail)]


class HistoryCache:
    """The beginnings that are known, by the first message, the one unused for longest going first."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Known] = OrderedDict()

    def remember(self, array: bytes | memoryview, known: Known) -> None:
        """Know the beginning of an array from here on."""
        first = bytes(array[:_MAX_FIRST])
        end = first.find(b"}")
        if end > 0:
            self._known[xxh3_64_intdigest(first[:end], _SEED)] = known
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)

    def cut(self, body: bytes) -> Cut | None:
        """The conversation-update without what is known of its messages; None where nothing is."""
        if body.find(_TYPE, 0, _TYPE_WITHIN) < 0:
            return None
        start = body.find(_ARRAY) + len(_ARRAY) - 2
        end = body.find(b"}", start, start + _MAX_FIRST)
        if end < 0 or start < len(_ARRAY):
            return None
        key = xxh3_64_intdigest(body[start:end], _SEED)
        known = self._known.get(key)
        if known is None:
            return None
        self._known.move_to_end(key)
        rest = start + known.cursor.length
        hasher = xxh3_64(memoryview(body)[start:rest], _SEED)
        if rest > len(body) or hasher.intdigest() != known.cursor.digest:
            return None
        return Cut(body[:start] + _MARK + body[rest:], known, hasher, body, start)


def digest(array: bytes | memoryview, length: int) -> int:
    """Digest of the first bytes of an array."""
    return xxh3_64_intdigest(memoryview(array)[:length], _SEED)


HISTORY_CACHE: Final = HistoryCache()
"""Those of the process."""
