"""`sysctl dev`: the dev server, and checks while developing."""

from __future__ import annotations

from typing import Any

import click

from devserver.cli.commands import Group, Invocation, examples, pass_invocation
from devserver.cli.foreground import ServerOptions, run_server, server_options


@click.group(
    cls=Group,
    lazy={
        "mode": "devserver.cli.mode:mode",
        "plugin": "devserver.cli.dev_plugin:plugin",
        "plugins": "devserver.cli.dev_plugin:plugin",
        "token": "devserver.cli.token:token",
    },
    hidden=("plugins",),
    epilog=examples("dev server", "dev plugin validate --all"),
)
def dev() -> None:
    """Develop plugins: the dev server and its checks."""


@dev.command(
    epilog=examples(
        "dev server",
        "dev server --port 9000 --open",
        "dev server --no-hot-reload --log-format json",
    )
)
@click.option(
    "--hot-reload/--no-hot-reload", default=True, help="Reload what is saved.  [default: on]"
)
@server_options
@pass_invocation
def server(invocation: Invocation, /, *, hot_reload: bool, **options: Any) -> int:
    """Run the dev server on this project's plugins.

    Host and port that are not given come from config/main.yaml. Ctrl-C stops it: work in flight
    gets 5 seconds, a second Ctrl-C ends at once.
    """
    return run_server(invocation, ServerOptions(**options), hot_reload=hot_reload)
