"""What a platform is to the rest of the exporter: one object, over which every registry iterates."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from exporter.events import Event
from exporter.platforms.history_cache import HistoryCache


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A header in which a platform signs its webhooks by itself: HMAC-SHA256 in hex, beside its timestamp.

    Attributes:
        name: lower case.
        timestamp: key of the timestamp in it, seconds or milliseconds of Unix time.
        digest: key of the digest, of which there may be several.
        signed: what is signed, with ``{timestamp}`` and ``{body}``.
        tolerance: seconds that the timestamp may differ from now.
    """

    name: str
    timestamp: str
    digest: str
    signed: str
    tolerance: float


class Said(NamedTuple):
    """What a user said: text, which goes to an analyser of sentiment and nowhere else.

    Attributes:
        key: of the message, as `exporter.events.Message` has it; None where the platform gives messages no identity.
        text: of the message.
    """

    key: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform whose webhooks are counted.

    Attributes:
        name: the last part of its webhook's path, and the value of the label ``platform``.
        secret_headers: lower case; the headers that carry its secret by default, all that it was seen to use.
        events: its names of events, the possible values of `Event.kind` besides ``other``.
        counted: those of them that something is counted of.
        needs_answer: those of them whose answer it acts on, so that an empty 200 would break the call.
        colour: of what the boards show of it.
        decode: what `parse` does.
        recognises: whether a recorded body has what only this platform's have, so that a recording that does not say
            where it is from can be replayed.
        reported: events and messages that its end-of-call report counts, so that those that did not come are known.
        signature: how it signs its webhooks by itself, if it does; that is how they are authenticated by default.
        said: what users say in a body, decoded apart and only where an analyser of sentiment asks for it; may raise
            `InvalidEvent`. None where bodies hold no text.
    """

    name: str
    secret_headers: tuple[str, ...]
    events: frozenset[str]
    counted: frozenset[str]
    needs_answer: frozenset[str]
    colour: str
    decode: Callable[[bytes, HistoryCache | None], Event]
    recognises: Callable[[bytes], bool]
    reported: frozenset[str] = frozenset()
    signature: SignedHeader | None = None
    said: Callable[[bytes], Iterable[Said]] | None = None

    def parse(self, body: bytes, cache: HistoryCache | None = None) -> Event:
        """What a body says; an event without facts is a well-formed one that nothing is counted of.

        Args:
            body: as it was sent.
            cache: what is known of conversations to be counted, which is not read again; without one all is read.

        Raises:
            InvalidEvent: the body is not JSON, not an object, no known envelope, or nothing in it can be counted.
        """
        return self.decode(body, cache)
