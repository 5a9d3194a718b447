"""Where plugins stand in plugins/, and what takes their place there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from devserver.core.errors import DevServerError, PluginNotFound
from devserver.core.names import normalise, problem_with
from devserver.core.outcome import Outcome
from devserver.core.settings import Settings
from devserver.packages.done import Done, Live, disk_errors
from devserver.packages.shelf import Shelf
from devserver.packages.switch import Left, Switch, recover
from devserver.runtime.discovery import discover
from devserver.runtime.project import Project


class Places:
    """Hold the lock of the shelf for what changes something. `tell` gets what a change leaves
    that is in no package."""

    def __init__(
        self,
        project: Project,
        shelf: Shelf,
        *,
        live: Live,
        settings: Callable[[], Settings],
        tell: Callable[[str], None],
        elsewhere: Callable[[str], Path | None],
    ) -> None:
        self._project = project
        self._shelf = shelf
        self._live = live
        self._settings = settings
        self._tell = tell
        self._elsewhere = elsewhere

    def find(self, name: str) -> Path | None:
        """Where the plugin stands, None when nothing is in the way. Raises PluginNotFound."""
        if problem_with(name) is not None:
            raise PluginNotFound(name)
        plain = self._project.plugins / name
        there = plain if plain.is_symlink() or plain.exists() else None
        return discover(self._project).get(normalise(name), there)

    def refuse_elsewhere(self, name: str) -> None:
        """Raises DevServerError for a plugin whose place in plugins/ is not what is served."""
        place = self._elsewhere(name)
        if place is not None:
            raise DevServerError(
                f"plugin {name!r} is served from {place} for this run: nothing was changed",
                hint=f"`sysctl plugins load {name}` goes back to plugins/; or edit it there",
            )

    def recover(self) -> list[str]:
        """Ends what killed processes left; what is to be said of it. Raises OSError."""
        left = recover(self._project.plugins, self._shelf, self._is_save)
        return [f"{one.name}: {note}" for one in left for note in one.told()]

    def switch(
        self,
        name: str,
        target: Path | None,
        deed: str,
        *,
        trigger: str,
        version: str | None = None,
        enable: bool = False,
    ) -> Done:
        """Puts `target` (None: nothing) into the plugin's place and has it made live, or changes
        nothing; with `version` it was staged, and is on the shelf then. Raises DevServerError,
        OSError."""
        place = self.find(name)
        previous = None if place is None else self._shelf.holding(name, place)
        shown = name if place is None or place.suffix == ".py" else place.name
        plugins = self._project.plugins
        switch = Switch.prepare(plugins, shown, old=place, new=target, version=version)

        @disk_errors()
        def put() -> None:
            self.refuse_elsewhere(shown)
            switch.put()

        outcome: Outcome | None = None
        try:
            outcome = self._live.replace(
                shown,
                put=put,
                put_back=disk_errors()(switch.put_back),
                enable=enable,
                trigger=trigger,
            )
        finally:
            live = outcome is not None and outcome.success
            left = switch.commit(self._shelf) if live else switch.undo(self._shelf, self._is_save)
            notes = self._told(left)
        return Done(
            deed=deed, name=shown, version="" if target is None else target.parent.name,
            outcome=outcome, previous=previous, kept=next(iter(left.kept), None), notes=notes,
        )  # fmt: skip

    def _is_save(self, path: str) -> bool:
        where = self._project.relative(self._project.plugins / path)
        return self._settings().watch.path_filter().accepts(where)

    def _told(self, left: Left) -> tuple[str, ...]:
        notes = left.told()
        for note in notes:
            self._tell(f"{left.name}: {note}")
        return notes
