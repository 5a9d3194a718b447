"""Lets all plugins go when a host stops."""

from __future__ import annotations

import time

from devserver.reload.catalog import Catalog
from devserver.reload.disposal import Disposer
from devserver.runtime.generation import Generation
from devserver.runtime.hold import hold_all, release, wait_drained
from devserver.runtime.shown_source import forget_source
from devserver.runtime.system import PluginSystem

LEAST = 0.5
"""Seconds that each part of a stop gets at least."""
_FOR_HOOKS = 1.0
"""Seconds that are left to the hooks on the way out when work in flight does not end."""


def let_all_go(
    system: PluginSystem, catalog: Catalog, disposer: Disposer, *, timeout: float
) -> None:
    """Lets work in flight end, then disposes of every generation that serves, in about `timeout`
    seconds. The disposer ends with it."""
    view = system.registry.view
    serving = {k: r.generation or r.standing for k, r in view.plugins.items()}
    live = {k: generation for k, generation in serving.items() if generation is not None}
    generations = [live[key] for key in catalog.graph.order(live)]
    begun = time.monotonic()
    system.bus.stop()  # what begins from now on would meet plugins that have shut down
    _wait_for_work(generations, timeout - _FOR_HOOKS)
    timeout = max(LEAST, timeout - (time.monotonic() - begun))
    disposer.hurry()
    disposer.dispose(
        list(generations),
        timeout=timeout,
        drain_timeout=0,
        on_done=lambda _step, _troubles: None,
    )
    disposer.stop(timeout)
    forget_source(generation.table for generation in live.values())


def _wait_for_work(generations: list[Generation], timeout: float) -> None:
    """Lets listeners, commands and calls end that are inside, in about `timeout` seconds."""
    hold = hold_all(generations)
    try:
        wait_drained(hold, generations, drain_timeout=timeout, wait_limit=timeout)
    finally:
        release(hold, generations, replaced=False)
