"""A well-behaved client beside an attack, and what the attack costs the exporter."""

import json
import threading
import time
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Final, Self

from tests.conftest import Running
from tests.security.raw import Connection, request
from tests.support.waiting import until

SECRET: Final = "a secret of this test"
HEADERS: Final = (f"X-Vapi-Secret: {SECRET}".encode(), f"X-Interactly-Secret: {SECRET}".encode())
PAUSE: Final = 0.01
MEGABYTE: Final = 1024 * 1024


def event(call: str, assistant: str = "assistant-1", kind: str = "status-update", **more: object) -> bytes:
    """The body of an event of Interactly's."""
    message = {"type": kind, "call": {"id": call, "assistantId": assistant, "status": "initiated"}, **more}
    return json.dumps({"message": message}).encode()


class Siege:
    """Posts one event after the other while the context lasts, and fails if one of them is not answered 200.

    Args:
        name: of the attack, for the figures that are printed.
        exporter: what is attacked.
        megabytes: bound of the memory that it may take, at its peak.
    """

    def __init__(self, name: str, exporter: Running, megabytes: float) -> None:
        self._name = name
        self._exporter = exporter
        self._bound = megabytes
        self._ended = threading.Event()
        self._statuses: list[int] = []
        self._worst = 0.0
        self._client = threading.Thread(target=self._behave)
        self._attackers = ExitStack()

    def __enter__(self) -> Self:
        self._client.start()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._client.join()
        self._attackers.close()
        peak = memory(self._exporter, "VmHWM")
        served = len(self._statuses)
        print(f"{self._name}: {served} served, slowest in {self._worst:.3f} s, peak {peak:.0f} MB")  # noqa: T201 - the figures
        if not failed:
            assert set(self._statuses) == {200}
            assert peak < self._bound

    def attackers(self, number: int) -> list[Connection]:
        """ConnectionLimit that are open until the context ends."""
        return [self._attackers.enter_context(closing(Connection(self._exporter.url))) for _ in range(number)]

    def wait_served(self, number: int = 1) -> None:
        """Wait until so many more events were answered."""
        enough = len(self._statuses) + number
        until(f"{self._name}: somebody is served", lambda: len(self._statuses) >= enough)

    def _behave(self) -> None:
        with closing(Connection(self._exporter.url)) as connection:
            for number in count():
                began = time.perf_counter()
                body = event(f"honest-{number}")
                connection.send(request(b"/webhook/interactly", *HEADERS, body=body))
                self._statuses.append(connection.answer()[0])
                self._worst = max(self._worst, time.perf_counter() - began)
                if self._statuses[-1] != 200 or self._ended.wait(PAUSE):
                    break


def memory(exporter: Running, field: str = "VmRSS") -> float:
    """Memory of the process in MB: VmRSS now, VmHWM at its peak."""
    status = Path(f"/proc/{exporter.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) / 1024
