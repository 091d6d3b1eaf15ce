"""The two protocols of systemd."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.http import systemd

SHOW = "from exporter.http import systemd; print({role: s.getsockname() for role, [s] in systemd.inherited().items()})"


def inherit(sockets: list[socket.socket], names: str | None, pid: str = "$$") -> str:
    """The sockets that a process started like a systemd service finds, by role."""
    moves = " ".join(f"{systemd.FIRST_DESCRIPTOR + index}<&{sock.fileno()}" for index, sock in enumerate(sockets))
    assigned = f"LISTEN_PID={pid} LISTEN_FDS={len(sockets)}" + (f" LISTEN_FDNAMES={names}" if names else "")
    script = f'export {assigned}; exec "{sys.executable}" -c "{SHOW}" {moves}'
    fds = [sock.fileno() for sock in sockets]
    return subprocess.run(["bash", "-c", script], pass_fds=fds, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def sockets() -> list[socket.socket]:
    """Two listening sockets, far from the descriptors that they are passed as."""
    made: list[socket.socket] = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as low:
            made.append(socket.socket(fileno=os.dup2(low.fileno(), 60 + len(made))))
    return made


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (None, ["web", "webhook"]),
        ("web:webhook", ["web", "webhook"]),
        ("webhook:web", ["webhook", "web"]),
        ("exporter.socket:exporter.socket", ["web", "webhook"]),
    ],
)
def test_sockets_are_known_by_name_or_place(sockets: list[socket.socket], names: str | None, roles: list[str]) -> None:
    """FileDescriptorName= decides; without it the first is web, the second webhook."""
    expected = dict(zip(roles, (sock.getsockname() for sock in sockets), strict=True))

    assert inherit(sockets, names) == f"{expected}\n"
    for sock in sockets:
        sock.close()


def test_sockets_for_another_process_are_left_alone(sockets: list[socket.socket]) -> None:
    """LISTEN_PID names the process that they are for."""
    assert inherit(sockets, None, pid="1") == "{}\n"
    for sock in sockets:
        sock.close()


def test_without_systemd_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables, no sockets."""
    monkeypatch.delenv("LISTEN_PID", raising=False)

    assert systemd.inherited() == {}


@pytest.mark.parametrize("abstract", [False, True])
def test_states_reach_the_service_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    """NOTIFY_SOCKET names a socket in the file system or, with @, in the abstract namespace."""
    path = f"{tmp_path}/notify"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{path}" if abstract else path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{path}" if abstract else path)
        systemd.notify("READY=1")

        assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter serves on, whoever started it."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))

    systemd.notify("READY=1")
