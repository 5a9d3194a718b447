"""Plugins that are loaded at their first use: known, validated, not executed before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any

from devserver.core.diagnostics import Diagnostic, has_errors
from devserver.core.errors import DevServerError
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.catalog import Catalog, Reading, dependencies_of
from devserver.reload.cause import Cause
from devserver.reload.judge import Judge
from devserver.reload.progress import Ended
from devserver.reload.queue import FirstUse, ReloadQueue
from devserver.reload.recorder import Recorder
from devserver.reload.steps import Stopwatch
from devserver.runtime.registry import PluginRecord
from devserver.runtime.system import PluginSystem

REASON = "loaded at its first use (loading.lazy)"


class LazyLoading:
    """Keeps plugins registered and loads them when they are used. `settings()` gives those in
    force. All but `use` and `apply` are for the reloader's thread."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        queue: ReloadQueue,
        catalog: Catalog,
        attempts: Attempts,
        judge: Judge,
        recorder: Recorder,
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._queue = queue
        self._catalog = catalog
        self._attempts = attempts
        self._judge = judge
        self._recorder = recorder
        self._settings = settings
        self._known: dict[str, Reading] = {}
        self._loading: set[str] = set()
        self._coming: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        system.gate.first_use = self.use
        judge.load_needed = self.load_needed
        judge.went_live = self.look_again

    # -- what is not loaded yet ----------------------------------------------------------------

    def register(self, readings: Mapping[str, Reading]) -> dict[str, Reading]:
        """At the start: publishes those that can wait; gives the others: core plugins with what
        they need, and what is refused."""
        if not self._settings().loading.lazy:
            return dict(readings)
        at_once = _core_and_needed(readings)
        for key, reading in readings.items():
            self._catalog.put(key, reading.candidate)
        found = self._validated(readings)
        refused = {k: r for k, r in readings.items() if has_errors(found[k])}
        waiting = [r for k, r in readings.items() if k not in refused | at_once]
        for reading in waiting:
            self._known[reading.key] = reading
        self._recorder.publish(*(_registered(r, found[r.key]) for r in waiting))
        return refused | at_once

    def takes(self, record: PluginRecord | None, reading: Reading) -> bool:
        """True for a save of a plugin that is not loaded: it is validated, and that is told; no
        code of it runs."""
        if record is None and not self._may_wait(reading):
            return False
        if record is not None and not record.awaits_use:
            return False
        if reading.candidate is None:
            self._gone(record)
            return True
        if not reading.same_as(self._known.get(reading.key)):
            self._known[reading.key] = reading
            self._catalog.put(reading.key, reading.candidate)
            self._tell(reading, self._validated({reading.key: reading})[reading.key])
            self.look_again([reading.key])
        return True

    def _may_wait(self, reading: Reading) -> bool:
        """Of a new plugin."""
        lazy = self._settings().loading.lazy
        return lazy and reading.candidate is not None and not reading.candidate.is_core

    def configured(self, record: PluginRecord) -> None:
        """Its overrides have changed, which may mend what was found on it."""
        reading = self._known.get(record.key)
        if reading is not None and record.awaits_use and record.diagnostics:
            self._tell(reading, self._validated({record.key: reading})[record.key])

    def _gone(self, record: PluginRecord | None) -> None:
        if record is not None:
            self._known.pop(record.key, None)
            self._catalog.put(record.key, None)
            self._recorder.remove(record)
            self.look_again([record.key])

    def look_again(self, keys: Collection[str]) -> None:
        """These have changed: what waits and needs them is validated anew, and told of where it
        could be loaded before and cannot now, or the other way round."""
        plugins = self._system.registry.view.plugins
        near = sorted(self._catalog.graph.all_dependents(keys) & self._known.keys())
        waiting = {k: self._known[k] for k in near if k in plugins and plugins[k].awaits_use}
        for key, found in (self._validated(waiting) if waiting else {}).items():
            if has_errors(found) != plugins[key].pending:
                self._tell(waiting[key], found, trigger="dependency")

    def _validated(self, readings: Mapping[str, Reading]) -> dict[str, tuple[Diagnostic, ...]]:
        found = {key: list(reading.problems) for key, reading in readings.items()}
        if self._settings().validates:
            for diagnostic in self._attempts.validate(readings):
                found.get(normalise(diagnostic.plugin or ""), []).append(diagnostic)
        return {key: tuple(diagnostics) for key, diagnostics in found.items()}

    def _tell(
        self, reading: Reading, found: tuple[Diagnostic, ...], *, trigger: str = "file"
    ) -> None:
        record = _registered(reading, found)
        if has_errors(found):
            error = next(d.message for d in found if d.is_error)
            attempt = Attempt(
                result=Result.REJECTED,
                order=(reading.key,),
                diagnostics=found,
                ended=Ended(committed=False, error=error),
                watch=Stopwatch(),
            )
            self._recorder.record(
                attempt,
                {reading.key: reading},
                main=reading.key,
                cause=Cause(trigger=trigger, arrived=time.monotonic()),
                settings=self._settings(),
            )
            reason = f"not loaded yet; what is on disk is refused: {error}"
            record = replace(record, reason=reason, pending=True)
        else:
            self._recorder.notice("info", f"valid; {REASON}", plugin=reading.name)
        self._recorder.publish(record)
        self._system.registry.publish(edges=self._catalog.edges())

    # -- the first use -------------------------------------------------------------------------

    def use(self, key: str, wait: bool) -> None:
        """Has a plugin loaded, however many ask at once; with `wait` it has been tried when this
        returns. May be called from any thread that no reload waits for."""
        with self._lock:
            coming = self._coming.get(key)
            if coming is None:
                coming = self._coming[key] = self._queue.put(FirstUse(key=key))
        coming.add_done_callback(lambda done: self._forget(key, done))
        if wait:
            try:
                coming.result()
            except (CancelledError, DevServerError):
                return  # it does not serve then, which is what whoever asks is told

    def _forget(self, key: str, done: Future[Any]) -> None:
        with self._lock:
            if self._coming.get(key) is done:
                del self._coming[key]

    def load(self, command: FirstUse, arrived: float) -> Outcome | None:
        """Loads a plugin, what it needs first; None when that has been done, or it is gone.

        Raises Superseded when it made way for what waits.
        """
        record = self._system.registry.view.find(command.key)
        if record is None or not record.awaits_use:
            return None
        self._catalog.configuration.read()
        self._catalog.discover()
        return self._judged(command.key, arrived)

    def load_needed(self, readings: Mapping[str, Reading]) -> None:
        """What these need and is not loaded yet is, each on its own."""
        wanted = [r for r in readings.values() if not has_errors(r.problems)]
        candidates = [r.candidate for r in wanted if r.candidate is not None]
        near = {key for candidate in candidates for key in dependencies_of(candidate)}
        plugins = self._system.registry.view.plugins
        waiting = [k for k in sorted(near) if k in plugins and plugins[k].awaits_use]
        self._loading |= readings.keys()
        try:
            for key in waiting:
                if key not in self._loading:
                    self._judged(key, time.monotonic())
        finally:
            self._loading -= readings.keys()

    def _judged(self, key: str, arrived: float) -> Outcome | None:
        before = self._system.registry.view.plugins[key]
        reading = self._catalog.read(key)
        if reading.candidate is None:
            self._gone(before)
            return None
        cause = Cause(trigger="use", arrived=arrived)
        reason = "being loaded for its first use"
        self._recorder.publish(replace(before, status=PluginStatus.LOADING, reason=reason))
        try:
            outcome: Outcome = self._judge.judge({key: reading}, cause)
        finally:  # it made way for something newer, and waits on
            if self._system.registry.view.plugins[key].status is PluginStatus.LOADING:
                self._recorder.publish(before)
        self._known.pop(key, None)
        return outcome

    def apply(self) -> None:
        """The settings have changed: without `loading.lazy` everything is loaded. What is loaded
        stays so."""
        if not self._settings().loading.lazy:
            for record in self._system.registry.view.plugins.values():
                if record.awaits_use:
                    self.use(record.key, False)


def _registered(reading: Reading, found: tuple[Diagnostic, ...]) -> PluginRecord:
    if reading.candidate is None:
        raise AssertionError("what is not there is not registered")
    return PluginRecord(
        name=reading.candidate.name,
        status=PluginStatus.REGISTERED,
        reason=REASON,
        manifest=reading.candidate.manifest,
        diagnostics=found,
        is_lazy=True,
    )


def _core_and_needed(readings: Mapping[str, Reading]) -> dict[str, Reading]:
    found: dict[str, Reading] = {}
    ahead = [k for k, r in readings.items() if r.candidate is not None and r.candidate.is_core]
    while ahead:
        key = ahead.pop()
        reading = readings.get(key)
        if reading is not None and reading.candidate is not None and key not in found:
            found[key] = reading
            ahead += dependencies_of(reading.candidate)
    return found
