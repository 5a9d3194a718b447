"""The migrations of a project's plugins, worked on without a server and without plugin code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from devserver.assembly import OfflineProject
from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import (
    DatabaseUnavailable,
    DevServerError,
    MigrationFailed,
    PluginNotFound,
    SettingsError,
)
from devserver.core.names import normalise
from devserver.runtime.discovery import discover
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project
from devserver.runtime.settings_file import read_settings
from devserver.store.address import find_address
from devserver.store.database import Database
from devserver.store.plugin_migrations import PluginMigrations
from devserver.store.upgrade import HEAD, core_state, upgrade

FOLDER = "migrations"
"""Where migrations are, in a plugin's folder."""


class ProjectMigrations:
    """A project's database and the migrations of its plugins. Names are taken in either
    spelling. Nothing is opened before it is asked for; `close` when done.

    Methods raise DatabaseUnavailable; the constructor BadAddress and what is wrong with files of
    settings.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self.address = find_address(project.root, read_host_settings(project.root).database)
        self._database = Database(self.address)
        self._migrations = PluginMigrations(self._database, root=project.root)
        found, problems = read_settings(project.root)
        if found is None:
            raise SettingsError(problems)
        self._development = found.development_mode
        self._plugins = discover(project)

    def close(self) -> None:
        self._database.close()

    def require(self, name: str | None) -> None:
        """Raises PluginNotFound for a plugin that is not there."""
        if name is not None and normalise(name) not in self._plugins:
            raise PluginNotFound(name)

    def core(self) -> dict[str, Any]:
        """`{revision, head, current}`; the revision is None before anything was made."""
        file = self.address.file
        revision = None if file is not None and not file.exists() else self._revision()
        return {"revision": revision, "head": HEAD, "current": revision == HEAD}

    def status(self) -> dict[str, Any]:
        """`{url, origin, dialect, reachable, core, plugins}`; where the database cannot be used
        `reachable` is False, and `error` and `hint` say why."""
        document: dict[str, Any] = {
            "url": str(self.address),
            "origin": self.address.origin,
            "dialect": self._database.dialect,
            "reachable": False,
            "core": None,
            "plugins": [],
        }
        try:
            core, plugins = self.core(), list(self._rows())
        except (DatabaseUnavailable, MigrationFailed) as error:
            return {**document, "error": error.message, "hint": error.hint}
        return {**document, "reachable": True, "core": core, "plugins": plugins}

    def upgrade_core(self) -> bool:
        """Brings the core tables up to date; False when they are already."""
        return upgrade(self._database)

    def migrate(self, name: str | None, *, redo: bool) -> Iterator[dict[str, Any]]:
        """Applies what is pending, of one plugin or of all, dependencies first, and gives after
        each `{name, applied, error, hint, diagnostics}`. What depends on a plugin that failed is
        not tried. Raises PluginNotFound."""
        failed: set[str] = set()
        needs = self._needs() if name is None else {}
        for key in self._order(name, needs):
            row: dict[str, Any] = {"name": self._plugins[key].name, "applied": []}
            broken = sorted(failed & needs.get(key, set()))
            try:
                if broken:
                    raise DevServerError(
                        f"{row['name']} was not tried: it depends on {broken[0]}, which failed"
                    )
                deed = self._migrations.redo if redo else self._migrations.apply
                applied = deed(key, self._folder(key), development=self._development)
                yield {**row, "applied": list(applied), **_failure(None)}
            except DevServerError as error:
                failed.add(key)
                yield {**row, **_failure(error)}

    def preview(self, name: str | None, *, redo: bool) -> Iterator[dict[str, Any]]:
        """What `migrate` would do, as `{name, pending: [{id, file, sql}], error, hint,
        diagnostics}`. Raises PluginNotFound."""
        needs = self._needs() if name is None else {}
        for key in self._order(name, needs):
            row: dict[str, Any] = {"name": self._plugins[key].name, "pending": []}
            try:
                found = self._migrations.pending(
                    key, self._folder(key), development=self._development, anew=redo
                )
                shown = [{"id": p.file.id, "file": p.file.file, "sql": p.sql} for p in found]
                yield {**row, "pending": shown, **_failure(None)}
            except MigrationFailed as error:
                yield {**row, **_failure(error)}

    def _rows(self) -> Iterator[dict[str, Any]]:
        recorded = set(self._migrations.known())
        for key in sorted({*self._with_migrations(), *recorded}):
            folder = self._folder(key)
            found = self._migrations.status(key, folder, development=self._development)
            yield {
                "name": self._plugins[key].name if key in self._plugins else key,
                "on_disk": key in self._plugins,
                "applied": list(found.applied),
                "pending": list(found.pending),
                "drifted": list(found.drifted),
                "diagnostics": [
                    d.to_json() for d in (*found.problems, *found.warnings)
                    if key in self._plugins
                ],
            }  # fmt: skip

    def _revision(self) -> str | None:
        return core_state(self._database).revision

    def _folder(self, key: str) -> Path:
        return self._plugins.get(key, self._project.plugins / key) / FOLDER

    def _with_migrations(self) -> list[str]:
        return [key for key in self._plugins if self._folder(key).is_dir()]

    def _order(self, name: str | None, needs: Mapping[str, set[str]]) -> list[str]:
        self.require(name)
        if name is not None:
            return [normalise(name)]
        ordered: list[str] = []
        wanted = sorted(self._with_migrations())
        while wanted:
            ready = [k for k in wanted if not needs.get(k, set()) & set(wanted) - {k}]
            ordered += ready or wanted  # those in a circle go by name
            wanted = [k for k in wanted if k not in ordered]
        return ordered

    def _needs(self) -> dict[str, set[str]]:
        """Key → keys of all that a plugin depends on, however far."""
        if len(self._with_migrations()) < 2:
            return {}
        direct: dict[str, set[str]] = {}
        for edge in OfflineProject(self._project).edges():
            direct.setdefault(normalise(edge.source), set()).add(normalise(edge.target))
        found = {}
        for key in direct:
            reached: set[str] = set()
            waiting = [key]
            while waiting:
                new = direct.get(waiting.pop(), set()) - reached
                reached |= new
                waiting += new
            found[key] = reached
        return found


def _failure(error: DevServerError | None) -> dict[str, Any]:
    if error is None:
        return {"error": None, "hint": None, "diagnostics": []}
    found: tuple[Diagnostic, ...] = error.diagnostics if isinstance(error, MigrationFailed) else ()
    return {
        "error": error.message,
        "hint": error.hint,
        "diagnostics": [d.to_json() for d in found],
    }
