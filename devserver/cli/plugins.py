"""`sysctl plugins`: look at plugins and act on them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from devserver.cli.commands import (
    Group,
    Invocation,
    complete_plugin,
    examples,
    pass_invocation,
    plugin_argument,
)
from devserver.cli.output import print_document

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient
    from devserver.cli.offline import OfflinePlugins
    from devserver.runtime.project import Project

_SERVING = ("active", "reloading")


@click.group(
    cls=Group,
    lazy={
        "bisect": "devserver.cli.bisect:bisect",
        "canary": "devserver.cli.canary:canary",
        "config": "devserver.cli.configuration:config",
        "debug": "devserver.cli.debugging.command:debug",
        "debug-watcher": "devserver.cli.debug_watcher:debug_watcher",
        "dev": "devserver.cli.developing:develop",
        "disable": "devserver.cli.switching:disable",
        "enable": "devserver.cli.switching:enable",
        "events": "devserver.cli.events:events",
        "health": "devserver.cli.health:health",
        "history": "devserver.cli.history:history",
        "install": "devserver.cli.packages:install",
        "load": "devserver.cli.switching:load",
        "logs": "devserver.cli.records:logs",
        "profile": "devserver.cli.profiling:profile",
        "reload": "devserver.cli.reloading:reload",
        "restart": "devserver.cli.reloading:restart",
        "rollback": "devserver.cli.history:rollback",
        "run": "devserver.cli.run:run",
        "uninstall": "devserver.cli.packages:uninstall",
        "unload": "devserver.cli.switching:unload",
    },
    epilog=examples("plugins list", "plugins info users", "plugins reload users"),
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
