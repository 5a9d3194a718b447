"""Turns attempts into outcomes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from devserver.core.diagnostics import Diagnostic
from devserver.core.outcome import Outcome, Result
from devserver.reload.attempt import Attempt
from devserver.reload.catalog import Reading
from devserver.reload.cause import Cause
from devserver.runtime.registry import SystemView


def outcome_of(
    attempt: Attempt,
    readings: Mapping[str, Reading],
    *,
    main: str,
    cause: Cause,
    view: SystemView,
) -> Outcome:
    """What an attempt at `readings` has come to, told for the plugin `main`; `view` is that of
    now."""
    names = {k: _name(k, attempt, readings, view) for k in (*attempt.order, main)}
    ended = attempt.ended
    live = {g.key: g for g in ended.live}
    gone = {g.key: g for g in ended.gone}
    if not attempt.result.success:
        live, gone = {}, {}
    stays = {g.key: g for g in ended.reconfigured}
    now = _number(view, main)
    was = now if main not in stays | gone else (stays | gone)[main].number
    # Without those that stay as they are, whatever becomes of the plugin.
    routes_before = sum(len(g.routes) for k, g in gone.items() if view.answering(k) is not g)
    routes_after = sum(len(g.routes) for k, g in live.items() if view.answering(k) is g)
    return Outcome(
        plugin=names[main],
        plugins=tuple(names[k] for k in attempt.order),
        result=attempt.result,
        message=_message(attempt, names[main], main in live or main not in gone),
        trigger=cause.trigger,
        changes=cause.paths,
        reloaded=tuple(live[k].name for k in attempt.order if k in live),
        removed=tuple(gone[k].name for k in attempt.order if k in gone and k not in live),
        generation=now,
        previous_generation=0 if main in live and main not in gone else was,
        serving={names[k]: _number(view, k) for k in attempt.order if _number(view, k)},
        duration_ms=(time.monotonic() - cause.arrived) * 1000,
        steps=tuple(attempt.watch.steps),
        diagnostics=attempt.diagnostics,
        state=ended.state,
        routes_before=routes_before,
        routes_after=routes_after,
        notes=tuple(ended.notes),
        error=ended.error,
        backups=ended.backups,
        deed=attempt.deed or ("removed" if main in gone and main not in live else ""),
    )


def refusal_of_file(
    found: Diagnostic, names: Sequence[str], arrived: float, *, view: SystemView
) -> Outcome:
    """What `found` in a file that configures the plugins `names` has come to: nothing. It was
    saved at the monotonic second `arrived`."""
    main = names[0] if names else ""
    number = _number(view, main)
    return Outcome(
        plugin=main,
        plugins=tuple(names),
        result=Result.REJECTED,
        message=f"{found.file} was not applied: {found.message}",
        changes=(str(found.file),),
        generation=number,
        previous_generation=number,
        serving={n: g.number for n in names if (g := view.generation(n)) is not None},
        duration_ms=(time.monotonic() - arrived) * 1000,
        diagnostics=(found,),
        error=found.message,
    )


def _number(view: SystemView, key: str) -> int:
    """Of the generation that serves; 0 when none does."""
    generation = view.generation(key)
    return 0 if generation is None else generation.number


def _name(key: str, attempt: Attempt, readings: Mapping[str, Reading], view: SystemView) -> str:
    """As the folder spells it, also of what has never run."""
    for generation in (*attempt.ended.live, *attempt.ended.gone):
        if generation.key == key:
            return generation.name
    record = view.find(key)
    if record is not None:
        return record.name
    return readings[key].name if key in readings else key


def _message(attempt: Attempt, name: str, stays: bool) -> str:
    match attempt.result:
        case Result.RELOADED if attempt.deed:
            return f"Plugin {name} {attempt.deed} successfully"
        case Result.RELOADED if not stays:
            return f"Plugin {name} removed"
        case Result.RELOADED:
            return f"Plugin {name} reloaded successfully"
        case Result.REJECTED:
            return f"Plugin {name} was not reloaded: {attempt.ended.error}"
        case _:
            return f"Plugin {name} was rolled back: {attempt.ended.error}"
