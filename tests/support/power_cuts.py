"""Power cuts: what a disk may hold at any moment of a process's life.

A process runs under a library that writes down each write, truncation, sync, creation, renaming and removal in one
directory. From that record the directory is made again as a cut may leave it: what was synced is there; of the rest
all, nothing, or some 512-byte sectors of some writes. Names survive where their directory was synced; of later changes
of names the first few do.
"""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, TypeAlias

SECTOR = 512
NOTES = "notes"
"""The file in which a traced process notes what it promised; a cut has it as it was then, whatever was synced."""

Rest: TypeAlias = Literal["kept", "dropped", "torn"]
"""What becomes of what was not synced."""

_SOURCE = Path(__file__).with_name("trace_writes.c")
_HEAD = struct.Struct("<cIQQ")


class Operation(NamedTuple):
    """What a process did: ``w`` write, ``t`` truncate, ``s`` sync, ``c`` create, ``r`` rename, ``u`` unlink."""

    kind: str
    name: str
    offset: int
    data: bytes


class Cut(NamedTuple):
    """A directory after a power cut.

    Attributes:
        files: content by name.
        notes: what the process had noted.
        where: which cut it is, for messages.
    """

    files: dict[str, bytes]
    notes: bytes
    where: str

    def restore(self, directory: Path) -> Path:
        """Write it to a directory that is made for it."""
        directory.mkdir(mode=0o700)
        for name, content in self.files.items():
            path = directory / name
            path.write_bytes(content)
            path.chmod(0o600)
        return directory


class _File:
    """One file: what the disk holds for certain, and what was done to it since."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = content
        self.pending: list[Operation] = []

    def sync(self) -> None:
        self.durable = self.after("kept", Random())
        self.pending = []

    def after(self, rest: Rest, rng: Random) -> bytes:
        """Its content after a cut."""
        content = bytearray(self.durable)
        for operation in self.pending if rest != "dropped" else ():
            for start, piece in _pieces(operation, rest, rng):
                _apply(content, operation.kind, start, piece)
        return bytes(content)


class _Disk:
    """Files by name, with the names that survive a cut."""

    def __init__(self, before: Mapping[str, bytes]) -> None:
        self.names = {name: _File(content) for name, content in before.items()}
        self._durable = dict(self.names)
        self._changes: list[dict[str, _File]] = []

    def do(self, operation: Operation) -> None:
        """Take one operation over."""
        kind, name = operation.kind, operation.name
        if kind == "s" and name == ".":
            self._durable, self._changes = dict(self.names), []
        elif kind == "s" and name in self.names:
            self.names[name].sync()
        elif kind in "wt" and name in self.names:
            self.names[name].pending.append(operation)
        elif kind in "cru":
            self._rename(operation)
            self._changes.append(dict(self.names))

    def _rename(self, operation: Operation) -> None:
        if operation.kind == "c":
            self.names[operation.name] = _File()
        elif operation.kind == "r":
            self.names[operation.data.decode()] = self.names.pop(operation.name)
        else:
            del self.names[operation.name]

    def cut(self, rest: Rest, rng: Random, where: str) -> Cut:
        """What a cut leaves now."""
        stages = [self._durable, *self._changes]
        names = {"kept": stages[-1], "dropped": stages[0], "torn": rng.choice(stages)}[rest]
        files = {name: file.after(rest, rng) for name, file in names.items() if not name.endswith("-shm")}
        files.pop(NOTES, None)
        notes = self.names[NOTES].after("kept", rng) if NOTES in self.names else b""
        return Cut(files, notes, where)


class Trace:
    """What a process did in a directory."""

    def __init__(self, before: Mapping[str, bytes], operations: Sequence[Operation]) -> None:
        self.operations = operations
        self._before = before

    def cuts(self, rng: Random, count: int) -> Iterator[Cut]:
        """So many cuts at random moments, each with what was not synced kept, dropped and torn in turn."""
        disk, done = _Disk(self._before), 0
        for number, moment in enumerate(sorted(rng.randrange(len(self.operations) + 1) for _ in range(count))):
            for operation in self.operations[done:moment]:
                disk.do(operation)
            done = moment
            rest: Rest = ("kept", "dropped", "torn", "torn")[number % 4]
            yield deepcopy(disk).cut(rest, rng, f"after operation {moment} of {len(self.operations)}, {rest}")


class Tracer:
    """Records what processes do in a directory.

    Args:
        directory: its files, all durable at the start. It may be missing.
        work: for the record and the library.

    Attributes:
        environment: what a process that is to be recorded runs in.
    """

    def __init__(self, directory: Path, work: Path) -> None:
        self._before = {path.name: path.read_bytes() for path in directory.iterdir()} if directory.exists() else {}
        self._record = work / "trace"
        self._record.unlink(missing_ok=True)
        own = {"LD_PRELOAD": str(library(work)), "TRACE_DIRECTORY": str(directory), "TRACE_FILE": str(self._record)}
        self.environment = {**os.environ, **own}

    def trace(self) -> Trace:
        """What was recorded so far."""
        return Trace(self._before, [*_read(self._record.read_bytes())])


def trace(command: Sequence[str | Path], directory: Path, work: Path) -> Trace:
    """Run a command to its end and record what it does in the directory."""
    tracer = Tracer(directory, work)
    subprocess.run(command, env=tracer.environment, check=True, stdout=subprocess.DEVNULL)
    return tracer.trace()


def library(work: Path) -> Path:
    """The library that traces, compiled."""
    made = work / "trace_writes.so"
    if not made.exists():
        compiler = shutil.which("cc")
        assert compiler, "no C compiler: ./tests/install-debian-packages gcc libc6-dev"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, _SOURCE, "-ldl", "-lpthread"], check=True)
    return made


def _read(record: bytes) -> Iterator[Operation]:
    at = 0
    while at < len(record):
        kind, name_size, offset, size = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        name = record[at : at + name_size].decode()
        at += name_size
        data = record[at : at + size]
        at += size
        yield Operation(kind.decode(), name, offset, data)


def _pieces(operation: Operation, rest: Rest, rng: Random) -> Iterator[tuple[int, bytes]]:
    """What of an operation takes place; of a torn write some sectors."""
    if rest == "kept" or operation.kind == "t":
        if rest == "kept" or rng.random() < 0.5:
            yield operation.offset, operation.data
        return
    at, end = operation.offset, operation.offset + len(operation.data)
    while at < end:
        until = min(end, at - at % SECTOR + SECTOR)
        if rng.random() < 0.5:
            yield at, operation.data[at - operation.offset : until - operation.offset]
        at = until


def _apply(content: bytearray, kind: str, start: int, piece: bytes) -> None:
    if kind == "t":
        content[start:] = b""
    end = start + len(piece)
    content.extend(bytes(max(0, end - len(content))))
    content[start:end] = piece
