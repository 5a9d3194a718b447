"""What is on disk but not live: refused content, and when it is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from devserver.core.graph import DependencyGraph
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.catalog import Reading, dependencies_of

_OUT_OF_TIME = frozenset({"RUN002", "RUN013"})
_LIMITED = _OUT_OF_TIME | {"RUN014"}
_NOT_INSTALLED = frozenset({"IMP001", "DEP007"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Content that did not go live. `companions` are the keys of its batch. `outcome` is the
    record of its first attempt; `attempts` counts them; `retry_at` is a monotonic second, None
    when the clock does not try it again."""

    reading: Reading
    companions: frozenset[str]
    outcome: Outcome | None = None
    attempts: int = 1
    retry_at: float | None = None

    @property
    def is_untried(self) -> bool:
        """True for what only waits to be asked for."""
        return self.outcome is None

    @property
    def ran_out_of_time(self) -> bool:
        """True when a module or a hook did not end."""
        found = () if self.outcome is None else self.outcome.diagnostics
        return any(d.code in _OUT_OF_TIME for d in found)

    def hangs_on(self, settings: Settings) -> bool:
        """True when other settings than it was tried with may let it pass: it met a limit, or a
        validation that is off now."""
        if self.outcome is None:
            return False
        met_a_limit = any(d.code in _LIMITED for d in self.outcome.diagnostics)
        return met_a_limit or (self.outcome.result is Result.REJECTED and not settings.validates)

    @property
    def misses_a_module(self) -> bool:
        """True when something could not be found in the environment."""
        found = () if self.outcome is None else self.outcome.diagnostics
        return any(
            d.is_error and (d.code in _NOT_INSTALLED or ModuleNotFoundError.__name__ in d.message)
            for d in found
        )

    @property
    def has_errors_of_its_own(self) -> bool:
        """False when it was refused for its company alone."""
        found = () if self.outcome is None else self.outcome.diagnostics
        own = (d for d in found if d.is_error and d.plugin is not None)
        return any(normalise(str(d.plugin)) == self.reading.key for d in own)


class Pending:
    """Refused readings by key."""

    def __init__(self) -> None:
        self._refused: dict[str, Refused] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._refused

    def find(self, key: str) -> Refused | None:
        return self._refused.get(key)

    def keys(self) -> frozenset[str]:
        return frozenset(self._refused)

    def refuse(self, refused: Iterable[Refused]) -> None:
        for one in refused:
            self._refused[one.reading.key] = one

    def forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._refused.pop(key, None)

    def related(
        self, readings: Mapping[str, Reading], graph: DependencyGraph
    ) -> dict[str, Reading]:
        """The refused readings that belong together with `readings`: of the same batch, or
        dependencies or dependents of one of them, by the running code or by the refused."""
        near = _neighbourhood(set(readings), readings, self._refused, graph)
        known = [self._refused[k] for k in readings if k in self._refused]
        companions = {c for refused in known for c in refused.companions}
        return {
            key: refused.reading
            for key, refused in self._refused.items()
            if key not in readings and (key in near or key in companions)
        }

    def untried(self) -> frozenset[str]:
        """Those that only wait to be asked for."""
        return frozenset(key for key, refused in self._refused.items() if refused.is_untried)

    def failed_probation(self, reading: Reading) -> bool:
        """True for content that was live and had to go back, or is or was a canary: it is not
        tried in company."""
        refused = self._refused.get(reading.key)
        if refused is None or refused.outcome is None or not reading.same_as(refused.reading):
            return False
        trigger = refused.outcome.trigger
        return trigger == "canary" or (trigger == "probation" and refused.has_errors_of_its_own)

    def due(self, now: float) -> list[Refused]:
        """Those whose time has come."""
        return [r for r in self._refused.values() if r.retry_at is not None and r.retry_at <= now]

    def next_time(self) -> float | None:
        """When the next of them is due."""
        times = [r.retry_at for r in self._refused.values() if r.retry_at is not None]
        return min(times, default=None)

    def try_anew(self, key: str) -> None:
        """It is due now, as if it had not been tried."""
        if key in self._refused:
            now = time.monotonic()
            self._refused[key] = replace(self._refused[key], retry_at=now, attempts=0)

    def under_other_settings(self, settings: Settings) -> None:
        """Settings have changed: what hangs on them is tried as if it were new."""
        for key, refused in tuple(self._refused.items()):
            if refused.hangs_on(settings):
                self.try_anew(key)

    def missing_modules(self) -> list[str]:
        """Those that were refused for a module which is not installed."""
        return [key for key, refused in self._refused.items() if refused.misses_a_module]

    def waiting_for(self, keys: Iterable[str], serves: Callable[[str], bool]) -> dict[str, Reading]:
        """Refused plugins that do not serve and depend on one of `keys`, which now do, and
        whose other dependencies serve too, or were refused together with them."""
        wanted = set(keys)
        found = {}
        for key, refused in self._refused.items():
            candidate = refused.reading.candidate
            if candidate is None or serves(key):
                continue
            needs = set(dependencies_of(candidate))
            company = refused.companions
            if needs & wanted and all(serves(n) or n in company for n in needs):
                found[key] = refused.reading
        return found

    def held_back(self, keys: Iterable[str]) -> dict[str, Reading]:
        """Refused readings that nothing was found wrong with, and that were refused together
        with one of `keys`, which no longer stand in their way."""
        now = set(keys)
        return {
            key: refused.reading
            for key, refused in self._refused.items()
            if refused.companions & now and not refused.has_errors_of_its_own
        }


def _neighbourhood(
    start: set[str],
    readings: Mapping[str, Reading],
    refused: Mapping[str, Refused],
    graph: DependencyGraph,
) -> frozenset[str]:
    """Everything above and below `start`, with the edges of new content added."""
    new = {k: r.reading for k, r in refused.items()} | dict(readings)
    needs = {
        k: set(dependencies_of(r.candidate)) if r.candidate is not None else set()
        for k, r in new.items()
    }
    above = graph.all_dependents(start) | {k for k, n in needs.items() if n & start}
    below = graph.all_dependencies(start) | {n for k in start for n in needs.get(k, ())}
    return frozenset(above | below)
