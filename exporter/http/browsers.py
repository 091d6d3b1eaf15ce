"""What a browser may be made to send by a page of somebody else: requests across sites, and to rebound names."""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from exporter.http.request_headers import RequestHeaders

_OWN: Final = frozenset({"none", "same-origin"})


def is_cross_site(headers: RequestHeaders) -> bool:
    """Whether a browser sends the request for a page of another site; a platform or a tool never says so."""
    if headers.get("Sec-Fetch-Site", "none").lower() not in _OWN:
        return True
    origin = headers.get("Origin", "")
    return bool(origin) and origin.partition("://")[2].lower() != headers.get("Host", "").lower()


def is_rebound(headers: RequestHeaders, known: Collection[str] = ()) -> bool:
    """Whether the name that was asked for may be anybody's, who lets it lead to this machine (DNS rebinding).

    Nobody can do that with an address, with ``localhost`` or with a name without a dot. A request without a name is
    none of a browser.

    Args:
        headers: those of the request.
        known: further names of this machine, lower case.
    """
    host = headers.get("Host", "").lower()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.removesuffix(".")
    return "." in name and name not in known and not name.endswith(".localhost") and not _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
