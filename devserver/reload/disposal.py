"""Lets old generations go, behind the commit's back."""

from __future__ import annotations

import itertools
import logging
import threading
import time
import typing
from collections.abc import Callable, Sequence

from devserver.core.outcome import Step
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.dispose")


class Disposer:
    """Runs the hooks on the way out and undoes the ledger, each batch on a thread of its own:
    a slow `shutdown()` delays no reload. `when_idle` is called when a batch is gone."""

    def __init__(self, system: PluginSystem, *, when_idle: Callable[[], None]) -> None:
        self._system = system
        self._when_idle = when_idle
        self._numbers = itertools.count(1)
        self._threads: set[threading.Thread] = set()
        self._stopping = threading.Event()

    def dispose(
        self,
        generations: Sequence[Generation],
        *,
        timeout: float,
        drain_timeout: float,
        on_done: Callable[[Step, list[str]], None],
    ) -> None:
        """Lets `generations` (dependencies first) go; `on_done` gets the timed step and what
        went wrong. `timeout` is for one hook, `drain_timeout` for streams; in seconds."""
        if not generations:
            return
        thread = threading.Thread(
            target=self._run,
            args=(list(generations), timeout, drain_timeout, on_done),
            name=f"dispose-{next(self._numbers)}",
            daemon=True,
        )
        self._threads.add(thread)
        thread.start()

    def stop(self, timeout: float) -> None:
        """Waits up to `timeout` seconds for what is under way; streams are no longer waited for."""
        self._stopping.set()
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(
        self,
        generations: list[Generation],
        timeout: float,
        drain_timeout: float,
        on_done: Callable[[Step, list[str]], None],
    ) -> None:
        begun = time.perf_counter()
        self._wait_streams(generations, drain_timeout)
        hooks = HookRunner(self._system.loop, name=f"{threading.current_thread().name}-hook")
        troubles: list[str] = []
        while generations:
            lifecycle = Lifecycle.of_live(
                generations.pop(), system=self._system, hooks=hooks, time_left=lambda: timeout
            )
            troubles += lifecycle.leave()
        hooks.close()
        for clean in getattr(typing, "_cleanups", ()):
            clean()  # typing keeps every class that `X | None` was written with
        troubles += [f"left behind: {what}" for what in hooks.abandoned]
        self._when_idle()
        step = Step(name="dispose", ms=(time.perf_counter() - begun) * 1000)
        self._threads.discard(threading.current_thread())
        on_done(step, troubles)

    def _wait_streams(self, generations: list[Generation], drain_timeout: float) -> None:
        deadline = time.monotonic() + drain_timeout
        while any(g.streams or g.flights for g in generations) and time.monotonic() < deadline:
            if self._stopping.wait(0.05):
                return
