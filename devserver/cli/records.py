"""`sysctl plugins logs`: what the server and its plugins logged."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, complete_plugin, examples, pass_invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document, print_line
from devserver.cli.tables import draw_heading
from devserver.cli.text import clean, one_line
from devserver.core.names import normalise

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient

_PAUSE = 0.5
"""Seconds between two looks with --follow."""
_MOST = 2_000
_LEVELS = {
    "debug": "dim", "info": "cyan", "warning": "yellow", "error": "red", "critical": "bold red",
}  # fmt: skip
_KINDS = ("level", "plugin", "text")


@click.command(
    cls=Command,
    epilog=examples(
        "plugins logs",
        "plugins logs --filter warning --filter users --lines 100",
        "plugins logs --filter text=timeout --follow",
    ),
)
@click.option(
    "--filter",
    "filters",
    metavar="F",
    multiple=True,
    shell_complete=complete_plugin,
    help="A level (it and worse), a plugin, or text; or level=, plugin=, text=. All must hold.",
)
@click.option(
    "--lines", type=click.IntRange(1, _MOST), default=50, show_default=True, metavar="N",
    help="How many records, the last ones.",
)  # fmt: skip
@click.option("--follow", is_flag=True, help="Go on with what is logged, until Ctrl-C.")
@pass_invocation
def logs(invocation: Invocation, *, filters: tuple[str, ...], lines: int, follow: bool) -> int:
    """Show what the server and its plugins logged lately, the oldest first.

    The server keeps the last 2,000 records of this run. Secrets are masked in them.
    """
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    query = _query(client, filters)
    found = _read(client, {**query, "limit": str(lines)})
    if not follow:
        if invocation.as_json:
            print_document(found)
        else:
            _show(found, as_json=False)
            if not found:
                print("no record that is kept fits", file=sys.stderr)
        return ExitCode.OK
    seen = "0"
    while True:
        _show(found, as_json=invocation.as_json)
        seen = str(found[-1]["id"]) if found else seen
        time.sleep(_PAUSE)
        found = _read(client, {**query, "limit": str(_MOST), "after": seen})


def _query(client: ServerClient, filters: Iterable[str]) -> dict[str, str]:
    """What the words stand for. Raises click.UsageError where two are of one kind."""
    words = [_sorted_out(word) for word in filters]
    if any(kind is None for kind, _ in words):
        rows = client.read("/api/plugins")
        known = {normalise(row["name"]) for row in rows}
        words = [
            (kind or ("plugin" if normalise(word) in known else "text"), word)
            for kind, word in words
        ]
    query: dict[str, str] = {}
    for kind, word in words:
        if kind is None or kind in query:
            raise click.UsageError(f"two filters are a {kind}: {query.get(str(kind))}, {word}")
        query[kind] = word
    return query


def _sorted_out(word: str) -> tuple[str | None, str]:
    kind, equals, rest = word.partition("=")
    if equals and kind in _KINDS:
        if kind == "level" and rest.lower() not in _LEVELS:
            raise click.UsageError(f"{rest!r} is no level: use one of {', '.join(_LEVELS)}")
        return kind, rest
    return ("level", word.lower()) if word.lower() in _LEVELS else (None, word)


def _read(client: ServerClient, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return list(reversed(client.read("/api/logs", **query)))


def _show(found: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    for record in found:
        if as_json:
            print_line(record)
        else:
            _draw(record)


def _draw(record: Mapping[str, Any]) -> None:
    moment = datetime.fromtimestamp(record["time"]).astimezone()
    level = str(record["level"]).lower()
    name = str(record["logger"]).removeprefix("plugins.").removesuffix(".plugin")
    first, *rest = clean(str(record["message"])).split("\n")
    draw_heading(
        (f"{moment:%H:%M:%S.%f}"[:-3], "dim"),
        (f" {level:<8} ", _LEVELS.get(level, "")),
        (f"{one_line(name)}  ", "bold"),
        first,
    )
    for line in (*rest, *clean(str(record["traceback"] or "")).splitlines()):
        draw_heading((f"  {line}", "dim"))
