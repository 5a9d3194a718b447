"""The commands `sysctl plugins debug` and `sysctl dev plugin debug`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document

if TYPE_CHECKING:
    from devserver.cli.debugging.subject import Subject
    from devserver.cli.findings import Finding

LOCKS, DEPENDENCIES, STATE, LEAKS = "locks", "dependencies", "state", "leaks"
_EVERYTHING = (LOCKS, DEPENDENCIES, STATE, LEAKS)
_COLUMNS = ("attribute", "type", "a reload now", "why")
_FATES = {"kept": "green", "merged": "green", "passed": "cyan", "anew": "dim"}


@click.command(
    "debug",
    cls=Command,
    epilog=examples("plugins debug users", "plugins debug users --check-locks --check-leaks"),
)
@plugin_argument
@click.option("--check-locks", is_flag=True, help="What a reload waits for: work, threads, locks.")
@click.option("--check-dependencies", is_flag=True, help="Who needs whom, and what is missing.")
@click.option("--check-state-methods", is_flag=True, help="What becomes of its state, and why.")
@click.option("--check-leaks", is_flag=True, help="Who holds old versions, after a collection.")
@pass_invocation
def debug(
    invocation: Invocation,
    *,
    name: str,
    check_locks: bool,
    check_dependencies: bool,
    check_state_methods: bool,
    check_leaks: bool,
) -> int:
    """Look for what stands in the way of a plugin; without options at everything.

    Works without a server, from the files: none of the plugin is run then. Exits with 1 when
    there are errors; warnings alone are no failure.
    """
    asked = (check_locks, check_dependencies, check_state_methods, check_leaks)
    chosen = [part for part, wanted in zip(_EVERYTHING, asked, strict=True) if wanted]
    return _debug(invocation, name, chosen or _EVERYTHING, verbose=check_locks)


@click.command(
    "debug",
    cls=Command,
    epilog=examples("dev plugin debug users", "dev plugin debug users --verbose"),
)
@plugin_argument
@click.option("--verbose", is_flag=True, help="With stacks, code frames, and the last outcomes.")
@pass_invocation
def debug_all(invocation: Invocation, *, name: str, verbose: bool) -> int:
    """Look for what stands in the way of a plugin, as `plugins debug` does.

    Works without a server, from the files. Exits with 1 when there are errors.
    """
    return _debug(invocation, name, _EVERYTHING, verbose=verbose, outcomes=5 if verbose else 0)


def _debug(
    invocation: Invocation,
    name: str,
    parts: Collection[str],
    *,
    verbose: bool,
    outcomes: int = 0,
) -> ExitCode:
    from devserver.cli.debugging.subject import Subject
    from devserver.cli.findings import draw_findings, errors_in, findings_document

    subject = Subject.of(invocation.project(), name, look=LEAKS in parts, outcomes=outcomes)
    on_disk = subject.on_disk
    found = list(_found(subject, parts))
    document = {
        "name": subject.name,
        "server": None if subject.client is None else subject.client.url,
        **findings_document(found),
        "attributes": [] if on_disk is None else on_disk.attributes(),
        "methods": [] if on_disk is None else on_disk.methods(),
        "running": subject.live,
        "outcomes": subject.history[:outcomes],
    }
    if invocation.as_json:
        print_document(document)
    else:
        draw_findings(found)
        _draw_more(document, parts, verbose=verbose)
        if verbose and on_disk is not None and on_disk.found:
            from devserver.cli.frames import print_frames

            print_frames(on_disk.found, to=sys.stdout)
    return ExitCode.FAILED if errors_in(found) else ExitCode.OK


def _found(subject: Subject, parts: Collection[str]) -> Iterator[Finding]:
    from devserver.cli.debugging import running

    live, on_disk = subject.live, subject.on_disk
    yield from subject.findings()
    if on_disk is not None:
        yield from on_disk.findings()
    graph = subject.graph() if DEPENDENCIES in parts else None
    if graph is not None:
        yield from running.of_dependencies(graph, subject.name)
    if LOCKS in parts and live is not None:
        yield from running.of_work(live)
        yield from running.of_threads(live)
        yield from running.of_locks(live)
    if STATE in parts and on_disk is not None:
        yield from on_disk.method_findings()
    if STATE in parts and live is not None:
        yield from running.of_state(live, subject.history[0] if subject.history else None)
    if LEAKS in parts and live is not None:
        yield from running.of_leaks(live)


def _draw_more(document: Mapping[str, Any], parts: Collection[str], *, verbose: bool) -> None:
    from devserver.cli.tables import draw_table

    live = document["running"]
    if STATE in parts:
        rows = document["attributes"] if live is None else live["state"]
        if rows:
            draw_table(_COLUMNS, [_state_row(row) for row in rows])
        methods = [m for m in document["methods"] if m["place"]]
        if methods:
            told = [((m["name"], "bold"), m["place"], m["purpose"]) for m in methods]
            draw_table(("method", "at", "it"), told)
    if verbose and live is not None:
        _draw_stacks(live)
    if document["outcomes"]:
        from devserver.cli.outcomes import outcome_of
        from devserver.cli.output import console_for
        from devserver.cli.rich_view import RichView

        view = RichView(console_for())
        for outcome in reversed(document["outcomes"]):
            view.outcome(outcome_of(outcome))


def _state_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    fate = row["fate"]
    return (row["name"], "bold"), row["type"], (fate, _FATES.get(fate, "")), row["why"]


def _draw_stacks(live: Mapping[str, Any]) -> None:
    from devserver.cli.tables import draw_heading
    from devserver.cli.text import clean

    titles = (("work", "label"), ("threads", "name"), ("tasks", "name"))
    for kind, title in titles:
        for one in live[kind]:
            if one["stack"]:
                draw_heading((f"{kind}: {one[title]}", "bold"))
                print(clean(one["stack"]))
