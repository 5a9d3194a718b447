"""`sysctl plugins enable` and its relatives: which plugins are to serve."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.answers import exit_code, show_outcome
from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode, ServerNotRunning
from devserver.cli.instances import all_instances_options, ask_all
from devserver.cli.text import one_line

if TYPE_CHECKING:
    from devserver.runtime.project import Project


@click.command(
    cls=Command, epilog=examples("plugins enable users", "plugins enable users --all-instances")
)
@plugin_argument
@click.option("--no-routes", is_flag=True, help="Serve all of it but its routes.")
@all_instances_options
@pass_invocation
def enable(
    invocation: Invocation, *, name: str, no_routes: bool, all_instances: bool, policy: str
) -> int:
    """Put a plugin into service, and keep it there over restarts. Works without a server.

    Exits with 5 when validation refused it, with 6 when it failed; it stays as it was then. Exits
    with 1 when it serves, but only for this run: the database did not take the word.
    """
    _refuse_both(no_routes=no_routes, all_instances=all_instances)
    if all_instances:
        return ask_all(invocation, name, "enable", policy=policy)
    return switch(invocation, name, "enable", routes=not no_routes)


@click.command(
    cls=Command, epilog=examples("plugins disable users", "plugins disable users --force")
)
@plugin_argument
@click.option("--force", is_flag=True, help="Take along what needs it; wait for no request.")
@click.option("--no-routes", is_flag=True, help="Let its routes go on answering.")
@all_instances_options
@pass_invocation
def disable(
    invocation: Invocation,
    *,
    name: str,
    force: bool,
    no_routes: bool,
    all_instances: bool,
    policy: str,
) -> int:
    """Take a plugin out of service until it is enabled. Works without a server.

    Requests in flight end; new ones are answered with 503. Exits with 1 when it is out of
    service, but only for this run: the database did not take the word.
    """
    _refuse_both(no_routes=no_routes, all_instances=all_instances)
    if all_instances:
        options = {"force": "true"} if force else {}
        return ask_all(invocation, name, "disable", policy=policy, options=options)
    return switch(invocation, name, "disable", force=force, routes=not no_routes)


@click.command(
    cls=Command,
    epilog=examples(
        "plugins load users",
        "plugins load users --version 1.2.0",
        "plugins load users --dev-mode --watch",
    ),
)
@plugin_argument
@click.option("--version", metavar="V", help="An installed version of a package, up or down.")
@click.option("--force", is_flag=True, help="With --version: keep what was edited aside.")
@click.option(
    "--path",
    type=click.Path(exists=True, path_type=Path),
    metavar="P",
    help="Serve the plugin that stands there, until the server stops.",
)
@click.option(
    "--from-package",
    is_flag=True,
    help="Serve the plugin that an installed distribution offers, until the server stops.",
)
@click.option(
    "--dev-mode",
    is_flag=True,
    help="Turn development mode on first, until the server stops, where it is off.",
)
@click.option("--watch", is_flag=True, help="Stay, and show what becomes of it, until Ctrl-C.")
@pass_invocation
def load(
    invocation: Invocation,
    *,
    name: str,
    version: str | None,
    force: bool,
    path: Path | None,
    from_package: bool,
    dev_mode: bool,
    watch: bool,
) -> int:
    """Load a plugin that was unloaded or disabled, another version of it, or one from elsewhere.

    Exits with 5 when validation refused it, with 6 when it failed; it stays as it was then. With
    --watch each outcome of the plugin and of those that depend on it is shown as `dev server`
    does; the settings decide what becomes of a save.
    """
    if (version is not None) + (path is not None) + from_package > 1:
        raise click.UsageError("--version, --path and --from-package exclude each other")
    invocation.as_lines = watch
    if dev_mode:
        from devserver.cli.mode import develop_for_this_run

        elsewhere = version is not None or path is not None or from_package
        develop_for_this_run(invocation, None if elsewhere else name)
    code = _load(invocation, name, version, path, force=force, from_package=from_package)
    if not watch:
        return code
    from devserver.cli.client import ServerClient
    from devserver.cli.following import stay

    client = ServerClient.get(invocation.project())
    return stay(client, name, invocation, auto_reload=False, code=code)


def _load(
    invocation: Invocation,
    name: str,
    version: str | None,
    path: Path | None,
    *,
    force: bool,
    from_package: bool,
) -> int:
    if version is not None:
        from devserver.cli.packages import load_version

        return load_version(invocation, name, version, force=force)
    if path is not None or from_package:
        from devserver.cli.packages import load_from

        return load_from(invocation, name, path=path, from_package=from_package)
    return switch(invocation, name, "load")


@click.command(cls=Command, epilog=examples("plugins unload users", "plugins unload users --force"))
@plugin_argument
@click.option("--force", is_flag=True, help="Take along what needs it; wait for no request.")
@pass_invocation
def unload(invocation: Invocation, *, name: str, force: bool) -> int:
    """Take a plugin out of service until it is loaded, or the server starts again."""
    return switch(invocation, name, "unload", force=force)


def _refuse_both(*, no_routes: bool, all_instances: bool) -> None:
    if no_routes and all_instances:
        raise click.UsageError("--no-routes is for this instance alone, without --all-instances")


def switch(
    invocation: Invocation, name: str, deed: str, *, force: bool = False, routes: bool = True
) -> ExitCode:
    """Has a plugin enabled, disabled, loaded or unloaded, and tells what came of it."""
    document = _switched(invocation.project(), name, deed, force=force, routes=routes)
    if "result" in document:
        show_outcome(document, invocation)
        return exit_code([document])
    kept = document.get("kept", True)
    for note in document.get("notes", ()):
        print(f"{'note' if kept else 'warning'}: {one_line(note)}", file=sys.stderr)
    if invocation.as_json:
        invocation.print(document)
        return ExitCode.OK if kept else ExitCode.FAILED
    others = [p for p in document.get("plugins", ()) if p != name]
    along = f" (with {', '.join(others)})" if others else ""
    print(f"{document['message']}{along}, routes affected: {document['routes_affected']}")
    return ExitCode.OK if kept else ExitCode.FAILED


def _switched(
    project: Project, name: str, deed: str, *, force: bool, routes: bool
) -> dict[str, Any]:
    from devserver.cli.client import ServerClient

    client = ServerClient.find(project)
    if client is not None:
        return client.switch(name, deed, force=force, routes=routes)
    if not routes:
        # What stays with its routes alone is a matter of the running server.
        raise ServerNotRunning(str(project.root), or_else="or leave out --no-routes")
    if deed not in ("enable", "disable"):
        raise ServerNotRunning(str(project.root))
    from devserver.cli.offline_switch import switch_offline

    return switch_offline(project, name, deed, force=force)
