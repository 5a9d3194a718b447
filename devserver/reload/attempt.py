"""One attempt: a set of readings is planned, validated and put through a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devserver.core.diagnostics import Diagnostic, Severity, has_errors
from devserver.core.errors import DependencyCycle
from devserver.core.names import normalise
from devserver.core.outcome import Result
from devserver.core.settings import Settings
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.plan import Action, PlanEntry, ReloadPlan
from devserver.reload.progress import Ended
from devserver.reload.steps import Stopwatch
from devserver.reload.transaction import Transaction
from devserver.reload.trial import Trial
from devserver.runtime.hooks import HookRunner
from devserver.runtime.registry import Edge
from devserver.runtime.system import PluginSystem
from devserver.validation.candidate import World
from devserver.validation.pipeline import Pipeline


@dataclass(slots=True, kw_only=True)
class Attempt:
    """How it went. `order` are the keys of all plugins that it covered; `deed` is the word for
    what was done where it is no reload."""

    result: Result
    order: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    ended: Ended
    watch: Stopwatch
    deed: str = ""


class Attempts:
    """Makes attempts; remembers nothing between them but what the catalog knows."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        catalog: Catalog,
        pipeline: Pipeline,
        hooks: HookRunner,
        trial: Trial | None,
    ) -> None:
        self._system = system
        self._catalog = catalog
        self.pipeline = pipeline
        self._hooks = hooks
        self._trial = trial

    def make(
        self,
        readings: Mapping[str, Reading],
        *,
        main: str,
        settings: Settings,
        force: bool = False,
        judged: tuple[Diagnostic, ...] | None = None,
        tried_out: bool = False,
    ) -> Attempt:
        """Tries `readings` and all that depend on them. `judged` are findings of a validation
        that has been run already; `tried_out` is True when the trial has been."""
        watch = Stopwatch()
        graph = self._catalog.graph
        before = {k: (self._catalog.known.get(k), graph.dependencies(k)) for k in readings}
        committed = False
        try:
            for key, reading in readings.items():
                self._catalog.put(key, reading.candidate)
            attempt = self._attempt(readings, main, settings, watch, force, judged, tried_out)
            committed = attempt.result is Result.RELOADED
        finally:
            if not committed:
                for key, (candidate, dependencies) in before.items():
                    imported = [k for k, kind in dependencies.items() if "imported" in kind]
                    self._catalog.put(key, candidate, imported)
        return attempt

    def _attempt(
        self,
        readings: Mapping[str, Reading],
        main: str,
        settings: Settings,
        watch: Stopwatch,
        force: bool,
        judged: tuple[Diagnostic, ...] | None,
        tried_out: bool,
    ) -> Attempt:
        found = tuple(p for r in readings.values() for p in r.problems)
        with watch.step("validate"):
            if judged is None and settings.validates and not force:
                judged = () if has_errors(found) else self._validate(readings)
        found = (*found, *(judged or ()))
        try:
            order = tuple(self._catalog.graph.order(self._affected(readings)))
        except DependencyCycle as error:
            order = tuple(sorted(readings))
            if not has_errors(found):
                found = (*found, _cycle(error, main))
        if has_errors(found):
            return Attempt(
                result=Result.REJECTED,
                order=order,
                diagnostics=found,
                ended=Ended(committed=False, error=_first_error(found)),
                watch=watch,
            )
        trial = None if tried_out else self._trial_of(settings)
        return self._transact(readings, order, main, settings, found, watch, trial)

    def _trial_of(self, settings: Settings) -> Trial | None:
        return self._trial if settings.safety.trial_process else None

    def try_out(self, readings: Sequence[Reading], settings: Settings) -> tuple[Diagnostic, ...]:
        """Runs the trial over plugins that are not live yet, dependencies first."""
        trial = self._trial_of(settings)
        sources = [r.candidate.source for r in readings if r.candidate is not None]
        if trial is None or not sources:
            return ()
        return trial.examine(sources, (), timeout=settings.reload.timeout)

    def validate(self, readings: Mapping[str, Reading]) -> tuple[Diagnostic, ...]:
        """Runs the pipeline over readings that the catalog knows already."""
        return self._validate(readings)

    def _affected(self, readings: Mapping[str, Reading]) -> set[str]:
        view = self._system.registry.view
        dependents = self._catalog.graph.all_dependents(readings)
        serving = {k for k in dependents if view.generation(k) is not None}
        return set(readings) | serving

    def _validate(self, readings: Mapping[str, Reading]) -> tuple[Diagnostic, ...]:
        present = {k for k, r in readings.items() if r.candidate is not None}
        bereft = {d for k in set(readings) - present for d in self._catalog.graph.dependents(k)}
        view = self._system.registry.view
        running = {
            k: r.generation.candidate for k, r in view.plugins.items() if r.generation is not None
        }
        world = World(
            plugins=self._catalog.known,
            running=running,
            changed=frozenset(present | (bereft & set(self._catalog.known))),
            disabled=frozenset(k for k, r in view.plugins.items() if r.withheld) - present,
        )
        report = self.pipeline.run(world)
        return report.diagnostics

    def _transact(
        self,
        readings: Mapping[str, Reading],
        order: tuple[str, ...],
        main: str,
        settings: Settings,
        found: tuple[Diagnostic, ...],
        watch: Stopwatch,
        trial: Trial | None,
    ) -> Attempt:
        plan = ReloadPlan(
            entries=tuple(self._entry(key, readings.get(key)) for key in order),
            main=main,
            context=self._catalog.graph.all_dependencies(order),
        )
        transaction = Transaction(
            plan,
            system=self._system,
            settings=settings,
            hooks=self._hooks,
            trial=trial if plan.incoming else None,
            watch=watch,
        )
        ended = transaction.run(self._edges_of(readings))
        for generation in ended.live:
            if generation.table.imported:
                self._catalog.put(generation.key, generation.candidate, generation.table.imported)
        return Attempt(
            result=Result.RELOADED if ended.committed else Result.ROLLED_BACK,
            order=order,
            diagnostics=(*found, *ended.diagnostics),
            ended=ended,
            watch=watch,
        )

    def _edges_of(self, readings: Mapping[str, Reading]) -> tuple[Edge, ...] | None:
        """All edges when those of `readings` differ from what the view shows; else None."""
        view = self._system.registry.view
        shown = {key: set[tuple[str, str]]() for key in readings}
        for edge in view.edges:
            if edge.source in shown:
                shown[edge.source].add((edge.target, edge.kind))
        same = all(
            key in view.plugins
            and reading.candidate is not None
            and shown[key] == set(self._catalog.graph.dependencies(key).items())
            for key, reading in readings.items()
        )
        return None if same else self._catalog.edges()

    def _entry(self, key: str, reading: Reading | None) -> PlanEntry:
        record = self._system.registry.view.find(key)
        old = None if record is None else record.generation
        number = 1 if record is None else record.generation_number + 1
        if reading is None:
            if old is None:
                raise AssertionError("a dependent that comes along is serving")
            candidate, config = old.candidate, old.config
        else:
            candidate, config = reading.candidate, reading.config
        action = Action.RELOAD if old is not None else Action.LOAD
        return PlanEntry(
            key=key,
            action=Action.UNLOAD if candidate is None else action,
            candidate=candidate,
            old=old,
            number=number,
            config=config,
            changed=reading is not None,
        )


def _first_error(diagnostics: tuple[Diagnostic, ...]) -> str:
    return next(d.message for d in diagnostics if d.is_error)


def _cycle(error: DependencyCycle, main: str) -> Diagnostic:
    return Diagnostic(
        code="DEP005",
        severity=Severity.ERROR,
        plugin=normalise(main),
        message=error.message,
        hint=error.hint,
    )
