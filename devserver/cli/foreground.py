"""Runs the project's server in this terminal, until a signal ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Invocation
from devserver.cli.failures import ExitCode

if TYPE_CHECKING:
    from devserver.assembly import DevServer
    from devserver.cli.screen import Banner
    from devserver.cli.terminal import LogFormat, Terminal
    from devserver.runtime.project import Project

_FORMATS = ("rich", "plain", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What a server may be told on the command line; None: as config/main.yaml says, or the
    default."""

    host: str | None = None
    port: int | None = None
    open_browser: bool = False
    log_format: str | None = None
    require_token: bool = False
    verbose: bool = False


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that make ServerOptions."""
    options = (
        click.option(
            "--host", metavar="ADDRESS", help="Address to listen on. [default: 127.0.0.1]"
        ),
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            metavar="PORT",
            help="Port to listen on; 0 takes a free one.  [default: 8080]",
        ),
        click.option(
            "--open", "open_browser", is_flag=True, help="Open the dashboard in a browser."
        ),
        click.option(
            "--log-format",
            type=click.Choice(_FORMATS),
            help="How to show what happens.  [default: rich on a terminal, else plain]",
        ),
        click.option(
            "--require-token", is_flag=True, help="Want the run's token for every control call."
        ),
        click.option(
            "-v", "--verbose", is_flag=True, help="Show the server's own log records too."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def run_server(
    invocation: Invocation,
    options: ServerOptions,
    *,
    hot_reload: bool,
    when_ready: Callable[[DevServer], object] = lambda _: None,
) -> ExitCode:
    """Serves the project; `when_ready` is called when the banner is shown. Raises
    ProjectNotFound, and DevServerError when it cannot start."""
    began = time.perf_counter()
    chosen = chosen_format(options.log_format, as_json=invocation.as_json)
    run = _Run(invocation.project(), options, chosen, hot_reload=hot_reload, began=began)
    return run.until_stopped(when_ready)


def chosen_format(chosen: str | None, *, as_json: bool) -> LogFormat:
    """How to show what happens: as it was asked for, else as the output is."""
    from devserver.cli.commands import is_terminal
    from devserver.cli.terminal import LogFormat

    if as_json:
        return LogFormat.JSON
    return LogFormat(chosen or ("rich" if is_terminal() else "plain"))


class _Run:
    """One run of a server."""

    def __init__(
        self,
        project: Project,
        options: ServerOptions,
        chosen: LogFormat,
        *,
        hot_reload: bool,
        began: float,
    ) -> None:
        self._began = began
        self._project = project
        self._options = options
        self._chosen = chosen
        self._hot_reload = hot_reload

    def until_stopped(self, when_ready: Callable[[DevServer], object]) -> ExitCode:
        from devserver.assembly import DevServer
        from devserver.cli.terminal import Terminal, view_for

        terminal = Terminal(view_for(self._chosen))
        try:
            server = DevServer(
                self._project,
                host=self._options.host,
                port=self._options.port,
                hot_reload=self._hot_reload,
                require_token=self._options.require_token,
                open_browser=self._options.open_browser,
            )
            return self._serve(server, terminal, when_ready)
        finally:
            terminal.close()

    def _serve(
        self, server: DevServer, terminal: Terminal, when_ready: Callable[[DevServer], object]
    ) -> ExitCode:
        from devserver.cli.logs import logging_to, set_debug, without_secrets
        from devserver.cli.serving import Serving
        from devserver.cli.terminal import LogFormat

        def follow_settings() -> None:
            set_debug(server.settings.development_in_force.debug_logging)

        def on_ready() -> None:
            follow_settings()
            terminal.ready(self._banner(server))
            when_ready(server)

        terminal.attach(server.journal)
        server.journal.listen(lambda e, _: follow_settings() if e.kind == "settings" else None)
        show = without_secrets(terminal.log, server.masked)
        rich = self._chosen is LogFormat.RICH
        with logging_to(show, rich=rich, verbose=self._options.verbose):
            return Serving(server, terminal).run(on_ready)

    def _banner(self, server: DevServer) -> Banner:
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
            ready_ms=(time.perf_counter() - self._began) * 1000,
            hot_reload=self._hot_reload,
            settings=tuple(server.settings_diagnostics),
            warnings=tuple(
                d for r in known if r.status.serves or r.awaits_use for d in r.diagnostics
            ),
        )
