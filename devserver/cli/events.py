"""`sysctl plugins events`: what plugins tell each other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, complete_plugin, examples, pass_invocation
from devserver.cli.output import print_document, print_line
from devserver.cli.tables import Cell, draw_table
from devserver.cli.text import one_line

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient

_PAUSE = 0.5
"""Seconds between two looks with --follow."""
_WIDE = 60
_COLUMNS = ("time", "topic", "from", "to", "data")


@click.command(
    cls=Command,
    epilog=examples(
        "plugins events",
        "plugins events users --topic 'order.*'",
        "plugins events --follow --json",
    ),
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@click.option("--topic", metavar="TOPIC", help="Only these; may end in `.*`.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many."
)
@click.option("--follow", is_flag=True, help="Go on with what is published, until Ctrl-C.")
@pass_invocation
def events(
    invocation: Invocation, *, name: str | None, topic: str | None, limit: int, follow: bool
) -> None:
    """Show the last events that plugins published, and what became of them.

    With a plugin, those that it published or heard. The oldest come first.
    """
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    query = {"plugin": name, "topic": topic, "limit": str(limit)}
    chosen = {key: value for key, value in query.items() if value}
    found = _read(client, chosen)
    if not follow:
        if invocation.as_json:
            print_document(found)
        else:
            draw_table(_COLUMNS, [_row(e) for e in found])
        return
    if not invocation.as_json:
        draw_table(_COLUMNS, [])
    while True:
        for event in found:
            _print(event, as_json=invocation.as_json)
        seen = found[-1]["id"] if found else chosen.get("after", "0")
        chosen |= {"after": str(seen), "limit": "500"}
        time.sleep(_PAUSE)
        found = _read(client, chosen)


def _read(client: ServerClient, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return list(reversed(client.read("/api/events/recent", **query)))


def _print(event: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_line(event)
    else:
        cells = (cell if isinstance(cell, str) else cell[0] for cell in _row(event))
        print("  ".join(map(one_line, cells)), flush=True)


def _row(event: Mapping[str, Any]) -> tuple[Cell, ...]:
    moment = datetime.fromtimestamp(event["time"]).astimezone()
    data = "" if event["data"] is None else json.dumps(event["data"], ensure_ascii=False)
    failed = any(d["result"] != "delivered" for d in event["deliveries"])
    return (
        f"{moment:%H:%M:%S.%f}"[:-3],
        (str(event["topic"]), "bold"),
        str(event["plugin"] or "-"),
        (_heard(event), "red" if failed else ""),
        data if len(data) <= _WIDE else f"{data[:_WIDE]}…",
    )


def _heard(event: Mapping[str, Any]) -> str:
    """Who has had it, with what went wrong; how many still wait."""
    told = list(_told(event["deliveries"]))
    waiting = event["listeners"] - len(event["deliveries"])
    if waiting > 0:
        told.append(f"{waiting} waiting")
    return ", ".join(told) or "nobody"


def _told(deliveries: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for delivery in deliveries:
        well = delivery["result"] == "delivered"
        yield delivery["plugin"] if well else f"{delivery['plugin']} ({delivery['result']})"
