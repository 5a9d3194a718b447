"""The migrations of plugins: each file once, in order, all that are pending in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, delete, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import DatabaseUnavailable, MigrationFailed
from devserver.core.names import normalise
from devserver.store.database import Database
from devserver.store.locks import lock
from devserver.store.migration_files import MigrationFile, MigrationFolder, read_folder
from devserver.store.migration_history import MigrationStatus, compare
from devserver.store.migration_runner import MigrationStopped, PlannedMigration, plan, run
from devserver.store.objects import DropRefused, drop, objects_of
from devserver.store.plugin_objects import PluginObjects, TakenAway
from devserver.store.tables import metadata, plugin_migrations, plugin_seeds
from devserver.store.time_limit import is_timeout, time_limit

LOCK = "plugin migrations"
"""Held by whoever makes or drops tables, so that it is known who made what."""
CORE = frozenset({*metadata.tables, "alembic_version"})


class PluginMigrations:
    """Applies the migrations of plugins. Diagnostics name files relative to `root`.

    Names of plugins are taken in either spelling. Whatever goes wrong is raised as
    MigrationFailed, and nothing of it stays.
    """

    def __init__(self, database: Database, *, root: Path | None = None) -> None:
        self._database = database
        self._root = root
        self._settled: dict[str, MigrationFolder] = {}
        """Folders that were seen applied as a whole: a reload that changed none of their files
        asks no database."""

    def status(self, plugin: str, folder: Path, *, development: bool = False) -> MigrationStatus:
        """What is applied, pending and drifted. Nothing is changed; a database without core
        tables has nothing applied."""
        files = self._read(folder)
        found = compare(plugin, files, self._recorded(plugin), development=development)
        return replace(
            found,
            problems=_of(plugin, found.problems),
            warnings=_of(plugin, found.warnings),
        )

    def known(self) -> tuple[str, ...]:
        """The plugins that have migrations applied. Raises DatabaseUnavailable."""
        if not self._is_there():
            return ()
        with self._database.read() as connection:
            if not inspect(connection).has_table(plugin_migrations.name):
                return ()
            return tuple(connection.scalars(select(plugin_migrations.c.plugin).distinct()))

    def pending(
        self, plugin: str, folder: Path, *, development: bool = False, anew: bool = False
    ) -> tuple[PlannedMigration, ...]:
        """What `apply` would do, or with `anew` what `redo` would; with the SQL as this database
        gets it. Nothing is changed."""
        files = self._read(folder)
        if not files.files and not files.problems:
            return ()
        recorded = {} if anew else self._recorded(plugin)
        return self._planned(plugin, files, recorded, development=development)

    def apply(
        self, plugin: str, folder: Path, *, development: bool, timeout: float | None = None
    ) -> tuple[str, ...]:
        """Applies what is pending; gives the ids in order. Several instances that do so at once
        do it once. A plugin without migrations needs no database. A statement that takes longer
        than `timeout` seconds fails."""
        files = self._read(folder)
        if not (files.files or files.problems) or self._settled.get(normalise(plugin)) == files:
            return ()
        recorded = self._recorded(plugin)
        planned = self._planned(plugin, files, recorded, development=development)
        done = self._apply(plugin, folder, planned, development, timeout) if planned else ()
        if len(done) == len(planned):
            self._settled[normalise(plugin)] = files
        return done

    def _apply(
        self,
        plugin: str,
        folder: Path,
        planned: tuple[PlannedMigration, ...],
        development: bool,
        timeout: float | None,
    ) -> tuple[str, ...]:
        with self._writing(plugin, timeout) as connection:
            # Meanwhile another instance may have done it.
            recorded = _recorded(connection, normalise(plugin))
            if any(one.file.id in recorded for one in planned):
                files = self._read(folder)
                planned = self._planned(plugin, files, recorded, development=development)
            self._run(connection, plugin, planned)
        return tuple(one.file.id for one in planned)

    def redo(
        self, plugin: str, folder: Path, *, development: bool, timeout: float | None = None
    ) -> tuple[str, ...]:
        """Drops what the plugin's migrations made, rows and all, and applies all files anew, in
        one transaction; gives their ids. Its `seed(db)` is run again at the next load. Changes
        to what others made are not undone. Only in development mode."""
        if not development:
            raise MigrationFailed(
                f"--redo drops the tables of {plugin} and what is in them,"
                " and is for development mode only",
                hint="set hot_loading.development_mode: true in config/hot-loading.yaml",
            )
        key = normalise(plugin)
        self._settled.pop(key, None)
        planned = self._planned(plugin, self._read(folder), {}, development=True)
        with self._writing(plugin, timeout) as connection:
            objects = PluginObjects(connection, key)
            try:
                drop(connection, objects.made())
            except DropRefused as error:
                raise MigrationFailed(
                    f"what the migrations of {plugin} made cannot be dropped: {error}",
                    hint="drop first what depends on it",
                ) from None
            objects.forget()
            for table in (plugin_migrations, plugin_seeds):
                connection.execute(delete(table).where(table.c.plugin == key))
            self._run(connection, plugin, planned)
        return tuple(one.file.id for one in planned)

    def _recorded(self, plugin: str) -> dict[str, str]:
        """Id → checksum of what was applied; a database that is not there is not made for it."""
        if not self._is_there():
            return {}
        with self._told(plugin), self._database.read() as connection:
            return _recorded(connection, normalise(plugin))

    def _is_there(self) -> bool:
        file = self._database.address.file
        return file is None or file.exists()

    def _read(self, folder: Path) -> MigrationFolder:
        return read_folder(folder, self._database.dialect, root=self._root)

    def _planned(
        self,
        plugin: str,
        folder: MigrationFolder,
        recorded: dict[str, str],
        *,
        development: bool,
    ) -> tuple[PlannedMigration, ...]:
        found = compare(plugin, folder, recorded, development=development)
        _refuse(plugin, found.problems)
        wanted: list[MigrationFile] = [f for f in folder.files if f.id in found.pending]
        planned = tuple(plan(file, self._database.dialect, CORE) for file in wanted)
        _refuse(plugin, [problem for one in planned for problem in one.problems])
        return planned

    def _run(
        self, connection: Connection, plugin: str, planned: Sequence[PlannedMigration]
    ) -> None:
        key = normalise(plugin)
        objects = PluginObjects(connection, key)
        before = objects_of(connection)
        for one in planned:
            try:
                run(connection, one, self._database.address)
                before = objects.record(one.file.id, before)
            except MigrationStopped as error:
                _refuse(plugin, [error.diagnostic], cause=error.__cause__)
            except TakenAway as error:
                hint = "a migration drops only what the plugin itself made"
                _refuse(plugin, [one.file.diagnostic("MIG010", str(error), hint=hint)])
            row = {"plugin": key, "migration_id": one.file.id, "checksum": one.file.checksums[0]}
            connection.execute(insert(plugin_migrations).values(**row))

    @contextmanager
    def _writing(self, plugin: str, timeout: float | None) -> Iterator[Connection]:
        """One transaction that nobody else makes tables in."""
        with (
            self._told(plugin),
            self._database.write() as connection,
            time_limit(connection, timeout),
        ):
            if not inspect(connection).has_table(plugin_migrations.name):
                message = "the tables of the server itself are not in the database yet"
                raise DatabaseUnavailable(message, hint="`sysctl database migrate` makes them")
            lock(connection, LOCK)
            yield connection

    @contextmanager
    def _told(self, plugin: str) -> Iterator[None]:
        """Raises what the database refuses as MigrationFailed."""
        try:
            yield
        except DatabaseUnavailable as error:
            found = _diagnostic("MIG018", error.message, error.hint)
            raise MigrationFailed(
                error.message, hint=error.hint, diagnostics=_of(plugin, [found])
            ) from error
        except DBAPIError as error:
            if is_timeout(error):
                message = "another instance that applies migrations takes too long"
                raise MigrationFailed(
                    message,
                    hint="wait until it is done",
                    diagnostics=_of(plugin, [_diagnostic("MIG018", message, None)]),
                ) from error
            # What is checked at the commit: deferred foreign keys.
            message = f"the migrations of {plugin} cannot be committed: {error.orig}".strip()
            hint = "rows refer to rows that are not there"
            found = _diagnostic("MIG008", message, hint)
            raise MigrationFailed(message, hint=hint, diagnostics=_of(plugin, [found])) from error


def _recorded(connection: Connection, key: str) -> dict[str, str]:
    """Id → checksum of what was applied."""
    if not inspect(connection).has_table(plugin_migrations.name):
        return {}
    columns = plugin_migrations.c
    query = select(columns.migration_id, columns.checksum).where(columns.plugin == key)
    return {row.migration_id: row.checksum for row in connection.execute(query)}


def _diagnostic(code: str, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic(code=code, severity=Severity.ERROR, message=message, hint=hint)


def _of(plugin: str, found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(replace(one, plugin=plugin) for one in found)


def _refuse(
    plugin: str, found: Sequence[Diagnostic], *, cause: BaseException | None = None
) -> None:
    if not found:
        return
    first = found[0]
    message = f"the migrations of {plugin} were refused: {first.message}"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise MigrationFailed(
        message + more, hint=first.hint, diagnostics=_of(plugin, found)
    ) from cause
