"""Where the exporter listens: addresses as Prometheus writes them, and their sockets."""

import os
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import chain
from typing import Final

from exporter.errors import AddressError
from exporter.http import systemd

BACKLOG: Final = 1024
"""Connections the kernel keeps for us while we start or are busy; it may allow fewer (net.core.somaxconn)."""


def parse(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``; an empty host is every address of the machine.

    Raises:
        AddressError: it is not of that form.
    """
    host, colon, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535 or (":" in bare and bare == host):
        raise AddressError(f"{address!r} is not host:port; write :10060, 127.0.0.1:10060 or [::1]:10060")
    return bare, int(port)


def listen(address: str) -> socket.socket:
    """A listening socket; connections wait in it until somebody accepts them.

    Raises:
        AddressError: the address is malformed.
        OSError: it is in use, not ours, or not allowed.
    """
    host, port = parse(address)
    if not host:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=BACKLOG)
    family, _, _, _, resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server((str(resolved[0]), port), family=family, backlog=BACKLOG)


def is_local(sock: socket.socket) -> bool:
    """Whether only this machine reaches the socket."""
    if sock.family == socket.AF_UNIX:
        return True
    return ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


def name(sock: socket.socket) -> str:
    """The socket's address as flags write it, with the port it really has."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(sock: socket.socket, *, tls: bool) -> str:
    """Where a browser reaches the socket: this machine's name for a socket on every address of it."""
    scheme = "https" if tls else "http"
    if sock.family == socket.AF_UNIX:
        return f"{scheme}://localhost"
    host, port = sock.getsockname()[:2]
    found = ip_address(host.partition("%")[0])
    if found.is_unspecified:
        host = socket.gethostname()
    elif found.is_loopback:
        host = "localhost"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def sockets(web: Sequence[str], webhook: Sequence[str]) -> dict[str, list[socket.socket]]:
    """The sockets to serve on by role: ``web``, and ``webhook`` where the webhooks have one of their own.

    Those that systemd passes take the place of the addresses.

    Raises:
        AddressError: an address is malformed.
        OSError: an address can't be listened on; the message names it.
    """
    opened = systemd.inherited()
    wanted = [(role, address) for role, some in (("web", web), ("webhook", webhook)) for address in some]
    passed = frozenset(opened)
    for role, address in wanted:
        if role in passed:
            continue
        try:
            opened.setdefault(role, []).append(listen(address))
        except (AddressError, OSError) as error:
            for sock in chain.from_iterable(opened.values()):
                sock.close()
            if isinstance(error, AddressError):
                raise
            remedy = f"choose another with --{role}.listen-address"
            raise OSError(f"cannot listen on {address}: {_reason(error)}; {remedy}") from None
    return opened


def _reason(error: OSError) -> str:
    """The system's own words: Python adds the address once more. A failed look-up of a name has words of its own."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)
