"""What a webhook request shows of its sender, and how it is compared with what we know."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.http.request_headers import RequestHeaders


@dataclass(frozen=True, slots=True)
class Credentials:
    """The parts of a request that say who sent it.

    Attributes:
        method: HTTP method, upper case.
        target: what was asked for: a path with its query, or a whole URL.
        headers: the request's headers.
        body: without its content coding, never decoded; may stay empty where ``Authenticator.needs_body`` is false.
        scheme: http or https.
    """

    method: str
    target: str
    headers: RequestHeaders = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The URL that was asked for, byte for byte: parsing it would fail on what clients write into Host."""
        if not self.target.startswith("/"):
            return self.target
        return f"{self.scheme}://{''.join(self.headers.getall('host', [])[:1])}{self.target}"

    def header(self, name: str) -> bytes:
        """The one value of a header; empty if it is missing, or ambiguous because there are several."""
        values = self.headers.getall(name, [])
        return as_bytes(values[0]) if len(values) == 1 else b""


def as_bytes(text: str) -> bytes:
    """The bytes that aiohttp made this text of; empty for text that no bytes make."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""


def any_equal(presented: Sequence[bytes], known: Sequence[bytes]) -> bool:
    """Whether any of one equals any of the other; every pair is compared, so the time tells nothing of which."""
    equal = False
    for left in presented:
        for right in known:
            equal |= hmac.compare_digest(left, right)
    return equal
