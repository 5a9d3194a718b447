"""`sysctl plugins dev`: work on one plugin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode, report_error
from devserver.cli.foreground import ServerOptions, run_server, server_options
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.core.names import normalise

if TYPE_CHECKING:
    from devserver.assembly import DevServer

_SERVING = ("active", "reloading")


@click.command(
    "dev",
    cls=Command,
    epilog=examples("plugins dev users --watch", "plugins dev users --watch --auto-reload"),
)
@plugin_argument
@click.option("--watch", is_flag=True, help="Stay, and show what becomes of it, until Ctrl-C.")
@click.option(
    "--auto-reload",
    is_flag=True,
    help="Stay, and have its saves reloaded meanwhile even where reload.automatic is false.",
)
@server_options
@pass_invocation
def develop(
    invocation: Invocation, /, *, name: str, watch: bool, auto_reload: bool, **options: Any
) -> int:
    """Work on a plugin: load it on the running server, or on one that this command runs.

    With --watch each outcome of the plugin and of those that depend on it is shown as `dev
    server` does. Where no server runs, this command is the dev server of the project, with the
    options that follow, and shows everything until Ctrl-C.
    """
    from devserver.cli.client import ServerClient

    client, asked = ServerClient.find(invocation.project()), ServerOptions(**options)
    if client is None:
        return _serve(invocation, name, asked, auto_reload=auto_reload)
    if asked != ServerOptions():
        _say_it_runs(client.url)
    invocation.as_lines = watch or auto_reload
    known = client.of_plugin(name, "status")
    code = ExitCode.OK
    if known["status"] not in _SERVING:
        from devserver.cli.switching import switch

        code = switch(invocation, name, "load")
    elif not invocation.as_json:
        print(f"{known['name']} is {known['status']} already (g{known['generation']})")
    if not (watch or auto_reload):
        if invocation.as_json and known["status"] in _SERVING:
            invocation.print(known)
        return code
    from devserver.cli.following import stay

    return stay(client, name, invocation, auto_reload=auto_reload, code=code)


def _say_it_runs(url: str) -> None:
    print(
        f"warning: {url} runs already: what is asked of a server has no effect\n"
        "hint: stop that one with Ctrl-C first, or leave these options out",
        file=sys.stderr,
    )


def _serve(
    invocation: Invocation, name: str, options: ServerOptions, *, auto_reload: bool
) -> ExitCode:
    from devserver.runtime.discovery import discover

    if normalise(name) not in discover(invocation.project()):
        raise PluginNotFound(name)
    print("no dev server is running: this is one, until Ctrl-C", file=sys.stderr)

    def on_ready(server: DevServer) -> None:
        control = server.plugins.control
        if auto_reload:
            control.followers.add(normalise(name))
        try:
            control.load(name)
        except DevServerError as error:
            report_error(error, as_json=False)

    return run_server(invocation, options, hot_reload=True, when_ready=on_ready)
