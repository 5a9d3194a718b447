"""`sysctl dev`: the dev server, and checks while developing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from devserver.cli.commands import Group, Invocation, examples, pass_invocation
from devserver.cli.failures import ExitCode

if TYPE_CHECKING:
    from devserver.assembly import DevServer
    from devserver.cli.screen import Banner
    from devserver.cli.terminal import LogFormat, Terminal

_FORMATS = ("rich", "plain", "json")


@click.group(
    cls=Group,
    lazy={
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
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port to listen on; 0 takes a free one.  [default: 8080]",
)
@click.option(
    "--hot-reload/--no-hot-reload", default=True, help="Reload what is saved.  [default: on]"
)
@click.option("--open", "open_browser", is_flag=True, help="Open the dashboard in a browser.")
@click.option(
    "--log-format",
    type=click.Choice(_FORMATS),
    help="How to show what happens.  [default: rich on a terminal, else plain]",
)
@click.option("--require-token", is_flag=True, help="Want the run's token for every control call.")
@click.option("-v", "--verbose", is_flag=True, help="Show the server's own log records too.")
@pass_invocation
def server(
    invocation: Invocation,
    *,
    host: str | None,
    port: int | None,
    hot_reload: bool,
    open_browser: bool,
    log_format: str | None,
    require_token: bool,
    verbose: bool,
) -> int:
    """Run the dev server on this project's plugins.

    Host and port that are not given come from config/main.yaml. Ctrl-C stops it: work in flight
    gets 5 seconds, a second Ctrl-C ends at once.
    """
    began = time.perf_counter()
    project = invocation.project()

    from devserver.assembly import DevServer
    from devserver.cli.terminal import Terminal, view_for

    chosen = _format(log_format, as_json=invocation.as_json)
    terminal = Terminal(view_for(chosen))
    try:
        built = DevServer(
            project,
            host=host,
            port=port,
            hot_reload=hot_reload,
            require_token=require_token,
            open_browser=open_browser,
        )
        return _serve(built, terminal, chosen, began=began, hot_reload=hot_reload, verbose=verbose)
    finally:
        terminal.close()


def _serve(
    server: DevServer,
    terminal: Terminal,
    chosen: LogFormat,
    *,
    began: float,
    hot_reload: bool,
    verbose: bool,
) -> ExitCode:
    from devserver.cli.logs import logging_to, set_debug, without_secrets
    from devserver.cli.serving import Serving
    from devserver.cli.terminal import LogFormat

    def follow_settings() -> None:
        set_debug(server.settings.development_in_force.debug_logging)

    def on_ready() -> None:
        follow_settings()
        terminal.ready(_banner(server, began=began, hot_reload=hot_reload))

    terminal.attach(server.journal)
    server.journal.listen(lambda event, _: follow_settings() if event.kind == "settings" else None)
    show = without_secrets(terminal.log, server.masked)
    with logging_to(show, rich=chosen is LogFormat.RICH, verbose=verbose):
        return Serving(server, terminal).run(on_ready)


def _format(chosen: str | None, *, as_json: bool) -> LogFormat:
    from devserver.cli.commands import is_terminal
    from devserver.cli.terminal import LogFormat

    if as_json:
        return LogFormat.JSON
    return LogFormat(chosen or ("rich" if is_terminal() else "plain"))


def _banner(server: DevServer, *, began: float, hot_reload: bool) -> Banner:
    from devserver.cli.screen import Banner
    from devserver.core.lifecycle import PluginStatus

    known = sorted(server.registry.view.plugins.values(), key=lambda r: r.name)
    # Those with a place in a file come first: others may have failed because of them.
    failed = [r for r in known if r.status is PluginStatus.FAILED]
    return Banner(
        project=server.project.name,
        url=server.url,
        link=server.link,
        mode=server.watch_mode,
        active=sum(r.status.serves for r in known),
        failed=tuple(sorted(failed, key=lambda r: not any(d.file for d in r.diagnostics))),
        waiting=sum(r.awaits_use for r in known),
        disabled=sum(r.status is PluginStatus.DISABLED for r in known),
        ready_ms=(time.perf_counter() - began) * 1000,
        hot_reload=hot_reload,
        settings=tuple(server.settings_diagnostics),
        warnings=tuple(d for r in known if r.status.serves or r.awaits_use for d in r.diagnostics),
    )
