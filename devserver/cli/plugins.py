"""`sysctl plugins`: look at plugins and act on them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import (
    Group,
    Invocation,
    complete_plugin,
    examples,
    pass_invocation,
    plugin_argument,
)
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient
    from devserver.cli.offline import OfflinePlugins
    from devserver.runtime.project import Project

_SERVING = ("active", "reloading")


@click.group(
    cls=Group, epilog=examples("plugins list", "plugins info users", "plugins reload users")
)
def plugins() -> None:
    """Look at plugins and act on them."""


@plugins.command("list", epilog=examples("plugins list --loaded", "plugins list --json"))
@click.option("--loaded", is_flag=True, help="Only those that serve.")
@pass_invocation
def list_plugins(invocation: Invocation, *, loaded: bool) -> None:
    """List the project's plugins. Works without a server, from the files."""
    project = invocation.project()
    client = _find(project)
    rows = _offline(project).rows() if client is None else client.read("/api/plugins")
    if loaded:
        rows = [row for row in rows if row["status"] in _SERVING]
    if invocation.as_json:
        print_document(rows)
        return
    from devserver.cli.pages import show_list

    show_list(rows)
    if client is None:
        _tell_offline()


@plugins.command(epilog=examples("plugins status", "plugins status users --json"))
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@pass_invocation
def status(invocation: Invocation, *, name: str | None) -> None:
    """Show how the running server is, or one of its plugins."""
    from devserver.cli.pages import show_status, show_summary

    client = _get(invocation.project())
    if name is not None:
        document = client.of_plugin(name, "status")
    else:
        document = {
            **client.read("/api/plugins/status/summary"),
            "url": client.url,
            "hot_reload": client.read("/api/hot-reload/status"),
        }
    if invocation.as_json:
        print_document(document)
    elif name is not None:
        show_status(document)
    else:
        show_summary(document)


@plugins.command(epilog=examples("plugins info users", "plugins info users --json"))
@plugin_argument
@pass_invocation
def info(invocation: Invocation, *, name: str) -> None:
    """Show everything about a plugin. Works without a server, from the files."""
    project = invocation.project()
    client = _find(project)
    document = _offline(project).info(name) if client is None else client.of_plugin(name, "info")
    if invocation.as_json:
        print_document(document)
        return
    from devserver.cli.pages import show_info

    show_info(document)
    if client is None:
        _tell_offline()


@plugins.command(epilog=examples("plugins deps users", "plugins deps users --json"))
@plugin_argument
@pass_invocation
def deps(invocation: Invocation, *, name: str) -> None:
    """Show what a plugin needs and what needs it. Works without a server, from the files."""
    from devserver.cli.dependencies import Dependencies

    project = invocation.project()
    client = _find(project)
    graph = _offline(project).graph() if client is None else client.read("/api/graph")
    found = Dependencies(graph, name)
    if invocation.as_json:
        print_document(found.to_json())
    else:
        found.draw()


@plugins.command(epilog=examples("plugins reload users", "plugins reload --all"))
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@click.option("--all", "everything", is_flag=True, help="Reload every plugin that is not disabled.")
@click.option("--force", is_flag=True, help="Skip validation.")
@pass_invocation
def reload(invocation: Invocation, *, name: str | None, everything: bool, force: bool) -> int:
    """Reload a plugin and all that depend on it, now.

    Exits with 5 when validation refused it, with 6 when it failed and was rolled back; the
    running version stays in both cases.
    """
    if (name is not None) == everything:
        raise click.UsageError("give the plugin to reload, or --all")
    client = _get(invocation.project())
    if name is not None:
        outcome = client.reload(name, force=force)
        _show_outcome(outcome, invocation)
        return _exit_code([outcome])
    outcomes = _reload_all(client, invocation, force=force)
    if invocation.as_json:
        print_document({"success": all(o["success"] for o in outcomes), "outcomes": outcomes})
    return _exit_code(outcomes)


@plugins.command(epilog=examples("plugins enable users"))
@plugin_argument
@pass_invocation
def enable(invocation: Invocation, *, name: str) -> int:
    """Put a plugin into service.

    Exits with 5 when validation refused it, with 6 when it failed; it stays as it was then.
    """
    return _switch(invocation, name, "enable")


@plugins.command(epilog=examples("plugins disable users", "plugins disable users --force"))
@plugin_argument
@click.option("--force", is_flag=True, help="Take along what needs it; wait for no request.")
@pass_invocation
def disable(invocation: Invocation, *, name: str, force: bool) -> int:
    """Take a plugin out of service until it is enabled.

    Requests in flight end; new ones are answered with 503.
    """
    return _switch(invocation, name, "disable", force=force)


@plugins.command(epilog=examples("plugins load users"))
@plugin_argument
@pass_invocation
def load(invocation: Invocation, *, name: str) -> int:
    """Load a plugin that was unloaded or disabled."""
    return _switch(invocation, name, "load")


@plugins.command(epilog=examples("plugins unload users", "plugins unload users --force"))
@plugin_argument
@click.option("--force", is_flag=True, help="Take along what needs it; wait for no request.")
@pass_invocation
def unload(invocation: Invocation, *, name: str, force: bool) -> int:
    """Take a plugin out of service until it is loaded, or the server starts again."""
    return _switch(invocation, name, "unload", force=force)


@plugins.command(epilog=examples("plugins run users add-user name=Ada age=36"))
@plugin_argument
@click.argument("command", metavar="COMMAND")
@click.argument("arguments", metavar="[KEY=VALUE]...", nargs=-1)
@pass_invocation
def run(invocation: Invocation, *, name: str, command: str, arguments: tuple[str, ...]) -> None:
    """Run a command of a plugin.

    A VALUE that is JSON (36, true, [1, 2]) is taken as that, anything else as text.
    """
    given = _parsed(arguments)
    document = _get(invocation.project()).run_command(name, command, given)
    if invocation.as_json:
        print_document(document)
        return
    result = document.get("result")
    if isinstance(result, str):
        from devserver.cli.text import clean

        print(clean(result))
    elif result is not None:
        print_document(result)


def _reload_all(
    client: ServerClient, invocation: Invocation, *, force: bool
) -> list[dict[str, Any]]:
    """Reloads everything, dependencies first; what came along with another is not repeated."""
    from devserver.cli.dependencies import reload_order

    graph = client.read("/api/graph")
    disabled = {node["name"] for node in graph["nodes"] if node["status"] == "disabled"}
    done: set[str] = set()
    outcomes = []
    for name in reload_order(graph):
        if name in done or name in disabled:
            continue
        outcome = client.reload(name, force=force)
        done.update(outcome.get("reloaded", ()))
        outcomes.append(outcome)
        if not invocation.as_json:
            _show_outcome(outcome, invocation)
    return outcomes


def _switch(invocation: Invocation, name: str, deed: str, *, force: bool = False) -> ExitCode:
    document = _get(invocation.project()).switch(name, deed, force=force)
    if "result" in document:
        _show_outcome(document, invocation)
        return _exit_code([document])
    if invocation.as_json:
        print_document(document)
        return ExitCode.OK
    others = [p for p in document.get("plugins", ()) if p != name]
    along = f" (with {', '.join(others)})" if others else ""
    print(f"{document['message']}{along}, routes affected: {document['routes_affected']}")
    return ExitCode.OK


def _show_outcome(document: dict[str, Any], invocation: Invocation) -> None:
    if invocation.as_json:
        print_document(document)
        return
    from devserver.cli.outcomes import outcome_of
    from devserver.cli.output import console_for
    from devserver.cli.rich_view import RichView

    RichView(console_for()).outcome(outcome_of(document))


def _exit_code(outcomes: list[dict[str, Any]]) -> ExitCode:
    results = {outcome["result"] for outcome in outcomes}
    if "rolled_back" in results:
        return ExitCode.ROLLED_BACK
    return ExitCode.REFUSED if "rejected" in results else ExitCode.OK


def _parsed(arguments: tuple[str, ...]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not key or not equals:
            raise click.UsageError(f"{argument!r} is no argument of a command: write KEY=VALUE")
        try:
            given[key] = json.loads(value)
        except ValueError:
            given[key] = value
    return given


def _find(project: Project) -> ServerClient | None:
    from devserver.cli.client import ServerClient

    return ServerClient.find(project)


def _get(project: Project) -> ServerClient:
    from devserver.cli.client import ServerClient

    return ServerClient.get(project)


def _offline(project: Project) -> OfflinePlugins:
    from devserver.cli.offline import OfflinePlugins

    return OfflinePlugins(project)


def _tell_offline() -> None:
    print("no dev server is running: this is what the files say", file=sys.stderr)
