"""What users say in a transcript. Nothing else decodes a text, and this only where sentiment is asked for."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from exporter.platforms.json_decoding import Listed, decode
from exporter.platforms.platform import Said
from exporter.platforms.values import text


class _Utterance(Struct, gc=False):
    role: Any = None
    content: Any = None


class _Call(Struct, gc=False):
    transcript_object: Listed[_Utterance] | None = None


class _Body(Struct, gc=False):
    call: _Call | None = None
    data: _Call | None = None


def said(body: bytes) -> Iterator[Said]:
    """The texts of the user's messages, which have no identity.

    Raises:
        InvalidEvent: the body can't be read with its texts.
    """
    envelope = decode(body, _Body)[0]
    call = envelope.call or envelope.data or _Call()
    for each in call.transcript_object or ():
        if each.role == "user":
            yield Said(None, text(each.content))
