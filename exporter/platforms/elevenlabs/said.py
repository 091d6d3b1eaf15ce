"""What users say in a transcript. Nothing else decodes a text, and this only where sentiment is asked for."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from exporter.platforms.json_decoding import Listed, decode
from exporter.platforms.platform import Said
from exporter.platforms.values import text

_SILENCE: Final = "..."


class _Entry(Struct, gc=False):
    role: Any = None
    message: Any = None


class _Data(Struct, gc=False):
    transcript: Listed[_Entry] | None = None


class _Body(Struct, gc=False):
    data: _Data | None = None


def said(body: bytes) -> Iterator[Said]:
    """The texts of the user's messages, which have no identity; noise and silence are none.

    Raises:
        InvalidEvent: the body can't be read with its texts.
    """
    data = decode(body, _Body)[0].data or _Data()
    for entry in data.transcript or ():
        if entry.role == "user" and entry.message != _SILENCE:
            yield Said(None, text(entry.message))
