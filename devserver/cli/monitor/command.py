"""The command `sysctl dev plugin monitor`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import (
    Command,
    Invocation,
    complete_plugin,
    examples,
    is_terminal,
    pass_invocation,
)
from devserver.cli.output import console_for, print_line
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient

_PAUSE = 1.0
"""Seconds between two looks."""
_OUTCOMES = 8
"""Of the last reloads, how many a terminal shows."""


@click.command(
    cls=Command,
    epilog=examples(
        "dev plugin monitor",
        "dev plugin monitor users --metrics",
        "dev plugin monitor --json",
    ),
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@click.option("--metrics", is_flag=True, help="More figures: events, routes, steps, processor.")
@pass_invocation
def monitor(invocation: Invocation, *, name: str | None, metrics: bool) -> None:
    """Show how plugins are doing, live, until Ctrl-C: requests, errors, latency, reloads, memory.

    A table that stays in place on a terminal, else a line for each plugin that something changed
    about; with --json one document a second. Rates and latencies are of the last second.
    """
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    with ExitStack() as stack:
        if invocation.as_json:
            show = print_line
        elif is_terminal():
            from devserver.cli.monitor.screen import LiveTable

            show = stack.enter_context(LiveTable(console_for(), more=metrics)).show
        else:
            from devserver.cli.monitor.screen import Lines

            show = Lines(more=metrics).show
        for document in _looks(client, name):
            show(document)
            time.sleep(_PAUSE)


def _looks(client: ServerClient, name: str | None) -> Iterator[dict[str, Any]]:
    """`{time, url, host, plugins, outcomes}` again and again; `outcomes` are those that are new,
    the oldest first. Raises PluginNotFound, ServerNotRunning."""
    from devserver.cli.monitor.figures import Figures, host_row, read_figures, rows_of

    before: Figures | None = None
    last = _newest(client, name)
    while True:
        rows = [row for row in client.read("/api/plugins") if _is_meant(row, name)]
        if name is not None and not rows:
            raise PluginNotFound(name)
        now = read_figures(client.metrics(), time.monotonic())
        found = [o for o in client.history(name, _OUTCOMES) if o["id"] > last]
        last = max([last, *(o["id"] for o in found)])
        yield {
            "time": time.time(),
            "url": client.url,
            "host": host_row(now, before),
            "plugins": rows_of(now, before, rows),
            "outcomes": found[::-1],
        }
        before = now


def _newest(client: ServerClient, name: str | None) -> int:
    return max((int(o["id"]) for o in client.history(name, 1)), default=0)


def _is_meant(row: Mapping[str, Any], name: str | None) -> bool:
    return name is None or normalise(row["name"]) == normalise(name)
