"""What users say in a conversation-update. Nothing else decodes a text, and this only where sentiment is asked for."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from exporter.platforms.interactly.messages import key_of
from exporter.platforms.json_decoding import Listed, decode
from exporter.platforms.platform import Said
from exporter.platforms.values import Values, identifier, text


class _Message(Struct, rename="camel", gc=False):
    message_id: Any = None
    role: Any = None
    timestamp: Any = None
    text: Any = None


class _Content(Struct, gc=False):
    messages: Listed[_Message] | None = None


class _Body(Struct, gc=False):
    message: _Content | None = None


def said(body: bytes) -> Iterator[Said]:
    """The texts of the user's messages, each with the message's key.

    Raises:
        InvalidEvent: the body can't be read with its texts.
    """
    content = decode(body, _Body)[0].message or _Content()
    for raw in content.messages or ():
        if raw.role == "user":
            message_id = identifier(raw.message_id)
            key = key_of(message_id, "user", None if message_id else Values().time_ms(raw.timestamp))
            if key is not None:
                yield Said(key, text(raw.text))
