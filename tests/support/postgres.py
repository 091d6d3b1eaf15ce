"""A real PostgreSQL in a folder of its own, which refuses to run as root."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.store.model import RAM
from tests.support.servers import free_port

_INSTALLED = Path("/usr/lib/postgresql")


def installed(name: str) -> str | None:
    """Where a program of the newest PostgreSQL is; Debian has the server's beside the path."""
    versions = sorted(_INSTALLED.glob(f"*/bin/{name}"), key=lambda path: float(path.parent.parent.name))
    return str(versions[-1]) if versions else shutil.which(name)


def program(name: str) -> str:
    """Where a program is that has to be there."""
    found = installed(name)
    assert found, f"{name} is missing: tests/install-debian-packages"
    return found


class Postgres:
    """A server, and databases in it.

    Args:
        settings: lines of postgresql.conf.
        copy_of: a primary, of which this one becomes a synchronous standby.
        parent: where its folder is made; by default in memory, where that is possible.

    Attributes:
        port: where it listens on the loopback address.
    """

    def __init__(
        self, settings: Sequence[str] = (), copy_of: "Postgres | None" = None, parent: str | None = RAM
    ) -> None:
        self.port = free_port()
        self._user = "nobody" if os.getuid() == 0 else None
        self._copy_of = copy_of
        self._parent = parent
        self._settings = (
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            "unix_socket_directories = ''",
            "shared_buffers = 32MB",
            "max_connections = 60",
            *settings,
        )
        self._databases = 0

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=self._parent))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        if self._copy_of:
            source = ["--host=127.0.0.1", f"--port={self._copy_of.port}", "--username=voice"]
            self._run("pg_basebackup", f"--pgdata={self._data}", "--write-recovery-conf", "--checkpoint=fast", *source)
        else:
            self._run(
                "initdb", f"--pgdata={self._data}", "--username=voice", "--auth=trust", "--no-sync", "--encoding=UTF8"
            )
        with (self._data / "postgresql.conf").open("a") as config:
            config.writelines(f"{line}\n" for line in self._settings)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("postgres"), "-D", str(self._data)],
                stdout=log,
                stderr=log,
                user=self._user,
                start_new_session=True,  # a Ctrl-C is for whoever started it
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + 60
        ready = [program("pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def processes(self) -> list[int]:
        """Ids of its processes."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text() if self._process.poll() is None else ""
        return [pid, *map(int, children.split())]

    def stop(self) -> None:
        """Stop it in good order, whoever is connected."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def kill(self) -> None:
        """Kill the server and all its processes, as when its machine goes."""
        _, *children = self.processes()
        self._process.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(60)

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote", f"--pgdata={self._data}", "--wait")

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement: what it gives, a line for each row."""
        command = [program("psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        run = subprocess.run(
            [*command, f"--command={statement}", self.url(database)], capture_output=True, text=True, check=False
        )
        assert not run.returncode, run.stderr
        return run.stdout.strip()

    def url(self, database: str, user: str = "voice") -> str:
        """Where a database is."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """A new database: its URL."""
        self._databases += 1
        self.execute(f"CREATE DATABASE test_{self._databases}")
        return self.url(f"test_{self._databases}")

    @property
    def log(self) -> str:
        """What the server wrote."""
        return (self._folder / "log").read_text()

    def _run(self, name: str, *arguments: str) -> None:
        run = subprocess.run(
            [program(name), *arguments], capture_output=True, text=True, check=False, user=self._user, cwd="/"
        )
        assert not run.returncode, run.stderr


FAST = ("fsync = off", "full_page_writes = off")
"""For tests that kill processes, but take no power from the machine."""
