"""Plugins that stand outside of plugins/, for one run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from devserver.core.changes import ChangeBatch
from devserver.core.errors import DevServerError
from devserver.core.names import normalise, problem_with
from devserver.core.outcome import Outcome
from devserver.core.settings import WatchSettings
from devserver.reload.catalog import Catalog, Place
from devserver.reload.control import Control
from devserver.reload.watcher import Watcher
from devserver.runtime.discovery import discover, is_plugin

_BELOW = "plugins/**/"
_LEAST = ("**/*.py", "**/manifest.json")


class Outside:
    """Loads them and has their files watched. `watch()` are the settings of the watch in force;
    `on_batch` and `on_problem` as for Watcher. Calls may come from any thread."""

    def __init__(
        self,
        *,
        control: Control,
        catalog: Catalog,
        watch: Callable[[], WatchSettings],
        on_batch: Callable[[ChangeBatch], None],
        on_problem: Callable[[str, str | None], None],
    ) -> None:
        self._control = control
        self._catalog = catalog
        self._watch = watch
        self._on_batch = on_batch
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._watchers: dict[str, tuple[Place, Watcher]] = {}
        self._stopped = False

    def load(self, name: str, location: Path, *, trigger: str = "api") -> Outcome:
        """Serves the plugin at `location`, a folder or a single file, under that name until the
        server stops, also instead of one in plugins/. One that cannot go live changes nothing.

        Raises DevServerError when there is no plugin, or no plugin can be called so.
        """
        problem = problem_with(name)
        if problem is not None:
            raise DevServerError(f"{name!r} cannot be loaded: {problem}", hint="use another name")
        place = Place(name=name, location=location.expanduser().absolute())
        if not is_plugin(place.location):
            raise DevServerError(
                f"there is no plugin in {location}",
                hint="a plugin is a folder with plugin.py or __init__.py, or a single .py file",
            )
        key = normalise(name)
        with self._lock:
            # The watch begins first: what is saved while it is loaded is not missed.
            watcher = self._begin(place)
            outcome: Outcome | None = None
            try:
                outcome = self._serve(name, place, trigger=trigger)
            finally:
                if outcome is None or not outcome.success:
                    watcher.stop()
                else:
                    self._keep(key, place, watcher)
        return outcome

    def find(self, name: str) -> Path | None:
        """Where a plugin stands that is served from elsewhere, None for the others."""
        place = self._catalog.outside.get(normalise(name))
        return None if place is None else place.location

    def leave(self, name: str, *, trigger: str = "api") -> Outcome:
        """Serves the plugin from plugins/ again. One that cannot go live changes nothing.

        Raises DevServerError when it stands nowhere else, or not in plugins/.
        """
        key = normalise(name)
        with self._lock:
            before = self._catalog.outside.get(key)
            if before is None:
                raise DevServerError(f"{name!r} is not served from elsewhere")
            if key not in discover(self._catalog.project):
                raise DevServerError(
                    f"there is no plugins/{name} to go back to: it stands in {before.location}",
                    hint=f"`sysctl plugins unload {name}` takes it out of service",
                )
            outcome = self._serve(name, None, trigger=trigger)
            if outcome.success:
                _, watcher = self._watchers.pop(key)
                watcher.stop()
        return outcome

    def apply(self) -> None:
        """The settings of the watch have changed."""
        for place, watcher in list(self._watchers.values()):
            watcher.apply(_settings_for(place, self._watch()))

    def stop(self) -> None:
        """Ends all watches."""
        self._stopped = True
        for _, watcher in list(self._watchers.values()):
            watcher.stop()

    def _serve(self, name: str, place: Place | None, *, trigger: str) -> Outcome:
        """What stands at `place`, in plugins/ for None, is to serve; else what did before."""
        key = normalise(name)
        before = self._catalog.outside.get(key)
        return self._control.replace(
            name,
            put=lambda: self._catalog.stand(key, place),
            put_back=lambda: self._catalog.stand(key, before),
            enable=True,
            trigger=trigger,
        )

    def _begin(self, place: Place) -> Watcher:
        location = place.location
        watcher = Watcher(
            location.parent if location.suffix == ".py" else location,
            _settings_for(place, self._watch()),
            on_batch=self._on_batch,
            on_problem=self._on_problem,
        )
        watcher.start()
        return watcher

    def _keep(self, key: str, place: Place, watcher: Watcher) -> None:
        _, former = self._watchers.pop(key, (None, None))
        if former is not None:
            former.stop()
        self._watchers[key] = (place, watcher)
        if self._stopped:
            watcher.stop()


def _settings_for(place: Place, settings: WatchSettings) -> WatchSettings:
    """What is watched below plugins/ is watched there too."""
    if place.location.suffix == ".py":
        patterns: tuple[str, ...] = (f"/{place.location.name}",)
    else:
        below = (p for p in settings.patterns if p.startswith(_BELOW))
        patterns = (*(f"**/{p.removeprefix(_BELOW)}" for p in below), *_LEAST)
    return settings.model_copy(update={"patterns": patterns})
