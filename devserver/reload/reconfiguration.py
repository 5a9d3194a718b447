"""Live plugins that take another configuration without being replaced."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from devserver.core.config_layers import with_overrides
from devserver.core.errors import PluginHookFailed
from devserver.core.values import Changes
from devserver.reload.plan import PlanEntry, ReloadPlan
from devserver.runtime.asked import attributes_bound, bind_again
from devserver.runtime.generation import Baseline, Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.registry import PluginRecord, SystemView
from devserver.runtime.system import PluginSystem
from devserver.runtime.values import parsed_changes


@dataclass(slots=True, kw_only=True)
class _Taken:
    """One that has been asked to take its new configuration. `bound` is what its attributes
    were, `baseline` what its state is compared with from then on; None until its hook ended."""

    entry: PlanEntry
    generation: Generation
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    bound: Mapping[str, Any]
    baseline: Baseline | None = None


class Reconfigurations:
    """The entries of a plan whose generation stays: their hook `on_config_change` is called, and
    what it did is undone when the transaction fails."""

    def __init__(self, plan: ReloadPlan, *, system: PluginSystem, hooks: HookRunner) -> None:
        self._entries = plan.reconfigured
        self._system = system
        self._hooks = hooks
        self._taken: list[_Taken] = []

    @property
    def told(self) -> list[Generation]:
        """The generations whose hook is called: nobody is inside while it runs."""
        return [e.old for e in self._entries if e.old is not None and e.is_told]

    @property
    def taken(self) -> tuple[Generation, ...]:
        """All that have been asked."""
        return tuple(t.generation for t in self._taken)

    def take(self, entry: PlanEntry, view: SystemView, time_left: Callable[[], float]) -> None:
        """Has one take its configuration, which only it sees until `keep`.

        Raises PluginHookFailed.
        """
        generation = entry.old
        if generation is None:
            raise AssertionError("what is reconfigured is live")
        own, values = generation.host.own, self._system.values
        changes = parsed_changes(entry.changes)
        new = with_overrides(entry.config, values.overrides(entry.key), changes)
        taken = _Taken(
            entry=entry,
            generation=generation,
            old=dict(own.config()),
            new=new,
            bound=attributes_bound(generation.plugin),
        )
        self._system.secrets.learn(entry.key, new, generation.manifest)
        own.try_config(entry.config, entry.changes)
        self._taken.append(taken)
        if entry.is_told:
            lifecycle = self._lifecycle(generation, view, time_left)
            lifecycle.take_config(copy.deepcopy(taken.old), copy.deepcopy(new))
            taken.baseline = lifecycle.baseline_beside(taken.bound)

    def changes(self) -> list[tuple[str, Changes]]:
        """What is to be kept of each: its overrides, and what its hook has set."""
        return [(t.entry.key, t.generation.host.own.tried_changes()) for t in self._taken]

    def keep(self) -> list[PluginRecord]:
        """The configurations are in force; gives the records that tell so."""
        records = []
        for taken in self._taken:
            generation, candidate = taken.generation, taken.entry.candidate
            generation.host.own.keep_config()
            if candidate is not None:
                generation.source, generation.candidate = candidate.source, candidate
            if taken.baseline is not None:
                generation.baseline = taken.baseline
            record = self._system.registry.view.find(taken.entry.key)
            if record is not None:
                records.append(replace(record, pending=False, diagnostics=()))
        return records

    def undo(self, time_left: Callable[[], float]) -> list[str]:
        """The former configurations are in force, as if nothing had been tried; gives what went
        wrong. Those whose hook had ended well are told with the same hook, the last one first;
        of the one that failed the attributes are bound as they were."""
        troubles = []
        view = self._system.registry.view
        for taken in reversed(self._taken):
            generation = taken.generation
            generation.host.own.drop_config()
            if not taken.entry.is_told:
                continue
            if taken.baseline is not None:
                lifecycle = self._lifecycle(generation, view, time_left)
                try:
                    lifecycle.take_config(copy.deepcopy(taken.new), copy.deepcopy(taken.old))
                    continue
                except PluginHookFailed as error:
                    troubles.append(f"back to the former configuration: {error.message}")
            bind_again(generation.plugin, taken.bound)
        return troubles

    def let_in(self) -> None:
        """New work for these generations no longer waits."""
        for generation in self.told:
            generation.hold = None

    def _lifecycle(
        self, generation: Generation, view: SystemView, time_left: Callable[[], float]
    ) -> Lifecycle:
        lifecycle = Lifecycle.of_live(
            generation, system=self._system, hooks=self._hooks, time_left=time_left
        )
        lifecycle.see(view)
        return lifecycle
