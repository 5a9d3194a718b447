"""What one transaction has done so far, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from devserver.core.diagnostics import Diagnostic
from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import StateReport
from devserver.core.settings import Settings
from devserver.core.values import Changes
from devserver.reload.exclusive import Exclusives, Fallen
from devserver.reload.plan import ReloadPlan
from devserver.reload.reconfiguration import Reconfigurations
from devserver.reload.staging import PeerTables
from devserver.runtime.generation import Generation
from devserver.runtime.hold import Hold
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.registry import PluginRecord, SystemView
from devserver.runtime.state import Snapshot
from devserver.runtime.system import PluginSystem


@dataclass(slots=True)
class Ended:
    """How a transaction ended. `retry` is True when the same content may do better later,
    `untouched` when nothing of it was executed in this process. `beside` are new generations that
    were kept without being committed, `backups` the files, from the project root, that the state of
    `gone` was written to."""

    committed: bool
    diagnostics: tuple[Diagnostic, ...] = ()
    error: str | None = None
    retry: bool = False
    untouched: bool = False
    state: StateReport = field(default_factory=StateReport)
    notes: list[str] = field(default_factory=list)
    live: tuple[Generation, ...] = ()
    gone: tuple[Generation, ...] = ()
    beside: tuple[Generation, ...] = ()
    fallen: tuple[Fallen, ...] = ()
    reconfigured: tuple[Generation, ...] = ()
    overrides_before: tuple[tuple[str, Changes], ...] = ()
    backups: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Progress:
    """`new` are the lifecycles of candidates by key, `old` the generations that are to go, both
    dependencies first; `reconfigurations` are those that stay. `hold` is what new work waits at
    from the quiesce step on, `snapshot` the state that goes on, `way_back` that of what was stopped
    and may have to start again."""

    plan: ReloadPlan
    system: PluginSystem
    settings: Settings
    hooks: HookRunner
    peers: PeerTables
    exclusives: Exclusives
    reconfigurations: Reconfigurations
    old: list[Generation]
    new: dict[str, Lifecycle] = field(default_factory=dict)
    hold: Hold | None = None
    snapshot: Snapshot | None = None
    way_back: Snapshot | None = None
    reports: dict[str, StateReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    overrides_before: list[tuple[str, Changes]] = field(default_factory=list)
    """What puts overrides back that have been kept already."""

    @property
    def held(self) -> list[Generation]:
        """The generations that nobody is inside of from the quiesce step on."""
        return [*self.old, *self.reconfigurations.told]

    def candidate_view(self) -> SystemView:
        """The live view as it would be after the commit; hooks see it."""
        view = self.system.registry.view
        plugins = {k: r for k, r in view.plugins.items() if k not in self.peers.removed}
        for key, lifecycle in self.new.items():
            known = plugins.get(key) or PluginRecord(
                name=lifecycle.generation.name, status=PluginStatus.LOADING, reason="loading"
            )
            plugins[key] = replace(known, generation=lifecycle.generation)
        return replace(view, plugins=MappingProxyType(plugins))


class Ending(Protocol):
    """How a transaction ends well. `prepare` and `publish` may fail, and are rolled back then;
    `finish` cannot be stopped half-way."""

    def prepare(self) -> None: ...

    def publish(self) -> None: ...

    def finish(self) -> Ended: ...
