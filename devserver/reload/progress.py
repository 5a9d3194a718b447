"""What one transaction has done so far, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from devserver.core.diagnostics import Diagnostic
from devserver.core.outcome import StateReport
from devserver.core.settings import Settings
from devserver.reload.exclusive import Exclusives, Fallen
from devserver.reload.plan import ReloadPlan
from devserver.reload.staging import PeerTables
from devserver.runtime.gate import Hold
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.state import Snapshot
from devserver.runtime.system import PluginSystem


@dataclass(slots=True)
class Ended:
    """How a transaction ended. `retry` is True when the same content may do better later."""

    committed: bool
    diagnostics: tuple[Diagnostic, ...] = ()
    error: str | None = None
    retry: bool = False
    state: StateReport = field(default_factory=StateReport)
    notes: list[str] = field(default_factory=list)
    live: tuple[Generation, ...] = ()
    gone: tuple[Generation, ...] = ()
    fallen: tuple[Fallen, ...] = ()


@dataclass(slots=True, kw_only=True)
class Progress:
    """`new` are the lifecycles of candidates by key, `old` the generations that are to go, both
    dependencies first. `hold` is what new work waits at from the quiesce step on, `snapshot` the
    state that was taken."""

    plan: ReloadPlan
    system: PluginSystem
    settings: Settings
    hooks: HookRunner
    peers: PeerTables
    exclusives: Exclusives
    old: list[Generation]
    new: dict[str, Lifecycle] = field(default_factory=dict)
    hold: Hold | None = None
    snapshot: Snapshot | None = None
    reports: dict[str, StateReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
