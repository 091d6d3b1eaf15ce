"""Stores in directories of their own, and a disk small enough to fill."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from exporter.store.sqlite import SqliteStore


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a store may live."""
    return tmp_path / "data"


@pytest.fixture
async def store(directory: Path) -> AsyncIterator[SqliteStore]:
    """A store on an empty directory, loaded."""
    store = SqliteStore(directory)
    await asyncio.to_thread(store.load)
    yield store
    await store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB; only root can make one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", mount], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting a small disk needs root")
    yield mount
    subprocess.run(["umount", "--lazy", mount], check=True)
    shutil.rmtree(mount)
