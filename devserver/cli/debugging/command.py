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
    from devserver.cli.client import ServerClient
    from devserver.cli.debugging.on_disk import PluginOnDisk
    from devserver.cli.findings import Finding
    from devserver.runtime.project import Project

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
    from devserver.cli.debugging.on_disk import PluginOnDisk
    from devserver.cli.findings import draw_findings, errors_in, findings_document

    project = invocation.project()
    client = _find(project)
    on_disk = PluginOnDisk(project, name)
    live, history = (
        (None, []) if client is None else _asked(client, on_disk.name, LEAKS in parts, outcomes)
    )
    found = list(_found(project, client, on_disk, live, history, parts))
    document = {
        "name": on_disk.name,
        "server": None if client is None else client.url,
        **findings_document(found),
        "attributes": on_disk.attributes(),
        "methods": on_disk.methods(),
        "running": live,
        "outcomes": history[:outcomes],
    }
    if invocation.as_json:
        print_document(document)
    else:
        draw_findings(found)
        _draw_more(on_disk, document, parts, verbose=verbose)
    return ExitCode.FAILED if errors_in(found) else ExitCode.OK


def _asked(
    client: ServerClient, name: str, look: bool, outcomes: int
) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    live = client.inspection(name, look=look)
    return live, client.history(name, max(1, outcomes))


def _found(
    project: Project,
    client: ServerClient | None,
    on_disk: PluginOnDisk,
    live: Mapping[str, Any] | None,
    history: list[dict[str, Any]],
    parts: Collection[str],
) -> Iterator[Finding]:
    from devserver.cli.debugging import running
    from devserver.cli.findings import ok
    from devserver.cli.graphs import PluginGraph
    from devserver.cli.offline import OfflinePlugins

    known = {(d.code, d.file, d.line) for d in on_disk.found}
    if live is None:
        yield ok("plugin", "no dev server is running: this is what the files say")
    else:
        yield from running.of_plugin(live, known)
    yield from on_disk.findings()
    if DEPENDENCIES in parts:
        graph = OfflinePlugins(project).graph() if client is None else client.read("/api/graph")
        around = PluginGraph(graph, on_disk.name).to_json()
        yield from running.of_dependencies(around, on_disk.name)
    if LOCKS in parts and live is not None:
        yield from running.of_work(live)
        yield from running.of_threads(live)
        yield from running.of_locks(live)
    if STATE in parts:
        yield from on_disk.method_findings()
        if live is not None:
            yield from running.of_state(live, history[0] if history else None)
    if LEAKS in parts and live is not None:
        yield from running.of_leaks(live)


def _draw_more(
    on_disk: PluginOnDisk, document: Mapping[str, Any], parts: Collection[str], *, verbose: bool
) -> None:
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
    if verbose and on_disk.found:
        from devserver.cli.frames import print_frames

        print_frames(on_disk.found, to=sys.stdout)
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


def _find(project: Project) -> ServerClient | None:
    from devserver.cli.client import ServerClient

    return ServerClient.find(project)
