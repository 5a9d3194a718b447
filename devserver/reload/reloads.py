"""Reloads that somebody asks for."""

from __future__ import annotations

from devserver.core.errors import PluginNotFound, PluginUnavailable
from devserver.core.graph import order_anyway
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome
from devserver.reload.commanding import Commanding
from devserver.reload.queue import ReloadPlugins
from devserver.runtime.registry import Registry


class Reloads:
    """Which plugins they are of, and in which order."""

    def __init__(self, *, registry: Registry, commanding: Commanding) -> None:
        self._registry = registry
        self._commanding = commanding

    def one(
        self, name: str, *, force: bool, backup_state: bool, trigger: str, anew: bool = False
    ) -> Outcome:
        """Reloads a plugin with its dependents, with `anew` without its state. Raises
        PluginNotFound, PluginUnavailable for one that is disabled."""
        record = self._registry.view.find(name)
        if record is None:
            raise PluginNotFound(name)
        if record.status is PluginStatus.DISABLED:
            raise PluginUnavailable(
                f"plugin {record.name!r} is disabled: {record.reason}",
                hint=f"`sysctl plugins enable {record.name}` puts it into service",
            )
        command = ReloadPlugins(
            keys=(record.key,), force=force, trigger=trigger, anew=anew, backup_state=backup_state
        )
        # While it is waited for nothing here may hold the generation that goes.
        del record
        return self._commanding.outcome_of(command)

    def every(self, *, force: bool, backup_state: bool, trigger: str) -> list[Outcome]:
        """Reloads every plugin that is not disabled, dependencies first; what came along with
        another is not repeated. What fails holds up nothing else."""
        view = self._registry.view
        order = order_anyway(list(view.plugins), [(e.source, e.target) for e in view.edges])
        del view
        done: set[str] = set()
        outcomes = []
        for key in order:
            if key not in done and self._may_run(key):
                outcome = self.one(key, force=force, backup_state=backup_state, trigger=trigger)
                done.update(map(normalise, outcome.reloaded))
                outcomes.append(outcome)
        return outcomes

    def _may_run(self, key: str) -> bool:
        record = self._registry.view.find(key)
        return record is not None and record.status is not PluginStatus.DISABLED
