"""SafeReloader: replaces generations as one transaction, or leaves everything as it was.

trial → stage → quiesce → snapshot → activate → verify → commit, or roll back. Until the commit
the old generations are untouched; the commit is one assignment.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from typing import Any

from devserver.core.diagnostics import Diagnostic, has_errors
from devserver.core.errors import PluginHookFailed
from devserver.core.merge import qualified
from devserver.core.outcome import StateReport
from devserver.core.settings import Settings
from devserver.reload.ending import roll_back
from devserver.reload.exclusive import Exclusives
from devserver.reload.failures import (
    TransactionFailed,
    hook_failed,
    refused_by_database,
    still_busy,
    unexpected,
    waited_too_long,
)
from devserver.reload.overtaking import Overtaking, Superseded
from devserver.reload.plan import Action, PlanEntry, ReloadPlan
from devserver.reload.progress import Ended, Ending, Progress
from devserver.reload.reconfiguration import Reconfigurations
from devserver.reload.staging import Exposure, PeerTables
from devserver.reload.steps import Stopwatch
from devserver.reload.trial import Trial
from devserver.runtime.generation import Baseline
from devserver.runtime.hold import hold_all, wait_drained
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.persistent import problems_of
from devserver.runtime.state import Restored, Snapshot
from devserver.runtime.system import PluginSystem


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
        overtaking: Overtaking,
        watch: Stopwatch,
    ) -> None:
        self._plan = plan
        self._system = system
        self._settings = settings
        self._hooks = hooks
        self._trial = trial
        self._overtaking = overtaking
        self._watch = watch
        self._progress = Progress(
            plan=plan,
            system=system,
            settings=settings,
            hooks=hooks,
            peers=PeerTables(system.registry),
            exclusives=Exclusives(plan, system=system, hooks=hooks),
            reconfigurations=Reconfigurations(plan, system=system, hooks=hooks),
            old=list(plan.outgoing),
        )

    def run(self, ending: Callable[[Progress], Ending]) -> Ended:
        """Goes through all steps; `ending` makes what ends it well.

        Raises Superseded when the trial takes long and makes way for what waits.
        """
        commit = ending(self._progress)
        try:
            self._try_out()
            with self._watch.step("stage"):
                self._stage()
            with self._watch.step("quiesce"):
                self._quiesce()
            with self._watch.step("snapshot"):
                self._take_snapshot()
            for old in self._progress.old:
                # So that who wraps a name wraps what is below the predecessor's wrapper.
                self._system.patches.suspend(old)
            with self._watch.step("activate"):
                self._progress.notes += self._progress.exclusives.stop(self._time_left)
                with self._exposed():
                    self._activate()
            with self._watch.step("verify"), self._exposed():
                self._verify()
            with self._watch.step("commit"):
                commit.prepare()
                commit.publish()
        except Superseded:
            # Nothing has been touched yet, and there is nothing to tell.
            raise
        except TransactionFailed as failure:
            return self._roll_back(failure.diagnostics, retry=failure.retry)
        except PluginHookFailed as error:
            found = refused_by_database(error) or (hook_failed(self._plan, error),)
            return self._roll_back(found, retry=error.hook not in ("import", "migrations"))
        except BaseException as error:  # noqa: BLE001 - plugin code hides in properties and reprs
            return self._roll_back((unexpected(self._plan, error),), retry=False)
        return commit.finish()

    def _roll_back(self, diagnostics: tuple[Diagnostic, ...], *, retry: bool) -> Ended:
        with self._watch.step("rollback"):
            return roll_back(self._progress, diagnostics, retry=retry)

    # -- the steps -----------------------------------------------------------------------------

    def _try_out(self) -> None:
        if self._trial is None:
            return
        with self._watch.step("trial"):
            entries = [e.candidate.source for e in self._plan.incoming if e.candidate is not None]
            view = self._system.registry.view
            live = [view.generation(key) for key in sorted(self._plan.context)]
            context = [g.source for g in live if g is not None]
            found = self._trial.examine(
                entries,
                context,
                timeout=self._settings.reload.timeout,
                is_overtaken=self._overtaking.ends_trial,
            )
        if has_errors(found):
            raise TransactionFailed(found, retry=False)

    def _stage(self) -> None:
        for entry in self._plan.incoming:
            self._progress.new[entry.key] = self._lifecycle_of(entry)
        self._progress.peers.staged = {k: n.generation.table for k, n in self._progress.new.items()}
        self._progress.peers.removed = frozenset(
            e.key for e in self._plan.entries if e.action is Action.UNLOAD
        )
        with self._exposed():
            for key, lifecycle in self._progress.new.items():
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
            changes=entry.changes,
            resolve=self._progress.peers,
            predecessor=entry.predecessor,
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
        waited = (
            0.0
            if self._progress.hold is None
            else self._progress.hold.oldest_wait(time.monotonic())
        )
        if waited >= limit:
            raise TransactionFailed((waited_too_long(self._plan, limit),), retry=True)
        return limit - waited

    def _exposed(self) -> Any:
        tables = [n.generation.table for n in self._progress.new.values()]
        return Exposure(self._system, [g.table for g in self._progress.old], tables)

    def _quiesce(self) -> None:
        held = self._progress.held
        if not held:
            return
        # A net under the time limits of the hooks: who waits is not forgotten.
        self._system.gate.wait_limit = 2 * self._settings.reload.timeout + 5
        self._progress.hold = hold_all(held)
        stragglers, gave_up = wait_drained(
            self._progress.hold,
            held,
            drain_timeout=self._settings.reload.drain_timeout,
            wait_limit=self._settings.reload.timeout,
            gives_up=self._overtaking.ends_drain,
        )
        if gave_up:
            limit = None if self._overtaking.gave_up else self._settings.reload.timeout
            raise TransactionFailed((still_busy(self._plan, stragglers, limit),), retry=True)
        self._progress.notes += [f"let go while still running: {f.told()}" for f in stragglers]

    def _take_snapshot(self) -> None:
        replaced = [e.old for e in self._plan.incoming if e.old is not None]
        anew = frozenset(e.key for e in self._plan.incoming if e.anew)
        for generation in replaced:
            generation.host.pause_tasks()
        custom = {}
        for generation in (g for g in replaced if g.key not in anew):
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
        events = self._system.bus.waiting_for([g.key for g in replaced])
        self._progress.snapshot = self._limited(
            "snapshot", Snapshot, replaced, custom, events, anew
        )
        self._progress.way_back = self._progress.snapshot
        if self._progress.exclusives.any_running(anew):
            self._progress.way_back = self._limited("snapshot", Snapshot, replaced, custom)
        self._progress.notes += self._progress.snapshot.notes

    def _activate(self) -> None:
        view = self._progress.candidate_view()
        generations = [n.generation for n in self._progress.new.values()]
        taking = None
        if self._progress.snapshot is not None:
            taking = self._limited(
                "restoring state", self._progress.snapshot.restoring, generations
            )
        for lifecycle in self._progress.new.values():
            lifecycle.see(view)
            lifecycle.construct()
        restored = Restored({}, {}, {})
        if taking is not None:
            restored = self._limited("restoring state", taking.finish)
        for entry in self._plan.entries:
            if entry.action is Action.UNLOAD:
                continue
            with self._watch.step("activate", entry.key):
                if entry.action is Action.RECONFIGURE:
                    self._progress.reconfigurations.take(entry, view, self._time_left)
                else:
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
        lifecycle = self._progress.new[entry.key]
        snapshot, predecessor = self._progress.snapshot, entry.predecessor
        kept = None if snapshot is None or entry.anew else snapshot.kept.get(entry.key)
        custom = restored.custom
        self._progress.notes += lifecycle.prepare_database()
        lifecycle.on_load()
        state = lifecycle.restore(
            restored.attributes.get(entry.key, {}),
            {"value": custom[entry.key]} if entry.key in custom else {},
            from_version="" if kept is None else kept.version,
            predecessor=predecessor,
        )
        passed = frozenset() if kept is None else kept.passed
        before = Baseline() if predecessor is None else predecessor.baseline
        standing = lifecycle.initialize(state, passed, before)
        lifecycle.register()
        self._progress.notes += problems_of(lifecycle.generation)
        if kept is not None:
            main = self._plan.main
            lost = restored.lost.get(entry.key, frozenset())
            taken = (kept.changed - lost - frozenset(standing)) & frozenset(state)
            self._progress.reports[entry.key] = StateReport(
                kept=qualified(frozenset(standing) - passed, entry.key, main=main),
                merged=qualified(kept.unchanged | taken, entry.key, main=main),
                passed=qualified(frozenset(standing) & passed, entry.key, main=main),
                lost=qualified(lost, entry.key, main=main),
            )

    def _verify(self) -> None:
        for lifecycle in self._progress.new.values():
            lifecycle.verify()
