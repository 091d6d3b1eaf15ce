"""What systemd hands over and wants to hear: inherited sockets and service notifications.

The protocols are those of sd_listen_fds(3) and sd_notify(3); they are a few lines, so no library is needed.
"""

import os
import socket
import time
from contextlib import suppress
from typing import Final

FIRST_DESCRIPTOR: Final = 3


def inherited() -> dict[str, list[socket.socket]]:
    """Listening sockets passed by systemd: ``web``, and ``webhook`` where there is a second one.

    A socket is known by its FileDescriptorName=, else by its place: the second is ``webhook``, all others ``web``. The
    variables are taken out of the environment, so that no child process takes them for its own.
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return {}
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(int(count)):
        named = names[index] if index < len(names) else ""
        role = named if named in {"web", "webhook"} else ("webhook" if index == 1 else "web")
        sock = socket.socket(fileno=FIRST_DESCRIPTOR + index)
        sock.set_inheritable(False)
        sockets.setdefault(role, []).append(sock)
    return sockets


def notify(state: str) -> None:
    """Tell the service manager, if there is one, about a state such as ``READY=1``."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(state.encode())


def reloading() -> str:
    """The state at the beginning of a reload, as Type=notify-reload wants it."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
