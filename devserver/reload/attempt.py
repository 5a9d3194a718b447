"""One attempt: a set of readings is planned, validated and put through a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from devserver.core.diagnostics import Diagnostic, Severity, has_errors
from devserver.core.errors import DependencyCycle
from devserver.core.outcome import Result
from devserver.core.settings import Settings
from devserver.reload.beside import Beside
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.ending import Commit
from devserver.reload.overtaking import Overtaking
from devserver.reload.plan import Action, PlanEntry, ReloadPlan
from devserver.reload.progress import Ended, Ending, Progress
from devserver.reload.staying import staying
from devserver.reload.steps import Stopwatch
from devserver.reload.transaction import Transaction
from devserver.reload.trial import Trial
from devserver.reload.validating import findings
from devserver.runtime.hooks import HookRunner
from devserver.runtime.registry import Edge
from devserver.runtime.system import PluginSystem
from devserver.validation.pipeline import Pipeline


@dataclass(slots=True, kw_only=True)
class Attempt:
    """How it went. `order` are the keys of all plugins that it covered; `deed` is the word for
    what was done where it is no reload. `gave_up` is True when a hook was given up for something
    newer, though it might have ended in time. `staying` are those of `order` whose generation was
    to stay."""

    result: Result
    order: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    ended: Ended
    watch: Stopwatch
    deed: str = ""
    gave_up: bool = False
    staying: frozenset[str] = frozenset()


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
        overtaking: Overtaking,
    ) -> None:
        self._system = system
        self._catalog = catalog
        self.pipeline = pipeline
        self._hooks = hooks
        self._trial = trial
        self._overtaking = overtaking

    def make(
        self,
        readings: Mapping[str, Reading],
        *,
        main: str,
        settings: Settings,
        force: bool = False,
        judged: tuple[Diagnostic, ...] | None = None,
        tried_out: bool = False,
        company: Collection[str] = (),
        asked: bool = False,
        beside: bool = False,
    ) -> Attempt:
        """Tries `readings` and all that depend on them; what differs from what runs in nothing
        but configuration is reloaded only where the plugin cannot take that live, or when a
        reload was `asked` for. `judged` are findings of a validation
        that has been run already; `tried_out` is True when the trial has been. `company` are
        those of `readings` that are only tried once more with the others. With `beside` nothing
        is committed: the new generations are kept beside those that serve.

        Raises Superseded when it made way for what waits; nothing has been touched.
        """
        watch = Stopwatch()
        graph = self._catalog.graph
        before = {k: (self._catalog.known.get(k), graph.dependencies(k)) for k in readings}
        committed = False
        candidates = (r.candidate for key, r in readings.items() if key not in company)
        self._overtaking.begin([c.source for c in candidates if c is not None])
        try:
            for key, reading in readings.items():
                self._catalog.put(key, reading.candidate)
            stays = {}
            if not (asked or beside):
                stays = staying(readings, system=self._system, catalog=self._catalog)
            attempt = self._attempt(
                readings, main, settings, watch, force, judged, tried_out, stays, beside
            )
            committed = attempt.ended.committed
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
        stays: Mapping[str, bool],
        beside: bool,
    ) -> Attempt:
        found = tuple(p for r in readings.values() for p in r.problems)
        with watch.step("validate"):
            if judged is None and settings.validates and not force:
                judged = () if has_errors(found) else self._validate(readings)
        found = (*found, *(judged or ()))
        try:
            order = tuple(self._catalog.graph.order(self._affected(readings, stays)))
        except DependencyCycle as error:
            order = tuple(sorted(readings))
            if not has_errors(found):
                found = (*found, _cycle(error, readings[main].name))
        if has_errors(found):
            return Attempt(
                result=Result.REJECTED,
                order=order,
                diagnostics=found,
                ended=Ended(committed=False, error=_first_error(found)),
                watch=watch,
            )
        trial = None if tried_out else self._trial_of(settings)
        ending = Beside if beside else partial(Commit, edges=self._edges_of(readings))
        plan = self._plan(readings, order, main, stays)
        return self._transact(plan, settings, found, watch, trial, ending)

    def _trial_of(self, settings: Settings) -> Trial | None:
        return self._trial if settings.safety.trial_process else None

    def try_out(self, readings: Sequence[Reading], settings: Settings) -> tuple[Diagnostic, ...]:
        """Runs the trial over plugins that are not live yet, dependencies first."""
        trial = self._trial_of(settings)
        sources = [r.candidate.source for r in readings if r.candidate is not None]
        if trial is None or not sources:
            return ()
        self._overtaking.begin(sources)
        return trial.examine(
            sources,
            (),
            timeout=settings.reload.timeout,
            is_overtaken=self._overtaking.ends_trial,
        )

    def validate(self, readings: Mapping[str, Reading]) -> tuple[Diagnostic, ...]:
        """Runs the pipeline over readings that the catalog knows already."""
        return self._validate(readings)

    def _affected(self, readings: Mapping[str, Reading], stays: Collection[str]) -> set[str]:
        view = self._system.registry.view
        dependents = self._catalog.graph.all_dependents(readings.keys() - set(stays))
        serving = {k for k in dependents if view.generation(k) is not None}
        return set(readings) | serving

    def _validate(self, readings: Mapping[str, Reading]) -> tuple[Diagnostic, ...]:
        return tuple(findings(readings, self.pipeline, system=self._system, catalog=self._catalog))

    def _transact(
        self,
        plan: ReloadPlan,
        settings: Settings,
        found: tuple[Diagnostic, ...],
        watch: Stopwatch,
        trial: Trial | None,
        ending: Callable[[Progress], Ending],
    ) -> Attempt:
        transaction = Transaction(
            plan,
            system=self._system,
            settings=settings,
            hooks=self._hooks,
            trial=trial if plan.incoming else None,
            overtaking=self._overtaking,
            watch=watch,
        )
        ended = transaction.run(ending)
        for generation in ended.live:
            if generation.table.imported:
                self._catalog.put(generation.key, generation.candidate, generation.table.imported)
        replaced = any(e.action is not Action.RECONFIGURE for e in plan.entries)
        told = any(e.is_told for e in plan.reconfigured)
        done = Result.RELOADED if replaced or told else Result.UNCHANGED
        return Attempt(
            result=done if ended.committed or ended.beside else Result.ROLLED_BACK,
            order=tuple(e.key for e in plan.entries),
            diagnostics=(*found, *ended.diagnostics),
            ended=ended,
            watch=watch,
            deed=_deed(plan) if ended.committed else "",
            gave_up=not ended.committed and self._overtaking.gave_up_hook,
            staying=frozenset(e.key for e in plan.reconfigured),
        )

    def _plan(
        self,
        readings: Mapping[str, Reading],
        order: tuple[str, ...],
        main: str,
        stays: Mapping[str, bool],
    ) -> ReloadPlan:
        """What would stay but depends on something that is replaced is replaced, too."""
        replaced = self._catalog.graph.all_dependents(readings.keys() - set(stays))
        entries = (
            self._entry(key, readings.get(key), None if key in replaced else stays.get(key))
            for key in order
        )
        context = self._catalog.graph.all_dependencies(order)
        return ReloadPlan(entries=tuple(entries), main=main, context=context)

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

    def _entry(self, key: str, reading: Reading | None, told: bool | None) -> PlanEntry:
        """`told` is None for what does not stay as it is."""
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
        if told is not None:
            action = Action.RECONFIGURE
        return PlanEntry(
            key=key,
            action=Action.UNLOAD if candidate is None else action,
            candidate=candidate,
            old=old,
            number=number,
            config=config,
            changed=reading is not None,
            changes={} if reading is None else reading.changes,
            is_told=bool(told),
            anew=reading is not None and reading.anew,
        )


def _deed(plan: ReloadPlan) -> str:
    if any(e.anew for e in plan.incoming):
        return "restarted"
    stays = all(e.action is Action.RECONFIGURE for e in plan.entries)
    return "reconfigured" if stays else ""


def _first_error(diagnostics: tuple[Diagnostic, ...]) -> str:
    return next(d.message for d in diagnostics if d.is_error)


def _cycle(error: DependencyCycle, name: str) -> Diagnostic:
    return Diagnostic(
        code="DEP005",
        severity=Severity.ERROR,
        plugin=name,
        message=error.message,
        hint=error.hint,
    )
