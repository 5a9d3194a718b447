"""Looks after canaries while they last."""

from __future__ import annotations

import threading
from collections.abc import Callable

from devserver.core.canary import Verdict
from devserver.reload.queue import EndCanary, ReloadQueue
from devserver.reload.verifying import find_failure
from devserver.runtime.canary import Canary
from devserver.runtime.hooks import HookRunner
from devserver.runtime.system import PluginSystem

_LOOK = 0.5  # seconds between two looks


class CanaryWatch:
    """Has requests that hang count as failed, and a canary that is not healthy rolled back.
    `timeout()` is how many seconds a request or a health check may take."""

    def __init__(
        self, *, system: PluginSystem, queue: ReloadQueue, timeout: Callable[[], float]
    ) -> None:
        self._system = system
        self._queue = queue
        self._timeout = timeout

    def begin(self, canary: Canary) -> None:
        """Watches on a thread of its own until the canary is over."""
        name = f"canary-g{canary.number}"
        threading.Thread(target=self._watch, args=(canary, name), name=name, daemon=True).start()

    def _watch(self, canary: Canary, name: str) -> None:
        hooks = HookRunner(self._system.loop, name=f"{name}-hook")
        try:
            while not canary.over.wait(_LOOK):
                canary.give_up_hanging(self._timeout())
                failure = find_failure(
                    canary.new.values(), system=self._system, hooks=hooks, time_left=self._timeout
                )
                if failure is not None:
                    self._queue.put(
                        EndCanary(
                            key=canary.main,
                            canary=canary,
                            verdict=Verdict.ABORT,
                            reason=failure.message,
                        )
                    )
                    return
        finally:
            hooks.close()
