"""`sysctl plugins profile`: where the time of reloads goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import click

from devserver.cli.answers import exit_code
from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document
from devserver.cli.tables import Cell, draw_heading, draw_table
from devserver.cli.text import count, few, milliseconds

_HISTORY = 200
"""Outcomes that are looked at."""
_PARTS = 15
"""Modules and hooks that are shown; with --json all are."""
_AFTER = "dispose"
"""The step that comes after the answer and delays nobody."""
_ORDER = (
    "validate", "trial", "stage", "quiesce", "snapshot", "activate", "verify", "commit",
    "between", "total", _AFTER,
)  # fmt: skip


@click.command(
    cls=Command, epilog=examples("plugins profile users", "plugins profile users --reload-time")
)
@plugin_argument
@click.option("--reload-time", is_flag=True, help="Reload the plugin first, and show that too.")
@pass_invocation
def profile(invocation: Invocation, *, name: str, reload_time: bool) -> int:
    """Show how long reloads take by step, and where loading spends its time.

    Steps are those of earlier reloads, as the history has them: medians and the slowest. Modules
    and hooks are those of the version that runs, as it was loaded.

    With --reload-time exits with 5 when validation refused the reload, with 6 when it was rolled
    back.
    """
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    asked = client.reload(name) if reload_time else None
    loading = client.of_plugin(name, "profile")
    reloads = [o for o in client.history(name, _HISTORY) if _counts(o, loading["name"])]
    document = {
        "name": loading["name"],
        "reloads": len(reloads),
        "outcomes": [o["id"] for o in reloads],
        "steps": step_figures(reloads),
        "companions": _companions(reloads, loading["name"]),
        "generation": loading["generation"],
        "loading": sorted(loading["parts"], key=lambda p: -p["own_ms"]),
        "asked": asked,
    }
    if invocation.as_json:
        print_document(document)
    else:
        _draw(document)
    return ExitCode.OK if asked is None else exit_code([asked])


def _counts(outcome: Mapping[str, Any], name: str) -> bool:
    """A reload that went live; a start loads everything, and is another thing."""
    is_reload = outcome["result"] == "reloaded" and not outcome["deed"]
    return is_reload and name in outcome["reloaded"] and outcome["trigger"] != "start"


def step_figures(reloads: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`{step, runs, median_ms, slowest_ms, slowest, last_ms}` of each step, in order; `slowest`
    is the id of an outcome. `between` is what is in no step (waiting for a turn, finding out what
    changed), `total` all of it from the arrival of the command."""
    times: dict[str, list[tuple[float, int]]] = {}
    for outcome in reloads:  # the newest first
        inside = 0.0
        for step in outcome["steps"]:
            if step["plugin"] is None:
                times.setdefault(step["name"], []).append((step["ms"], outcome["id"]))
                inside += 0.0 if step["name"] == _AFTER else step["ms"]
        total = outcome["duration_ms"]
        times.setdefault("total", []).append((total, outcome["id"]))
        times.setdefault("between", []).append((max(0.0, total - inside), outcome["id"]))
    names = sorted(times, key=lambda n: _ORDER.index(n) if n in _ORDER else 0)
    return [_figures(name, times[name]) for name in names]


def _figures(name: str, times: Sequence[tuple[float, int]]) -> dict[str, Any]:
    slowest, which = max(times)
    return {
        "step": name,
        "runs": len(times),
        "median_ms": round(median(ms for ms, _ in times), 3),
        "slowest_ms": round(slowest, 3),
        "slowest": which,
        "last_ms": round(times[0][0], 3),
    }


def _companions(reloads: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    """Plugins that went along in the last reload."""
    last = next(iter(reloads), None)
    return [] if last is None else [n for n in last["reloaded"] if n != name]


def _draw(document: Mapping[str, Any]) -> None:
    if document["asked"] is not None:
        from devserver.cli.outcomes import outcome_of
        from devserver.cli.output import console_for
        from devserver.cli.rich_view import RichView

        RichView(console_for()).outcome(outcome_of(document["asked"]))
    if document["reloads"]:
        of_others = few(document["companions"])
        with_others = f"; the last one took {of_others} along, in the same steps" * bool(of_others)
        draw_heading(f"{count(document['reloads'], 'reload')} of {document['name']}{with_others}")
        columns = ("step", "runs", "median ms", "slowest ms", "in outcome", "last ms")
        draw_table(columns, [_step_row(row) for row in document["steps"]])
    else:
        draw_heading(f"no reload of {document['name']} is known yet: --reload-time makes one")
    _draw_loading(document)


def _draw_loading(document: Mapping[str, Any]) -> None:
    parts = document["loading"]
    if not parts:
        return
    draw_heading(f"loading g{document['generation']}, which runs, the slowest first")
    rows: list[Sequence[Cell]] = [
        (part["kind"], (part["name"], "bold"), _ms(part["own_ms"]), _ms(part["ms"]))
        for part in parts[:_PARTS]
    ]
    draw_table(("what", "name", "own ms", "with all inside ms"), rows)
    if len(parts) > _PARTS:
        draw_heading((f"and {len(parts) - _PARTS} more", "dim"))
    draw_heading(
        (
            "libraries count for the module that imports them first, so for the first load; hooks "
            "are measured with their database work",
            "dim",
        )
    )


def _step_row(row: Mapping[str, Any]) -> Sequence[Cell]:
    style = "bold" if row["step"] == "total" else ""
    after = " (after the answer)" if row["step"] == _AFTER else ""
    return (
        (f"{row['step']}{after}", style),
        str(row["runs"]),
        (_ms(row["median_ms"]), style),
        _ms(row["slowest_ms"]),
        str(row["slowest"]),
        _ms(row["last_ms"]),
    )


def _ms(value: float) -> str:
    return milliseconds(value) if value >= 0.1 else f"{value:.2f}"
