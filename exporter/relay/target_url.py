"""Where a request goes: a configured URL, and behind it nothing but what the request's own path and query say."""

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from yarl import URL

_SUFFIX: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*/?")


def is_suffix(path: str) -> bool:
    """Whether a path may stand behind a configured URL: plain segments that no server reads as a way up or around."""
    return _SUFFIX.fullmatch(path) is not None


def address(url: str, suffix: str, query: str) -> URL:
    """The URL with the suffix behind its path, and the query behind its own."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + suffix if suffix else parts.path
    both = "&".join(filter(None, (parts.query, query)))
    return URL(urlunsplit((parts.scheme, parts.netloc, path or "/", both, "")), encoded=True)
