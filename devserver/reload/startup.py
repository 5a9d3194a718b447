"""The start: every plugin is loaded on its own, so that a broken one disturbs no other."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping

from devserver.core.diagnostics import Diagnostic, Severity, has_errors
from devserver.core.names import normalise
from devserver.core.outcome import Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.pending import Refused
from devserver.reload.progress import Ended
from devserver.reload.recorder import Cause, Recorder
from devserver.reload.steps import Stopwatch


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
    judged: dict[str, list[Diagnostic]] = defaultdict(list)
    if settings.validates:
        for diagnostic in attempts.validate(readings):
            judged[normalise(diagnostic.plugin or "")].append(diagnostic)
    cyclic = catalog.graph.cyclic()
    order = _order(readings, catalog, cyclic)
    _try_out(readings, order, judged, catalog=catalog, attempts=attempts, settings=settings)
    refused: dict[str, Refused] = {}
    for key in order:
        reading = readings[key]
        begun = time.monotonic()
        found = tuple(judged[key]) + _unmet(reading, catalog, refused, cyclic)
        if has_errors(found):
            attempt = _refusal(key, found)
        else:
            attempt = attempts.make(
                {key: reading}, main=key, settings=settings, judged=found, tried_out=True
            )
        if attempt.result is Result.RELOADED and not attempt.diagnostics:
            recorder.loaded(attempt)
            continue
        outcome = recorder.record(
            attempt,
            {key: reading},
            main=key,
            cause=Cause(trigger="start", arrived=begun),
            settings=settings,
        )
        if attempt.result is not Result.RELOADED:
            again = attempt.ended.retry and settings.safety.max_reload_attempts > 1
            refused[key] = Refused(
                reading=reading,
                companions=frozenset([key]),
                outcome=outcome,
                retry_at=time.monotonic() + settings.safety.cooldown_period if again else None,
            )
    # Attempts that failed are forgotten by the catalog; what is on disk is still known.
    for key, one in refused.items():
        catalog.put(key, one.reading.candidate)
    return list(refused.values())


def _try_out(
    readings: Mapping[str, Reading],
    order: list[str],
    judged: dict[str, list[Diagnostic]],
    *,
    catalog: Catalog,
    attempts: Attempts,
    settings: Settings,
) -> None:
    """One trial for all that are in order so far; the one that fails, and what needs it, is
    left out of the next. Findings go into `judged`."""
    out = {k for k in order if has_errors(judged[k]) or has_errors(readings[k].problems)}
    while True:
        out |= catalog.graph.all_dependents(out)
        left = [readings[k] for k in order if k not in out]
        found = attempts.try_out(left, settings)
        failed = {normalise(d.plugin or "") for d in found if d.is_error} & set(order)
        for diagnostic in found:
            judged[normalise(diagnostic.plugin or "")].append(diagnostic)
        if not failed:
            return
        out |= failed


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
    reading: Reading, catalog: Catalog, refused: Mapping[str, Refused], cyclic: frozenset[str]
) -> tuple[Diagnostic, ...]:
    """Why a plugin cannot be loaded although nothing is wrong with itself."""
    found = list(reading.problems)
    needs = catalog.graph.dependencies(reading.key)
    name = reading.key if reading.candidate is None else reading.candidate.name
    if reading.key in cyclic:
        found.append(
            Diagnostic(
                code="DEP005",
                severity=Severity.ERROR,
                plugin=name,
                message=f"{name!r} is part of a dependency cycle",
                hint="break the circle: move what both need into a third plugin",
            )
        )
    for key in sorted(set(needs) & set(refused)):
        found.append(
            Diagnostic(
                code="DEP006",
                severity=Severity.ERROR,
                plugin=name,
                message=f"it needs {key!r}, which is not active",
                hint=f"as soon as {key!r} is loaded, {name!r} is tried again",
            )
        )
    return tuple(found)
