"""One benchmark by itself, as a program."""

import os
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import servers
from benchmarks.figures import Figure, table


def alone(measure: Callable[[Path], Coroutine[Any, Any, list[Figure]]]) -> None:
    """Measure in a temporary folder, with the load on a core of its own, and print."""
    os.sched_setaffinity(0, {servers.CLIENT_CORE})
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(table(uvloop.run(measure(Path(folder)))) + "\n")
