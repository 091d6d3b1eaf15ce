"""A store that several processes share, in PostgreSQL or what speaks its protocol and has its row locks."""

from exporter.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
