"""Asks generations that live whether they are well."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from devserver.core.errors import PluginHookFailed
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.system import PluginSystem


def find_failure(
    generations: Iterable[Generation],
    *,
    system: PluginSystem,
    hooks: HookRunner,
    time_left: Callable[[], float],
) -> PluginHookFailed | None:
    """What `health_check()` of the first that is not healthy came to; None when all are."""
    for generation in generations:
        lifecycle = Lifecycle.of_live(generation, system=system, hooks=hooks, time_left=time_left)
        try:
            lifecycle.verify()
        except PluginHookFailed as failure:
            return failure
    return None
