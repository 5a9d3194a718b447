"""`sysctl start`: the server of a project."""

from __future__ import annotations

from typing import Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation
from devserver.cli.foreground import ServerOptions, run_server, server_options


def _take_dev_mode(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).dev_mode = True


@click.command(cls=Command, epilog=examples("start", "--dev-mode start", "start --port 9000"))
@click.option(
    "--dev-mode",
    is_flag=True,
    expose_value=False,
    callback=_take_dev_mode,
    help="Reload what is saved, as `dev server` does.",
)
@server_options
@pass_invocation
def start(invocation: Invocation, /, **options: Any) -> int:
    """Run the server of this project, with --dev-mode as `dev server --hot-reload`.

    Without --dev-mode no files are watched: what is saved is live when it is asked for (`plugins
    reload`), or after the next start. Ctrl-C stops it: work in flight gets 5 seconds, a second
    Ctrl-C ends at once.
    """
    return run_server(invocation, ServerOptions(**options), hot_reload=invocation.dev_mode)
