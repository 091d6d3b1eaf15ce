"""What the end of a terminal does to an exporter that runs in it."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.waiting import until


class Terminal:
    """A terminal in which the exporter runs, and what it shows."""

    def __init__(self, folder: Path) -> None:
        self._ours, theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self.shown = ""
        command = [sys.executable, "-m", "exporter", "serve", "--web.listen-address=127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*command, f"--storage.path={folder}"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - this process has no threads yet
        )
        os.close(theirs)

    def shows(self, text: str) -> bool:
        """Whether the text was shown by now."""
        with suppress(BlockingIOError):
            self.shown += os.read(self._ours, 65536).decode()
        assert self.process.poll() is None, self.shown
        return text in self.shown

    def close(self) -> None:
        """As the window is closed."""
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal whose exporter is ready."""
    terminal = Terminal(tmp_path / "data")
    until("msg=ready in the terminal", lambda: terminal.shows("msg=ready"))
    yield terminal
    terminal.process.kill()
    terminal.process.wait()


def test_a_closed_terminal_leaves_no_exporter_behind(terminal: Terminal) -> None:
    """It stops as it does when it is told to: nothing goes on listening that nobody sees."""
    terminal.close()
    assert terminal.process.wait(20) == 0


def test_in_a_terminal_that_is_there_the_signal_reloads(terminal: Terminal) -> None:
    """An operator's SIGHUP means what it means everywhere."""
    terminal.process.send_signal(signal.SIGHUP)
    until("the reload in the terminal", lambda: terminal.shows("configuration reloaded"))
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(20) == 0
    terminal.close()


def test_it_says_where_it_is_and_where_the_data_are(terminal: Terminal, tmp_path: Path) -> None:
    """Who starts it with make run has one line to go on with."""
    until("the directory in the terminal", lambda: terminal.shows(f"storage={tmp_path / 'data'}"))
    assert "msg=ready" in terminal.shown
    assert " url=http://localhost:" in terminal.shown
    terminal.close()
