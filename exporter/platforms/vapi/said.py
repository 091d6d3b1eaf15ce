"""What users say in a conversation-update. Nothing else decodes a text, and this only where sentiment is asked for."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from exporter.events import identity
from exporter.platforms.json_decoding import Listed, decode
from exporter.platforms.platform import Said
from exporter.platforms.values import Values, text


class _Message(Struct, gc=False):
    role: Any = None
    time: Any = None
    message: Any = None


class _Artifact(Struct, gc=False):
    messages: Listed[_Message] | None = None


class _Content(_Artifact):
    artifact: _Artifact | None = None


class _Wrapped(Struct, gc=False):
    message: _Content | None = None


def said(body: bytes) -> Iterator[Said]:
    """The texts of the user's messages, each with the message's key.

    Raises:
        InvalidEvent: the body can't be read with its texts.
    """
    content = decode(body, _Wrapped)[0].message or decode(body, _Content)[0]
    messages = (content.artifact or content).messages if content.messages is None else content.messages
    for raw in messages or ():
        time_ms = Values().time_ms(raw.time)
        if raw.role == "user" and time_ms is not None:
            yield Said(identity("user", time_ms), text(raw.message))
