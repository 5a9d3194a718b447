"""The start: every plugin is loaded on its own, so that a broken one disturbs no other."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from devserver.core.diagnostics import Diagnostic, Severity, has_errors
from devserver.core.errors import DependencyCycle
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.cause import Cause
from devserver.reload.pending import Refused
from devserver.reload.progress import Ended
from devserver.reload.recorder import Recorder
from devserver.reload.steps import Stopwatch
from devserver.runtime.modules import NOT_ACTIVE
from devserver.runtime.services import NOT_PROVIDED


def load_each(
    readings: Mapping[str, Reading],
    *,
    catalog: Catalog,
    attempts: Attempts,
    recorder: Recorder,
    settings: Settings,
) -> list[Refused]:
    """Loads all of `readings`, dependencies first; gives those that could not be loaded."""
    for key, reading in readings.items():
        catalog.put(key, reading.candidate)
    start = _Start(
        readings, catalog=catalog, attempts=attempts, recorder=recorder, settings=settings
    )
    refused = start.run()
    # Attempts that failed are forgotten by the catalog; what is on disk is still known.
    for one in refused:
        catalog.put(one.reading.key, one.reading.candidate)
    return refused


class _Start:
    """One start. What only misses another plugin, or a service of one, is tried again as long as
    that may help: nobody sees from outside which plugin a computed import name stands for, and
    who asks for a service need not depend on who provides it."""

    def __init__(
        self,
        readings: Mapping[str, Reading],
        *,
        catalog: Catalog,
        attempts: Attempts,
        recorder: Recorder,
        settings: Settings,
    ) -> None:
        self._readings = readings
        self._catalog = catalog
        self._attempts = attempts
        self._recorder = recorder
        self._settings = settings
        self._cyclic = catalog.graph.cyclic()
        self._judged: dict[str, list[Diagnostic]] = defaultdict(list)
        self._tried: set[str] = set()
        self._missing: dict[str, tuple[Attempt, float]] = {}
        self._refused: dict[str, Refused] = {}

    def run(self) -> list[Refused]:
        """Those that could not be loaded."""
        if self._settings.validates:
            for diagnostic in self._attempts.validate(self._readings):
                self._judged[normalise(diagnostic.plugin or "")].append(diagnostic)
        left = _order(self._readings, self._catalog, self._cyclic)
        found = self._try_out(left)
        while True:
            before = len(left)
            left = [key for key in left if not self._is_settled(key, found.pop(key, ()))]
            if not left or len(left) == before:
                break
        for key in left:
            self._refuse(key, *self._missing[key])
        return list(self._refused.values())

    def _is_settled(self, key: str, found: Sequence[Diagnostic]) -> bool:
        """Loads one plugin; False when it is to be tried again, since it misses another one."""
        reading, begun = self._readings[key], time.monotonic()
        self._missing.pop(key, None)
        unready = {*self._refused, *self._missing}
        found = (*self._judged[key], *found, *_unmet(reading, self._catalog, unready, self._cyclic))
        if has_errors(found):
            attempt = _refusal(key, found)
        else:
            attempt = self._attempts.make(
                {key: reading},
                main=key,
                settings=self._settings,
                judged=found,
                tried_out=key in self._tried,
            )
        if attempt.result is Result.RELOADED and not attempt.diagnostics:
            self._recorder.loaded(attempt)
        elif attempt.result is Result.RELOADED:
            self._record(key, attempt, begun)
        elif _only_misses_others(attempt):
            self._missing[key] = attempt, begun
            return False
        else:
            self._refuse(key, attempt, begun)
        return True

    def _refuse(self, key: str, attempt: Attempt, begun: float) -> None:
        safety = self._settings.safety
        again = attempt.ended.retry and safety.max_reload_attempts > 1
        self._refused[key] = Refused(
            reading=self._readings[key],
            companions=frozenset([key]),
            outcome=self._record(key, attempt, begun),
            retry_at=time.monotonic() + safety.cooldown_period if again else None,
        )

    def _record(self, key: str, attempt: Attempt, begun: float) -> Outcome:
        return self._recorder.record(
            attempt,
            {key: self._readings[key]},
            main=key,
            cause=Cause(trigger="start", arrived=begun),
            settings=self._settings,
        )

    def _try_out(self, order: list[str]) -> dict[str, list[Diagnostic]]:
        """One trial for all that are in order so far; the one that fails, and what needs it, is
        left out of the next. Gives the findings by plugin."""
        told: dict[str, list[Diagnostic]] = defaultdict(list)
        out = {
            k
            for k in order
            if has_errors(self._judged[k]) or has_errors(self._readings[k].problems)
        }
        while True:
            out |= self._catalog.graph.all_dependents(out)
            left = [k for k in order if k not in out]
            found = self._attempts.try_out([self._readings[k] for k in left], self._settings)
            failed = {normalise(d.plugin or "") for d in found if d.is_error} & set(order)
            for diagnostic in found:
                told[normalise(diagnostic.plugin or "")].append(diagnostic)
            if not failed:
                self._tried = set(left)
                return told
            out |= failed


def _only_misses_others(attempt: Attempt) -> bool:
    errors = [d for d in attempt.diagnostics if d.is_error]
    return bool(errors) and all(
        d.code == "DEP006" or NOT_ACTIVE in d.message or NOT_PROVIDED in d.message for d in errors
    )


def _refusal(key: str, found: tuple[Diagnostic, ...]) -> Attempt:
    error = next(d.message for d in found if d.is_error)
    return Attempt(
        result=Result.REJECTED,
        order=(key,),
        diagnostics=found,
        ended=Ended(committed=False, error=error),
        watch=Stopwatch(),
    )


def _order(readings: Mapping[str, Reading], catalog: Catalog, cyclic: frozenset[str]) -> list[str]:
    straight = [k for k in readings if k not in cyclic]
    return [*sorted(cyclic & set(readings)), *catalog.graph.order(straight)]


def _unmet(
    reading: Reading, catalog: Catalog, unready: Collection[str], cyclic: frozenset[str]
) -> tuple[Diagnostic, ...]:
    """Why a plugin cannot be loaded although nothing is wrong with itself."""
    found = list(reading.problems)
    needs = catalog.graph.dependencies(reading.key)
    name = reading.name
    if reading.key in cyclic:
        found.append(
            Diagnostic(
                code="DEP005",
                severity=Severity.ERROR,
                plugin=name,
                message=_cycle_of(reading.key, catalog),
                hint="break the circle: move what both need into a third plugin",
            )
        )
    for key in sorted(set(needs) & set(unready)):
        needed = catalog.known[key].name if key in catalog.known else key
        found.append(
            Diagnostic(
                code="DEP006",
                severity=Severity.ERROR,
                plugin=name,
                message=f"it needs {needed!r}, which is not active",
                hint=f"as soon as {needed!r} is loaded, {name!r} is tried again",
            )
        )
    return tuple(found)


def _cycle_of(key: str, catalog: Catalog) -> str:
    try:
        catalog.graph.order([key, *catalog.graph.all_dependencies([key])])
    except DependencyCycle as error:
        return error.message
    return f"{key!r} is part of a dependency cycle"
