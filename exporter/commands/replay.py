"""``voice-exporter replay``."""

import argparse
import asyncio
import io
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TextIO

from exporter import config
from exporter.commands import FAILURE, MISUSE
from exporter.errors import CommandError, ConfigError
from exporter.metrics import exposition
from exporter.platforms import PLATFORMS
from exporter.replay import Replay, Summary
from exporter.replay.bodies import bodies
from exporter.replay.samples import Samples
from exporter.yamlfile.durations import parse_duration

_COMPLAINTS: Final = 20
"""Bad bodies that are named one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="recorded bodies: JSON, a JSON array or JSON lines; - for stdin"
    )
    parser.add_argument("--config.file", dest="config", metavar="FILE", type=Path, help="configuration file, YAML")
    parser.add_argument(
        "--platform", choices=sorted(PLATFORMS), help="platform of all bodies; recognised by their fields unless given"
    )
    parser.add_argument("--openmetrics", action="store_true", help="write time-stamped samples, for backfilling")
    parser.add_argument(
        "--step", type=_step, default=60, metavar="DURATION", help="time between samples of --openmetrics, default 1m"
    )


def run(arguments: argparse.Namespace) -> int:
    """Count the files' bodies and print the metrics; 1 if a body was damaged, or there was no event at all."""
    # What was recorded is no news, and standard error has the summary.
    logging.getLogger("exporter").addHandler(logging.NullHandler())
    try:
        loaded = config.load(arguments.config)
    except ConfigError as error:
        raise CommandError(MISUSE, error) from None
    # Whoever closes the pipe has seen enough, as of any other command.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    complaints = _Complaints()
    summary = _count(arguments, loaded, complaints)
    complaints.end()
    if summary.invalid:
        damaged = "1 damaged line" if summary.invalid == 1 else f"{summary.invalid} damaged lines"
        sys.stderr.write(f"voice-exporter: {damaged}\n")
    events = summary.counted + summary.duplicate + summary.ignored
    total = events + summary.invalid
    sys.stderr.write(
        f"{total} {'body' if total == 1 else 'bodies'}: {summary.counted} counted, {summary.duplicate} duplicate,"
        f" {summary.ignored} ignored, {summary.invalid} invalid\n"
    )
    return 0 if events and not summary.invalid else FAILURE


def _count(arguments: argparse.Namespace, loaded: config.Config, complaints: "_Complaints") -> Summary:
    samples = Samples(_write, arguments.step) if arguments.openmetrics else None
    replay = Replay(loaded, arguments.platform, complaints.add, samples)
    asyncio.run(_replay(replay, arguments.files))
    if not samples:
        for chunk in exposition.render(replay.recorder.table, exposition.Format.TEXT, None, replay.recorder.derived()):
            _write(chunk.decode())
    _write("", flush=True)
    return replay.summary


def _write(text: str, *, flush: bool = False) -> None:
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer can't be written at the end of the process, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise CommandError(FAILURE, f"standard output: {error.strerror}") from None


async def _replay(replay: Replay, files: list[str]) -> None:
    await replay.begin()
    for name in files:
        with _opened(name) as file:
            shown = "stdin" if name == "-" else name
            try:
                await replay.feed(shown, bodies(file))
            except OSError as error:
                raise CommandError(FAILURE, f"{shown}: {error.strerror}") from None
    await replay.finish()


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    """The file as text, with a progress bar where standard error is a terminal."""
    with ExitStack() as stack:
        if name == "-":
            yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape", newline="\n")
            return
        try:
            raw: io.RawIOBase = stack.enter_context(Path(name).open("rb", buffering=0))
            size = Path(name).stat().st_size
        except OSError as error:
            raise CommandError(FAILURE, f"{name}: {error.strerror}") from None
        shown = _Progress(raw, size) if sys.stderr.isatty() and size else raw
        yield io.TextIOWrapper(io.BufferedReader(shown), encoding="utf-8", errors="surrogateescape", newline="\n")


class _Progress(io.RawIOBase):
    """Draws a bar of what was read of a file."""

    _WIDTH: Final = 40

    def __init__(self, raw: io.RawIOBase, size: int) -> None:
        self._raw, self._size, self._done, self._shown = raw, size, 0, -1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the library's own type is wider
        count = self._raw.readinto(buffer) or 0
        self._done += count
        percent = min(100, 100 * self._done // self._size)
        if percent != self._shown:
            self._shown = percent
            filled = "#" * (percent * self._WIDTH // 100)
            sys.stderr.write(f"\r[{filled:<{self._WIDTH}}] {percent} %" + ("\n" if percent == 100 else ""))
        return count


class _Complaints:
    """Names the first bad bodies, and says how many more there were."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, line: str) -> None:
        self._count += 1
        if self._count <= _COMPLAINTS:
            sys.stderr.write(f"voice-exporter: {line}\n")

    def end(self) -> None:
        if self._count > _COMPLAINTS:
            sys.stderr.write(f"voice-exporter: and {self._count - _COMPLAINTS} more\n")


def _step(text: str) -> int:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds < 1:
        raise argparse.ArgumentTypeError("at least 1s")
    return round(seconds)
