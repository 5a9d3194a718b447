"""SafeReloader: replaces generations as one transaction, or leaves everything as it was.

trial → stage → quiesce → snapshot → activate → verify → commit, or roll back. Until the commit
the old generations are untouched; the commit is one assignment.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from devserver.core.diagnostics import Diagnostic, has_errors
from devserver.core.errors import PluginHookFailed
from devserver.core.lifecycle import PluginStatus
from devserver.core.merge import qualified
from devserver.core.outcome import StateReport
from devserver.core.settings import Settings
from devserver.reload.exclusive import Exclusives, Fallen
from devserver.reload.failures import (
    TransactionFailed,
    hook_failed,
    still_busy,
    unexpected,
    waited_too_long,
)
from devserver.reload.plan import Action, PlanEntry, ReloadPlan
from devserver.reload.staging import Exposure, PeerTables
from devserver.reload.steps import Stopwatch
from devserver.reload.trial import Superseded, Trial
from devserver.runtime.breakpoints import follow_breakpoints
from devserver.runtime.gate import Hold, hold_all, release, wait_drained
from devserver.runtime.generation import Baseline, Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.persistent import problems_of
from devserver.runtime.registry import Edge, PluginRecord, SystemView
from devserver.runtime.shown_source import show_source
from devserver.runtime.state import Restored, Snapshot
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


class Transaction:
    """One run over a plan. Use once."""

    def __init__(
        self,
        plan: ReloadPlan,
        *,
        system: PluginSystem,
        settings: Settings,
        hooks: HookRunner,
        trial: Trial | None,
        watch: Stopwatch,
    ) -> None:
        self._plan = plan
        self._system = system
        self._settings = settings
        self._hooks = hooks
        self._trial = trial
        self._watch = watch
        self._peers = PeerTables(system.registry)
        self._new: dict[str, Lifecycle] = {}
        self._old = list(plan.outgoing)
        self._hold: Hold | None = None
        self._snapshot: Snapshot | None = None
        self._exclusives = Exclusives(plan, system=system, hooks=hooks)
        self._reports: dict[str, StateReport] = {}
        self._notes: list[str] = []

    def run(self, edges: tuple[Edge, ...] | None) -> Ended:
        """Goes through all steps; `edges` are published with the commit (None: unchanged).

        Raises Superseded when the trial hangs and there is newer content.
        """
        try:
            self._try_out()
            with self._watch.step("stage"):
                self._stage()
            with self._watch.step("quiesce"):
                self._quiesce()
            with self._watch.step("snapshot"):
                self._take_snapshot()
            for old in self._old:
                # So that who wraps a name wraps what is below the predecessor's wrapper.
                self._system.patches.suspend(old)
            with self._watch.step("activate"):
                self._notes += self._exclusives.stop(self._time_left)
                with self._exposed():
                    self._activate()
            with self._watch.step("verify"), self._exposed():
                self._verify()
        except Superseded:
            # Nothing has been touched yet, and there is nothing to tell.
            raise
        except TransactionFailed as failure:
            return self._roll_back(failure.diagnostics, retry=failure.retry)
        except PluginHookFailed as error:
            return self._roll_back((hook_failed(self._plan, error),), retry=error.hook != "import")
        except Exception as error:  # noqa: BLE001 - plugin code hides in properties and reprs
            return self._roll_back((unexpected(self._plan, error),), retry=False)
        with self._watch.step("commit"):
            return self._commit(edges)

    # -- the steps -----------------------------------------------------------------------------

    def _try_out(self) -> None:
        if self._trial is None:
            return
        with self._watch.step("trial"):
            entries = [e.candidate.source for e in self._plan.incoming if e.candidate is not None]
            view = self._system.registry.view
            live = [view.generation(key) for key in sorted(self._plan.context)]
            context = [g.source for g in live if g is not None]
            found = self._trial.examine(entries, context, timeout=self._settings.reload.timeout)
        if has_errors(found):
            raise TransactionFailed(found, retry=False)

    def _stage(self) -> None:
        for entry in self._plan.incoming:
            self._new[entry.key] = self._lifecycle_of(entry)
        self._peers.staged = {k: n.generation.table for k, n in self._new.items()}
        self._peers.removed = frozenset(
            e.key for e in self._plan.entries if e.action is Action.UNLOAD
        )
        with self._exposed():
            for key, lifecycle in self._new.items():
                with self._watch.step("stage", key):
                    lifecycle.import_modules()

    def _lifecycle_of(self, entry: PlanEntry) -> Lifecycle:
        candidate = entry.candidate
        if candidate is None:
            raise AssertionError("an entry that comes in has a candidate")
        generation = self._system.new_generation(
            candidate.source,
            manifest=candidate.manifest,
            candidate=candidate,
            number=entry.number,
            config=entry.config,
            resolve=self._peers,
            predecessor=entry.old,
        )
        return Lifecycle(
            generation,
            system=self._system,
            hooks=self._hooks,
            time_left=self._time_left,
        )

    def _time_left(self) -> float:
        """Seconds that the next hook may take: nobody waits longer than `reload.timeout`."""
        limit = self._settings.reload.timeout
        waited = 0.0 if self._hold is None else self._hold.oldest_wait(time.monotonic())
        if waited >= limit:
            raise TransactionFailed((waited_too_long(self._plan, limit),), retry=True)
        return limit - waited

    def _exposed(self) -> Any:
        tables = [n.generation.table for n in self._new.values()]
        return Exposure(self._system, [g.table for g in self._old], tables)

    def _quiesce(self) -> None:
        if not self._old:
            return
        # A net under the time limits of the hooks: who waits is not forgotten.
        self._system.gate.wait_limit = 2 * self._settings.reload.timeout + 5
        self._hold = hold_all(self._old)
        stragglers, gave_up = wait_drained(
            self._hold,
            self._old,
            drain_timeout=self._settings.reload.drain_timeout,
            wait_limit=self._settings.reload.timeout,
        )
        if gave_up:
            raise TransactionFailed(
                (still_busy(self._plan, stragglers, self._settings.reload.timeout),), retry=True
            )
        self._notes += [f"let go while still running: {f.told()}" for f in stragglers]

    def _take_snapshot(self) -> None:
        replaced = [e.old for e in self._plan.incoming if e.old is not None]
        custom = {}
        for generation in replaced:
            lifecycle = Lifecycle.of_live(
                generation,
                system=self._system,
                hooks=self._hooks,
                time_left=self._time_left,
            )
            lifecycle.see(self._system.registry.view)
            answer = lifecycle.persistent_state()
            if answer:
                custom[generation.key] = answer["value"]
                generation.persistent = answer
        self._snapshot = self._limited("snapshot", Snapshot, replaced, custom)
        self._notes += self._snapshot.notes

    def _activate(self) -> None:
        view = self._candidate_view()
        generations = [n.generation for n in self._new.values()]
        taking = None
        if self._snapshot is not None:
            taking = self._limited("restoring state", self._snapshot.restoring, generations)
        for lifecycle in self._new.values():
            lifecycle.see(view)
            lifecycle.construct()
        restored = Restored({}, {}, {})
        if taking is not None:
            restored = self._limited("restoring state", taking.finish)
        for entry in self._plan.incoming:
            with self._watch.step("activate", entry.key):
                self._activate_one(entry, restored)

    def _limited(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Runs what may call plugin code (`__getstate__` and the like) with the time limit."""
        return self._hooks.call(
            function,
            *arguments,
            plugin=self._plan.main,
            hook=what,
            timeout=self._time_left(),
            context=contextvars.Context(),
        )

    def _activate_one(self, entry: PlanEntry, restored: Restored) -> None:
        lifecycle = self._new[entry.key]
        kept = None if self._snapshot is None else self._snapshot.kept.get(entry.key)
        custom = restored.custom
        lifecycle.on_load()
        state = lifecycle.restore(
            restored.attributes.get(entry.key, {}),
            {"value": custom[entry.key]} if entry.key in custom else {},
            from_version="" if kept is None else kept.version,
            predecessor=entry.old,
        )
        passed = frozenset() if kept is None else kept.passed
        before = Baseline() if entry.old is None else entry.old.baseline
        standing = lifecycle.initialize(state, passed, before)
        lifecycle.register()
        self._notes += problems_of(lifecycle.generation)
        if kept is not None:
            main = self._plan.main
            lost = restored.lost.get(entry.key, frozenset())
            taken = (kept.changed - lost - frozenset(standing)) & frozenset(state)
            self._reports[entry.key] = StateReport(
                kept=qualified(frozenset(standing) - passed, entry.key, main=main),
                merged=qualified(kept.unchanged | taken, entry.key, main=main),
                passed=qualified(frozenset(standing) & passed, entry.key, main=main),
                lost=qualified(lost, entry.key, main=main),
            )

    def _candidate_view(self) -> SystemView:
        """The live view as it would be after the commit; hooks see it."""
        view = self._system.registry.view
        plugins = {k: r for k, r in view.plugins.items() if k not in self._peers.removed}
        for key, lifecycle in self._new.items():
            known = plugins.get(key) or PluginRecord(
                name=lifecycle.generation.name, status=PluginStatus.LOADING, reason="loading"
            )
            plugins[key] = replace(known, generation=lifecycle.generation)
        return replace(view, plugins=MappingProxyType(plugins))

    def _verify(self) -> None:
        for lifecycle in self._new.values():
            lifecycle.verify()

    # -- the end ------------------------------------------------------------------------------

    def _commit(self, edges: tuple[Edge, ...] | None) -> Ended:
        now = datetime.now(UTC)
        generations = tuple(n.generation for n in self._new.values())
        for generation in generations:
            generation.loaded_at = now
            generation.live_since = time.monotonic()
            self._system.live.watch(generation)
        records = [self._record_of(e) for e in self._plan.incoming]
        peers = {old.key: old.table for old in self._old}
        for old in self._old:
            old.table.pin(peers)
        self._show_modules(generations)
        self._system.registry.publish(
            *records, remove=tuple(sorted(self._peers.removed)), edges=edges
        )
        for old in self._old:
            if old.key in self._new:
                here = self._new[old.key].handlers_before
                old.own_handlers = here - old.foreign_handlers
                new = self._new[old.key].generation
                self._system.surroundings.hand_over(old.table, new.table)
            old.host.cancel_tasks()
        if self._snapshot is not None:
            self._snapshot.hand_over()
        for generation in generations:
            generation.host.go_live()
        self._peers.settle()
        self._let_in(replaced=True)
        return Ended(
            committed=True,
            state=StateReport.joined(self._reports.values()),
            notes=self._notes,
            live=generations,
            gone=tuple(self._old),
        )

    def _show_modules(self, generations: tuple[Generation, ...]) -> None:
        for old in self._old:
            old.table.conceal()
        for generation in generations:
            generation.table.expose()
        gone, shown = [g.table for g in self._old], [g.table for g in generations]
        show_source(shown, gone=gone)
        if self._settings.development_in_force.preserve_breakpoints:
            self._notes += follow_breakpoints(gone, shown)

    def _record_of(self, entry: PlanEntry) -> PluginRecord:
        generation = self._new[entry.key].generation
        known = self._system.registry.view.find(entry.key)
        return PluginRecord(
            name=generation.name,
            status=PluginStatus.ACTIVE,
            reason="active" if entry.old is None else f"reloaded from g{entry.old.number}",
            manifest=generation.manifest,
            generation=generation,
            generation_number=generation.number,
            last_loaded=generation.loaded_at,
            reload_count=0 if known is None else known.reload_count + (entry.old is not None),
        )

    def _roll_back(self, diagnostics: tuple[Diagnostic, ...], *, retry: bool) -> Ended:
        with self._watch.step("rollback"):
            troubles: list[str] = []
            for lifecycle in reversed(self._new.values()):
                lifecycle.hurry(lambda: self._settings.reload.timeout)
                troubles += lifecycle.leave()
                lifecycle.generation.table.conceal()
                self._system.live.let_go(lifecycle.generation)
            for old in self._old:
                self._system.patches.resume(old)
            self._peers.settle()
            fallen = self._start_again()
            self._let_in(replaced=False)
        self._notes += [f"while rolling back: {t}" for t in troubles]
        self._notes += [f"left behind: {what}" for what in self._hooks.abandoned]
        self._hooks.abandoned.clear()
        diagnostics = (*diagnostics, *(hook_failed(self._plan, f.failure) for f in fallen))
        return Ended(
            committed=False,
            diagnostics=diagnostics,
            error="; ".join([diagnostics[0].message, *map(str, fallen)]),
            retry=retry,
            notes=self._notes,
            fallen=fallen,
        )

    def _start_again(self) -> tuple[Fallen, ...]:
        """Exclusive plugins that had been stopped run again; those that cannot are failed."""
        if not self._exclusives.any_stopped or self._snapshot is None:
            return ()
        timeout = self._settings.reload.timeout
        restored = Restored({}, {}, {})
        try:
            restored = self._hooks.call(
                self._snapshot.restored,
                [e.old for e in self._plan.incoming if e.old is not None],
                plugin=self._plan.main,
                hook="restoring state",
                timeout=timeout,
                context=contextvars.Context(),
            )
        except PluginHookFailed as error:
            self._notes.append(f"state of what was stopped is lost: {error.message}")
        fallen = self._exclusives.start_again(restored, self._snapshot.kept, lambda: timeout)
        view = self._system.registry.view
        self._system.registry.publish(
            *(
                replace(
                    view.plugins[f.generation.key],
                    status=PluginStatus.FAILED,
                    reason=str(f),
                    generation=None,
                )
                for f in fallen
            )
        )
        return tuple(fallen)

    def _let_in(self, *, replaced: bool) -> None:
        if self._hold is not None:
            release(self._hold, self._old, replaced=replaced)
