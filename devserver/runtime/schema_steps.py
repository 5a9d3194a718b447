"""What a plugin has made in the database: its migrations, its collections, its seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devserver.runtime.asked import call_attribute, hook_of
from devserver.runtime.hook_calls import HookCalls
from devserver.runtime.work_database import PluginDatabase, PluginSchema, current_connection

FOLDER = "migrations"


class SchemaSteps:
    """Each step is committed before the next hook runs, and is not undone by what fails later."""

    def __init__(self, calls: HookCalls, *, schema: PluginSchema, database: PluginDatabase) -> None:
        self._calls = calls
        self._schema = schema
        self._database = database
        self._key = calls.generation.key

    def run(self) -> list[str]:
        """Gives what the outcome is to tell. Raises PluginHookFailed, caused by MigrationFailed
        where the database's side refused."""
        notes = self._migrate()
        self._declare()
        return notes + self._seed()

    def _migrate(self) -> list[str]:
        folder = self._folder()
        if folder is None or next(folder.glob("*.sql"), None) is None:
            return []
        limit = self._calls.time_left()
        applied = self._calls.call(
            self._schema.migrate, self._key, folder, limit, hook="migrations"
        )
        if not applied:
            return []
        name = self._calls.generation.name
        return [f"{name}: migrations committed: {', '.join(applied)} (a roll back keeps them)"]

    def _folder(self) -> Path | None:
        source = self._calls.generation.source
        given = self._calls.hook("migrations_path")
        if given is not None:
            folder: Path = self._calls.call(Path, given, hook="migrations_path")
            return source.root / folder
        return None if source.single_file else source.root / FOLDER

    def _declare(self) -> None:
        answer = self._calls.hook("get_database_schema")
        if answer:
            self._calls.call(self._schema.declare, self._key, answer, hook="get_database_schema")

    def _seed(self) -> list[str]:
        if hook_of(self._calls.generation.plugin, "seed") is None:
            return []
        if self._calls.call(self._schema.is_seeded, self._key, hook="seed"):
            return []
        claimed: list[bool] = []

        def once() -> Any:
            # The record and what the plugin writes are one transaction, that of the hook.
            connection = current_connection(self._database)
            claimed.append(self._schema.claim_seed(connection, self._key))
            return call_attribute(plugin, "seed", connection) if claimed[0] else None

        plugin = self._calls.generation.plugin
        self._calls.call(once, hook="seed")
        return [f"{self._calls.generation.name}: seeded"] if claimed[0] else []
