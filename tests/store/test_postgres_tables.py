"""The tables in PostgreSQL: who makes them, and what another release finds."""

import asyncio

import msgspec
import pytest

from exporter.calls import state_codec
from exporter.errors import StorageError
from exporter.store.codec import unpack_batch
from exporter.store.postgres import schema
from tests.store.model import batch, created
from tests.store.replicas import Process, fold, loaded
from tests.support.pages import ROOT
from tests.support.postgres import Postgres


def test_what_an_administrator_is_shown_makes_the_tables() -> None:
    """The page has the statements that the exporter runs."""
    assert schema.DDL.lstrip() in (ROOT / "docs" / "replicas.md").read_text()
    assert f"{schema.SEQUENCE};" in (ROOT / "docs" / "replicas.md").read_text()
    assert schema.REGISTRY.replace("$1", str(schema.VERSION)) in (ROOT / "docs" / "replicas.md").read_text()


async def test_several_make_the_tables_at_once(url: str) -> None:
    """Processes that start together on an empty database all find the same."""
    found = await asyncio.gather(*(asyncio.to_thread(loaded, url) for _ in range(4)))
    assert [each.series for each in found] == [[]] * 4


async def test_tables_from_before_incidents_were_numbered(url: str, postgres: Postgres) -> None:
    """Get what numbers them at the next start, also where several start at once."""
    loaded(url)
    postgres.execute("DROP SEQUENCE voice_exporter.incident", url.rpartition("/")[2])
    await asyncio.gather(*(asyncio.to_thread(loaded, url) for _ in range(4)))
    process = await asyncio.to_thread(Process, url)
    await process.store.borrow(())
    assert await process.store.number_incidents(1, above=0) == [1]
    await process.store.close()


def test_a_schema_that_this_release_does_not_know(url: str, postgres: Postgres) -> None:
    """Is refused with a line that names both versions."""
    loaded(url)
    postgres.execute("UPDATE voice_exporter.registry SET version = 9", url.rpartition("/")[2])
    with pytest.raises(StorageError, match=f"version 9, this release needs {schema.VERSION}"):
        loaded(url)


def test_a_neighbouring_release_writes_a_field_more() -> None:
    """Whoever does not know it reads the others."""
    one = batch([created(1)], [(1, ((0, 2),))])
    assert unpack_batch(msgspec.msgpack.encode(msgspec.to_builtins(one) | {"later": [1]})) == one


def test_another_layout_of_states_is_another_version() -> None:
    """An older release can't read it: it must not take an event beside the newer one."""
    assert {1: 2}[schema.VERSION] == state_codec.LAYOUT


async def test_a_user_who_may_not_make_tables(url: str, postgres: Postgres) -> None:
    """Is told so; once an administrator made them, that user can do all the rest."""
    database = url.rpartition("/")[2]
    postgres.execute(f"CREATE ROLE {database}_app LOGIN")
    limited = postgres.url(database, f"{database}_app")
    with pytest.raises(StorageError, match=r"permission denied for database .*42501"):
        await asyncio.to_thread(loaded, limited)
    await asyncio.to_thread(loaded, url)
    postgres.execute(
        f"GRANT USAGE ON SCHEMA voice_exporter TO {database}_app;"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA voice_exporter TO {database}_app;"
        f"GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA voice_exporter TO {database}_app",
        database,
    )
    process = await asyncio.to_thread(Process, limited)
    await process.keep(batch([created(1)], assistants={1: b"a"}))
    await process.store.borrow(())
    assert await process.store.number_incidents(2, above=7) == [8, 9]
    await process.store.abort()
    await fold(limited)
    await process.store.close()
    assert [each.id for each in (await asyncio.to_thread(loaded, url)).series] == [1]
