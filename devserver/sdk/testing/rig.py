"""A host for one test: nothing is watched, and nothing stays behind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devserver.assembly.embedded import EmbeddedApp
    from devserver.core.settings import Settings

Database = bool | str
"""True: an SQLite file that goes with the test; a URL: that one; False: none."""
Configs = Mapping[str, Mapping[str, Any]]
"""Plugin → key → value."""


@contextmanager
def running_app(
    project: str | Path | None,
    *,
    near: Path,
    enabled: Iterable[str] = (),
    config: Configs | None = None,
    database: Database = False,
) -> Iterator[EmbeddedApp]:
    """A started application of `project`, by default the nearest one upwards from `near`. Its
    plugins are out of service, but for those of `enabled` (one name, or several in that order).

    Raises ProjectNotFound, PluginNotFound, also for one that is only configured, and
    AssertionError for one of `enabled` that cannot go live.
    """
    from devserver.assembly.embedded import EmbeddedApp
    from devserver.assembly.variant import Variant
    from devserver.core.lifecycle import DesiredState
    from devserver.runtime.project import find_project

    with ExitStack() as stack:
        variant = Variant(
            database=_url(database, stack),
            unspoken=DesiredState.INACTIVE,
            settings=_for_tests,
            claims_project=False,
        )
        explicit = None if project is None else Path(project)
        found = find_project(near, explicit=explicit)
        app = EmbeddedApp(found, hot_reload=False, variant=variant)
        stack.callback(app.close)
        app.start()
        _configure(app, config or {})
        for name in (enabled,) if isinstance(enabled, str) else enabled:
            insist(app, name)
        yield app


def insist(app: EmbeddedApp, name: str) -> None:
    """Puts a plugin into service. Raises AssertionError that tells why it could not be, and
    PluginNotFound."""
    switched = app.plugin_manager.enable_plugin(name)
    if not switched:
        found = switched.outcome.diagnostics if switched.outcome is not None else ()
        lines = [f"  {d.location}: {d.code} {d.message}" for d in found if d.is_error]
        raise AssertionError("\n".join([f"{name}: {switched.message}", *lines]))


def _url(database: Database, stack: ExitStack) -> str:
    if isinstance(database, str):
        return database
    if not database:
        return ""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="plugin-test-"))
    return f"sqlite:///{Path(folder) / 'test.sqlite'}"


def _for_tests(settings: Settings) -> Settings:
    """A test's own code needs no trial in a second process, and no file tells of it."""
    return settings.model_copy(
        update={
            "safety": settings.safety.model_copy(update={"trial_process": False}),
            "reload": settings.reload.model_copy(update={"backup_state": False}),
            "loading": settings.loading.model_copy(update={"lazy": False}),
            "development": settings.development.model_copy(update={"auto_install_deps": False}),
        }
    )


def _configure(app: EmbeddedApp, config: Configs) -> None:
    from devserver.core.errors import PluginNotFound
    from devserver.core.names import normalise
    from devserver.core.values import Changes

    for plugin in config:
        if app.plugin_manager.get_plugin_info(plugin) is None:
            raise PluginNotFound(plugin)
    app.plugin_host.system.values.put(
        (
            normalise(plugin),
            Changes(config={key: json.dumps(value) for key, value in values.items()}),
        )
        for plugin, values in config.items()
    )
