"""Stores in directories of their own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.store.sqlite import SqliteStore
from tests.support.postgres import Postgres


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a store may live."""
    return tmp_path / "data"


@pytest.fixture
async def store(directory: Path) -> AsyncIterator[SqliteStore]:
    """A store on an empty directory, loaded; its journals are short, so that tests see checkpoints too."""
    store = SqliteStore(directory, checkpoint_rows=5)
    await asyncio.to_thread(store.load)
    yield store
    await store.close()


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A database of its own."""
    return postgres.database()
