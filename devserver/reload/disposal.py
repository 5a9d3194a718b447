"""Lets old generations go, behind the commit's back."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from devserver.core.errors import PluginHookFailed
from devserver.core.outcome import Step
from devserver.runtime.backups import Backups
from devserver.runtime.class_caches import forget_classes
from devserver.runtime.describe import describe
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.streams import end_streams
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.dispose")


class Disposer:
    """Runs the hooks on the way out and undoes the ledger, each batch on a thread of its own:
    a slow `shutdown()` delays no reload. `when_idle` is called when a batch is gone."""

    def __init__(self, system: PluginSystem, *, when_idle: Callable[[], None]) -> None:
        self._system = system
        self._when_idle = when_idle
        self._numbers = itertools.count(1)
        self._backups = Backups(system.project.instance / "backups")
        self._threads: set[threading.Thread] = set()
        self._stopping = threading.Event()

    def dispose(
        self,
        generations: Sequence[Generation],
        *,
        timeout: float,
        drain_timeout: float,
        on_done: Callable[[Step, list[str]], None],
        backup: bool = False,
    ) -> None:
        """Lets `generations` (dependencies first) go; `on_done` gets the timed step and what
        went wrong. `timeout` is for one hook, `drain_timeout` for streams; in seconds. With
        `backup` their state is written down first."""
        if not generations:
            return
        thread = threading.Thread(
            target=self._run,
            args=(list(generations), timeout, drain_timeout, on_done, backup),
            name=f"dispose-{next(self._numbers)}",
            daemon=True,
        )
        self._threads.add(thread)
        thread.start()

    def hurry(self) -> None:
        """The server ends: from now on nobody waits for streams."""
        self._stopping.set()

    def stop(self, timeout: float) -> None:
        """Waits up to `timeout` seconds for what is under way; streams are no longer waited for."""
        self.hurry()
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(
        self,
        generations: list[Generation],
        timeout: float,
        drain_timeout: float,
        on_done: Callable[[Step, list[str]], None],
        backup: bool,
    ) -> None:
        begun = time.perf_counter()
        hooks = HookRunner(self._system.loop, name=f"{threading.current_thread().name}-hook")
        troubles = self._written(generations, hooks, timeout)[1] if backup else []
        troubles += self._wait_streams(generations, drain_timeout)
        while generations:
            generation = generations.pop()
            lifecycle = Lifecycle.of_live(
                generation, system=self._system, hooks=hooks, time_left=lambda: timeout
            )
            troubles += _left(lifecycle)
            self._system.live.let_go(generation)
            del generation, lifecycle
        hooks.close()
        forget_classes()
        troubles += [f"left behind: {what}" for what in hooks.abandoned]
        self._when_idle()
        step = Step(name="dispose", ms=(time.perf_counter() - begun) * 1000)
        self._threads.discard(threading.current_thread())
        on_done(step, troubles)

    def back_up(
        self, generations: Sequence[Generation], *, timeout: float
    ) -> tuple[list[Path], list[str]]:
        """Writes down their state, `timeout` seconds each at most; the files, and what went
        wrong."""
        hooks = HookRunner(self._system.loop, name="backup")
        try:
            return self._written(generations, hooks, timeout)
        finally:
            hooks.close()

    def _written(
        self, generations: Sequence[Generation], hooks: HookRunner, timeout: float
    ) -> tuple[list[Path], list[str]]:
        """Nobody's reload fails for what goes wrong."""
        written, troubles = [], []
        for generation in generations:
            try:
                path: Path = hooks.call(
                    self._backups.write,
                    generation,
                    plugin=generation.name,
                    hook="backing up state",
                    timeout=timeout,
                )
            except PluginHookFailed as error:
                why = error.message if error.__cause__ is None else str(error.__cause__)
                told = f"the state of {generation.name!r} was not written to instance/backups/"
                troubles.append(f"{told}: {why}")
            else:
                written.append(path)
        return written, troubles

    def _wait_streams(self, generations: list[Generation], drain_timeout: float) -> list[str]:
        """Until nothing is inside, `drain_timeout` seconds at most: then open streams are ended,
        which it gives as notes."""
        deadline = time.monotonic() + drain_timeout
        while any(g.streams or g.flights for g in generations) and time.monotonic() < deadline:
            if self._stopping.wait(0.05):
                break
        return [] if self._stopping.is_set() else end_streams(generations)


def _left(lifecycle: Lifecycle) -> list[str]:
    """What went wrong while a generation left; the others leave all the same."""
    try:
        return lifecycle.leave()
    except BaseException as error:  # noqa: BLE001 - plugin code hides in descriptors and closes
        _log.exception("a generation of %s could not be let go of", lifecycle.generation.name)
        return [f"{lifecycle.generation.name!r} could not be let go of: {describe(error)}"]
