"""What is worth saying of an outcome, whichever way it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.names import normalise
from devserver.core.outcome import Outcome, Result, StateReport, Step

_ORDER = (
    "validate", "trial", "stage", "quiesce", "snapshot", "activate", "verify", "commit",
    "rollback", "dispose",
)  # fmt: skip
_AFTERWARDS = frozenset({"rollback", "dispose"})
_SPOKEN = {"validate": "validation"}
_SHORTEST = 0.05
"""Milliseconds below which a step is not worth a place in the line."""


def outcome_of(document: Mapping[str, Any]) -> Outcome:
    """The outcome that the API's document stands for; what it leaves out has its default."""
    state = document.get("state") or {}
    routes = document.get("routes") or {}
    plugin = str(document.get("plugin", ""))
    return Outcome(
        id=int(document.get("id", 0)),
        plugin=plugin,
        plugins=tuple(document.get("plugins") or (plugin,)),
        result=Result(document["result"]),
        message=str(document.get("message", "")),
        trigger=str(document.get("trigger", "api")),
        changes=tuple(document.get("changes", ())),
        time=float(document.get("time", 0.0)),
        reloaded=tuple(document.get("reloaded", ())),
        removed=tuple(document.get("removed", ())),
        generation=int(document.get("generation", 0)),
        previous_generation=int(document.get("previous_generation", 0)),
        serving=dict(document.get("serving") or {}),
        duration_ms=float(document.get("duration_ms", 0.0)),
        steps=tuple(
            Step(name=s["name"], ms=s["ms"], plugin=s.get("plugin"))
            for s in document.get("steps", ())
        ),
        diagnostics=tuple(Diagnostic.from_json(d) for d in document.get("diagnostics", ())),
        state=StateReport(
            **{k: tuple(state.get(k, ())) for k in ("kept", "merged", "passed", "lost")}
        ),
        routes_before=int(routes.get("before", 0)),
        routes_after=int(routes.get("after", 0)),
        notes=tuple(document.get("notes", ())),
        backups=tuple(document.get("backups", ())),
        error=document.get("error"),
        deed=str(document.get("deed", "")),
        kept=bool(document.get("kept", True)),
    )


def steps_of(outcome: Outcome) -> list[tuple[str, float]]:
    """Each step once, in the order of the transaction, with its milliseconds.

    A step is timed as a whole and also for single plugins; the whole counts where it is there.
    """
    whole: dict[str, float] = {}
    parts: dict[str, float] = {}
    for step in outcome.steps:
        times = whole if step.plugin is None else parts
        times[step.name] = times.get(step.name, 0.0) + step.ms
    known = parts | whole
    named = [name for name in _ORDER if name in known]
    others = [name for name in known if name not in _ORDER]
    return [(name, known[name]) for name in (*named, *others) if known[name] >= _SHORTEST]


def failed_step(outcome: Outcome) -> str:
    """The step that said no, as a word: `validation`, `trial`, `stage`, ..., or `probation`
    for one that was live and had to go back, `canary` for one that was beside it."""
    if outcome.trigger == "probation":
        return "probation"
    names = [s.name for s in outcome.steps if s.name not in _AFTERWARDS]
    if outcome.trigger == "canary" and not names:
        return "canary"
    last = names[-1] if names else "validate"
    return _SPOKEN.get(last, last)


def companions(outcome: Outcome) -> tuple[str, ...]:
    """What shared the fate of the plugin that the outcome is told for."""
    main = normalise(outcome.plugin)
    fellows = outcome.removed if was_removed(outcome) else outcome.reloaded
    return tuple(name for name in fellows if normalise(name) != main)


def was_removed(outcome: Outcome) -> bool:
    """True when the plugin itself no longer serves: `outcome.deed` says why."""
    return normalise(outcome.plugin) in map(normalise, outcome.removed)


def still_serving(outcome: Outcome) -> str:
    """Who answers after a failure: `still serving g7`, `nothing serves`, or by name for many."""
    serving = {name: number for name, number in outcome.serving.items() if number}
    if not serving and outcome.generation:
        serving = {outcome.plugin: outcome.generation}
    if not serving:
        return "nothing serves"
    if len(outcome.plugins) <= 1:
        return f"still serving g{next(iter(serving.values()))}"
    shown = ", ".join(f"{name} g{number}" for name, number in list(serving.items())[:6])
    more = len(serving) - 6
    return f"still serving {shown}" + (f" and {more} more" if more > 0 else "")


def by_severity(outcome: Outcome) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """The errors, and the warnings; what is only information is left out."""
    errors = [d for d in outcome.diagnostics if d.is_error]
    warnings = [d for d in outcome.diagnostics if d.severity is Severity.WARNING]
    return errors, warnings
