"""What goes on to an application, and how that can fail."""

from typing import TypeAlias

from msgspec import Struct

Headers: TypeAlias = tuple[tuple[str, str], ...]


class RelayRequest(Struct, frozen=True, gc=False):
    """A request to pass on.

    Attributes:
        platform: who sent it.
        event: the platform's name of the event, ``unknown`` where the body is not understood.
        method: HTTP method.
        suffix: what the path had behind the platform's name; empty, or starts with a slash.
        query: as it came, without the question mark.
        headers: those that go on.
        body: as it came, compressed or not.
    """

    platform: str
    event: str
    method: str
    suffix: str
    query: str
    headers: Headers
    body: bytes
