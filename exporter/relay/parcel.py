"""What goes on to an application, and how that can fail."""

from typing import Literal, TypeAlias

from msgspec import Struct

Reason: TypeAlias = Literal[
    "connect", "timeout", "cut", "malformed", "server_error", "copy_failed", "queue_failed", "given_up"
]
"""Why a request counts as failed: the application can't be reached, is too slow, cuts its answer short, does not
speak HTTP, answers 5xx; a further target did not get its copy; the queue could not take an event; an event of the queue
was never delivered."""

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Parcel(Struct, frozen=True, gc=False):
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


class Failed(Exception):  # noqa: N818 - what an application does is no error of ours
    """The application did not answer.

    Attributes:
        status: what the platform is told, 502 or 504.
        reason: what it is counted as.
        message: what happened; names no address.
    """

    def __init__(self, status: int, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason: Reason = reason
        self.message = message
