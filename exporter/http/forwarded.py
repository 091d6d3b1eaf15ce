"""Whose request it is behind trusted proxies: X-Forwarded-For, or Forwarded (RFC 7239)."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from exporter.http.request_headers import RequestHeaders

Network: TypeAlias = IPv4Network | IPv6Network
_Address: TypeAlias = IPv4Address | IPv6Address

_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:]*):[0-9_A-Za-z.-]+")
_FOR: Final = re.compile(r'\s*for\s*=\s*("?)([^";]*)\1\s*', re.IGNORECASE)


def client(peer: str | None, headers: RequestHeaders, trusted: Sequence[Network]) -> str | None:
    """The right-most address that no trusted proxy has, else the left-most; the peer where that can't be told.

    What stands left of an address that is not trusted is anybody's to write. Nor can it be told which of the two
    headers the proxy wrote, where there are both.
    """
    if peer is None or not trusted:
        return peer
    try:
        found = _address(peer)
        for hop in _hops(headers) if _is_trusted(found, trusted) else ():
            found = _address(hop)
            if not _is_trusted(found, trusted):
                break
    except ValueError:
        return peer
    return str(found)


def _hops(headers: RequestHeaders) -> Iterator[str]:
    """The addresses that were forwarded for, the latest first.

    Raises:
        ValueError: a hop has none, or both headers are there.
    """
    plain, standard = headers.getall("X-Forwarded-For", []), headers.getall("Forwarded", [])
    if plain and standard:
        raise ValueError
    if plain:
        yield from reversed(",".join(plain).split(","))
    elif standard:
        for element in reversed(",".join(standard).split(",")):
            [named] = [match[2] for part in element.split(";") if (match := _FOR.fullmatch(part))]
            yield named


def _address(text: str) -> _Address:
    text = text.strip()
    with_port = _PORT.fullmatch(text)
    name = with_port[1] if with_port else text
    found = ip_address(name.removeprefix("[").removesuffix("]").partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def _is_trusted(address: _Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
