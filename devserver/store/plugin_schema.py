"""What plugins have made in the database before they are loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from devserver.core.names import normalise
from devserver.store.collections import Collections
from devserver.store.database import Database
from devserver.store.plugin_migrations import PluginMigrations
from devserver.store.seeds import Seeds
from devserver.store.values import data_in


class StoredSchema:
    """Migrations, collections and seeds of plugins. `development()` tells whether development
    mode is on. What goes wrong is raised as MigrationFailed, and nothing of it stays."""

    def __init__(self, database: Database, *, root: Path, development: Callable[[], bool]) -> None:
        self._migrations = PluginMigrations(database, root=root)
        self._collections = Collections(database)
        self._seeds = Seeds(database)
        self._data = data_in(database)
        self._development = development

    def migrate(self, plugin: str, folder: Path, timeout: float) -> tuple[str, ...]:
        """Applies what is pending, each statement within `timeout` seconds; gives the ids."""
        development = self._development()
        return self._migrations.apply(plugin, folder, development=development, timeout=timeout)

    def declare(self, plugin: str, schema: Any) -> None:
        """Makes the collections that `get_database_schema()` declares; initial values that are
        for no collection become data of the plugin."""
        key = normalise(plugin)

        def keep(connection: Connection, values: Mapping[str, Any]) -> None:
            texts = {name: json.dumps(value) for name, value in values.items()}
            self._data.put_with(connection, key, texts)

        self._collections.apply(plugin, schema, keep=keep)

    def is_seeded(self, plugin: str) -> bool:
        """Whether `seed(db)` has been run. Raises DatabaseUnavailable."""
        return self._seeds.is_done(plugin)

    def claim_seed(self, connection: Any, plugin: str) -> bool:
        """Records it as run in a transaction, which then runs it; False when it was before."""
        return self._seeds.claim(connection, plugin)
