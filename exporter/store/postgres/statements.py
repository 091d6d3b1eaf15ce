"""The statements of a batch. Keys are taken in ascending order everywhere, so that no two batches wait for each other.

Locks follow each other as well: calls, then the registry, then the row of the replica. All rows of a batch are written
by one statement, which writes nothing unless it finds the replica as this process knows it.
"""

from collections.abc import Mapping
from typing import Final

from exporter.store.base import CallRow

BORROW: Final = """
SELECT key, record FROM voice_exporter.calls WHERE key = ANY ($1::bigint[]) ORDER BY key FOR UPDATE
"""

LOCK_TIDY: Final = "SELECT 1 FROM voice_exporter.tidy WHERE one = 1 FOR UPDATE SKIP LOCKED"

BORROW_DUE: Final = """
SELECT key, record FROM voice_exporter.calls WHERE {which} AND slot < $1 ORDER BY slot LIMIT $2 FOR UPDATE SKIP LOCKED
"""

GROUPS: Final = "SELECT DISTINCT held FROM voice_exporter.calls WHERE open"

LOCK_REGISTRY: Final = "SELECT turn, next_series FROM voice_exporter.registry WHERE one = 1 FOR UPDATE"

NEXT_INCIDENTS: Final = "SELECT nextval('voice_exporter.incident') AS number FROM generate_series(1, $1::integer)"

SKIP_INCIDENTS: Final = """
SELECT setval('voice_exporter.incident', greatest($1::bigint, nextval('voice_exporter.incident')))
"""
"""With the registry locked: nobody else may skip meanwhile."""

RAISE_EPOCHS: Final = "UPDATE voice_exporter.replica SET epoch = epoch + 1 WHERE id <> $1"

REGISTER: Final = "INSERT INTO voice_exporter.replica DEFAULT VALUES RETURNING id"

FIND: Final = "SELECT number, epoch FROM voice_exporter.replica WHERE id = $1 FOR UPDATE"
"""Waits for what an earlier connection of the same replica left under way."""

SEEN: Final = "UPDATE voice_exporter.replica SET seen = clock_timestamp() WHERE id = $1"

WRITE: Final = """
WITH fence AS (
    UPDATE voice_exporter.replica SET number = number + 1, seen = clock_timestamp()
    WHERE id = $1 AND number = $2 AND epoch = $3
    RETURNING number
), entry AS (
    INSERT INTO voice_exporter.journal (replica, number, turn, at, batch)
    SELECT $1, fence.number, $4, clock_timestamp(), $6 FROM fence
), turned AS (
    UPDATE voice_exporter.registry SET turn = $4, next_series = greatest(next_series, $5) FROM fence WHERE $4 > 0
), known AS (
    UPDATE voice_exporter.calls c SET open = new.open, slot = new.slot, held = new.held, record = new.record
    FROM fence, unnest($7::bigint[], $8::boolean[], $9::bigint[], $10::text[], $11::bytea[])
        AS new (key, open, slot, held, record)
    WHERE c.key = new.key
    RETURNING 1
), created AS (
    INSERT INTO voice_exporter.calls (key, open, slot, held, record)
    SELECT new.key, new.open, new.slot, new.held, new.record
    FROM fence, unnest($12::bigint[], $13::boolean[], $14::bigint[], $15::text[], $16::bytea[])
        AS new (key, open, slot, held, record)
    ORDER BY new.key
    ON CONFLICT DO NOTHING
    RETURNING 1
), gone AS (
    DELETE FROM voice_exporter.calls c USING fence WHERE c.key = ANY ($17::bigint[])
)
SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM known), (SELECT count(*) FROM created)
"""

CALL_COLUMNS: Final = ("key", "open", "slot", "held", "record")
_SLOT_SECONDS: Final = 10
"""Calls are due by slots of so many seconds: what is indexed rarely changes, and so the index with it."""


def slot(time: float) -> int:
    """The slot of a steady time."""
    return int(time // _SLOT_SECONDS)


def call_columns(rows: Mapping[int, CallRow]) -> tuple[list[int], list[bool], list[int], list[str], list[bytes]]:
    """The columns of calls."""
    values = rows.values()
    return (
        [*rows],
        [row.open for row in values],
        [slot(row.used) for row in values],
        [row.group for row in values],
        [row.record for row in values],
    )
