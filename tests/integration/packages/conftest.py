"""Both databases, as for the store's own suite."""

from tests.integration.store.conftest import (
    database,
    database_url,
    postgres_server,
    postgres_url,
    sqlite_url,
)

__all__ = ["database", "database_url", "postgres_server", "postgres_url", "sqlite_url"]
