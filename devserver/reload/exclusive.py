"""Plugins that own what only one can have: stopped before their successor starts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from devserver.core.errors import PluginHookFailed
from devserver.reload.plan import ReloadPlan
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.state import Kept, Restored
from devserver.runtime.system import PluginSystem
from devserver.validation.candidate import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """A generation that was stopped for its successor and could not be started again."""

    generation: Generation
    failure: PluginHookFailed

    def __str__(self) -> str:
        return (
            f"{self.generation.name!r} was stopped for its successor and could not be started "
            f"again: {self.failure.message}"
        )


class Exclusives:
    """The running generations of a plan that cannot run beside their successors: because they
    say `"exclusive": true`, or their successors do."""

    def __init__(
        self,
        plan: ReloadPlan,
        *,
        system: PluginSystem,
        hooks: HookRunner,
    ) -> None:
        self._system = system
        self._hooks = hooks
        self._attributes: dict[str, dict[str, Any]] = {}
        self._running = [
            e.old
            for e in plan.incoming
            if e.old is not None and (_is_exclusive(e.old) or _is_exclusive(e.candidate))
        ]

    def stop(self, time_left: Callable[[], float]) -> list[str]:
        """Hooks on the way out, tasks and the ledger, dependents first. Gives what went wrong;
        a successor that then finds its port taken says so itself."""
        troubles = []
        for generation in reversed(self._running):
            self._attributes[generation.key] = dict(vars(generation.plugin))
            generation.host.cancel_tasks()
            troubles += self._lifecycle(generation, time_left).stop()
            left = generation.host.wait_for_tasks(time_left())
            troubles += [f"task {name!r} of {generation.name!r} goes on" for name in left]
        return troubles

    def any_running(self, keys: Collection[str]) -> bool:
        """True when one of `keys` is to be stopped before its successor starts."""
        return any(g.key in keys for g in self._running)

    @property
    def any_stopped(self) -> bool:
        """True while one of them does not run."""
        return any(g.stopped for g in self._running)

    def start_again(
        self, restored: Restored, kept: Mapping[str, Kept], time_left: Callable[[], float]
    ) -> list[Fallen]:
        """The stopped generations run again, with the state that they had: the hooks on the way
        in are called on the same objects. Gives those that failed."""
        fallen = []
        for generation in self._running:
            if generation.stopped:
                try:
                    lifecycle = self._lifecycle(generation, time_left)
                    self._start(lifecycle, restored, kept.get(generation.key, Kept()))
                except PluginHookFailed as failure:
                    fallen.append(Fallen(generation=generation, failure=failure))
        return fallen

    def _start(self, lifecycle: Lifecycle, restored: Restored, kept: Kept) -> None:
        generation = lifecycle.generation
        attributes = vars(generation.plugin)
        attributes.clear()
        attributes.update(self._attributes[generation.key])
        lifecycle.see(self._system.registry.view)
        generation.forget_registrations()
        lifecycle.on_load()
        custom = restored.custom
        state = lifecycle.restore(
            restored.attributes.get(generation.key, {}),
            {"value": custom[generation.key]} if generation.key in custom else {},
            from_version=generation.version,
            predecessor=None,
        )
        lifecycle.initialize(state, kept.passed, generation.baseline)
        lifecycle.register()
        generation.stopped = False

    def _lifecycle(self, generation: Generation, time_left: Callable[[], float]) -> Lifecycle:
        return Lifecycle.of_live(
            generation, system=self._system, hooks=self._hooks, time_left=time_left
        )


def _is_exclusive(part: Generation | Candidate | None) -> bool:
    return part is not None and part.manifest.exclusive
