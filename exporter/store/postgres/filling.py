"""Fills an empty database with all that another store holds."""

from collections import defaultdict
from typing import Final

from exporter.errors import StorageError
from exporter.store.base import Batch, StoredSeries
from exporter.store.codec import pack
from exporter.store.postgres.checkpoint import CHUNK_BITS
from exporter.store.postgres.connection import Connection, translated
from exporter.store.postgres.statements import CALL_COLUMNS, call_columns

_SECONDS: Final = 600.0
"""For each table."""
_USED: Final = """
SELECT EXISTS (SELECT 1 FROM voice_exporter.journal) OR EXISTS (SELECT 1 FROM voice_exporter.series)
OR EXISTS (SELECT 1 FROM voice_exporter.calls)
"""


async def fill(connection: Connection, batch: Batch) -> None:
    """Put a snapshot batch into the tables, inside the transaction of the caller.

    Raises:
        StorageError: the database holds something already, or can't be written.
    """
    chunks: defaultdict[int, list[StoredSeries]] = defaultdict(list)
    for one in batch.series:
        chunks[one.id >> CHUNK_BITS].append(one)
    series = [(chunk, pack(some)) for chunk, some in chunks.items()]
    assistants = [(key, blob) for key, blob in batch.assistants.items() if blob is not None]
    calls = call_columns({key: row for key, row in batch.rows.items() if row is not None})
    with translated():
        if await connection.fetchval(_USED):
            raise StorageError("the database holds calls already: name another one, or drop its schema voice_exporter")
        for table, columns, records in (
            ("series", ("chunk", "blob"), series),
            ("assistants", ("key", "blob"), assistants),
            ("calls", CALL_COLUMNS, [*zip(*calls, strict=True)]),
        ):
            await connection.copy_records_to_table(
                table, schema_name="voice_exporter", columns=columns, records=records, timeout=_SECONDS
            )
