"""Addresses and sockets."""

import socket
from itertools import chain
from pathlib import Path

import pytest

from exporter.errors import AddressError
from exporter.http import addresses


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (":10060", ("", 10060)),
        ("127.0.0.1:10060", ("127.0.0.1", 10060)),
        ("[::1]:10060", ("::1", 10060)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses_are_host_and_port(address: str, expected: tuple[str, int]) -> None:
    """The forms that the Prometheus ecosystem writes."""
    assert addresses.parse(address) == expected


@pytest.mark.parametrize(
    "address",
    ["", "10060", "localhost", "localhost:", ":http", ":-1", ":65536", "::1:10060", "[::1]", ":\u0661", ": 1"],
)
def test_other_addresses_are_refused_with_examples(address: str) -> None:
    """The message repeats what was given and shows what would do."""
    with pytest.raises(AddressError, match=r"is not host:port; write :10060, 127.0.0.1:10060 or \[::1\]:10060"):
        addresses.parse(address)


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1:0", True), ("[::1]:0", True), ("localhost:0", True), (":0", False), ("0.0.0.0:0", False)],
)
def test_it_is_known_who_reaches_a_socket(address: str, local: bool) -> None:
    """Loopback addresses are this machine's own, wildcards are everybody's."""
    with addresses.listen(address) as sock:
        assert addresses.is_local(sock) is local


def test_an_empty_host_takes_both_protocols() -> None:
    """``:port`` answers to IPv4 and IPv6 alike."""
    with addresses.listen(":0") as sock:
        port = sock.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=20).close()


def test_names_are_addresses_again() -> None:
    """A socket's name can be given as an address, with the port that it really has."""
    for address in ("127.0.0.1:0", "[::1]:0"):
        with addresses.listen(address) as sock:
            host, port = addresses.parse(addresses.name(sock))
            assert (f"[{host}]:0" if ":" in host else f"{host}:0") == address
            assert port == sock.getsockname()[1]


def test_a_unix_socket_is_local(tmp_path: Path) -> None:
    """A socket unit may pass one."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        assert addresses.is_local(sock)
        assert addresses.name(sock) == f"unix:{tmp_path}/s"


def test_one_address_in_use_opens_none() -> None:
    """The message names the address, and the socket opened before it is closed again."""
    with addresses.listen("127.0.0.1:0") as taken, addresses.listen("127.0.0.1:0") as free:
        address = addresses.name(free)
        free.close()
        with pytest.raises(OSError, match=f"cannot listen on {addresses.name(taken)}: Address already in use"):
            addresses.sockets([address], [addresses.name(taken)])
        addresses.listen(address).close()


def test_sockets_have_roles() -> None:
    """Several addresses may serve the same, and some be the webhooks' own."""
    opened = addresses.sockets(["127.0.0.1:0", "[::1]:0"], ["127.0.0.1:0"])
    try:
        assert {role: len(socks) for role, socks in opened.items()} == {"web": 2, "webhook": 1}
        assert [sock.family for sock in opened["web"]] == [socket.AF_INET, socket.AF_INET6]
    finally:
        for sock in chain(*opened.values()):
            sock.close()
