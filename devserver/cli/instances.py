"""Instances that share a database: `sysctl instances`, and `--all-instances` of others."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document, print_line
from devserver.cli.tables import Cell, draw_heading, draw_table
from devserver.core.names import EVERY

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient

_LOOK = 1.0
"""Seconds between two looks of `--watch`."""
_DONE = {"enable": "enabled", "disable": "disabled", "reload": "reloaded", "install": "installed"}
_ALONE = (
    "this server shares its database with nobody: instances with the same PostgreSQL "
    "`database.url` form a group"
)


def all_instances_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--all-instances` and `--policy`."""
    everywhere = click.option(
        "--all-instances",
        is_flag=True,
        help="On every instance that shares the PostgreSQL database; this one tries it first.",
    )
    policy = click.option(
        "--policy",
        type=click.Choice(("halt", "continue")),
        default="halt",
        show_default=True,
        help="With --all-instances: what the others do when one fails.",
    )
    return everywhere(policy(function))


def ask_all(
    invocation: Invocation,
    name: str,
    action: str,
    *,
    policy: str,
    options: Mapping[str, str] = MappingProxyType({}),
) -> ExitCode:
    """Has every instance `enable`, `disable` or `reload` a plugin, or EVERY, and tells what came
    of it."""
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    return tell_report(invocation, client.ask_all(name, action, policy=policy, options=options))


def tell_report(invocation: Invocation, report: dict[str, Any]) -> ExitCode:
    """Tells what came of a word to all instances."""
    if invocation.as_json:
        print_document(report)
    else:
        _show_report(report)
    return _exit_code(report)


def _exit_code(report: dict[str, Any]) -> ExitCode:
    results = {failure["result"] for failure in report["failed"]}
    if "rolled_back" in results:
        return ExitCode.ROLLED_BACK
    if "rejected" in results:
        return ExitCode.REFUSED
    return ExitCode.OK if report["success"] else ExitCode.FAILED


def _show_report(report: dict[str, Any]) -> None:
    done = _DONE.get(report["action"], report["action"])
    who = "all plugins" if report["plugin"] == EVERY else report["plugin"]
    count = len(report["converged"])
    known = count + len(report["failed"]) + len(report["missing"])
    word = (f"(revision {report['revision']})", "dim")
    if report["success"]:
        instances = "1 instance" if count == 1 else f"all {count} instances"
        draw_heading(("✓ ", "green"), f"{who} {done} on {instances} ", word)
        return
    draw_heading(("✗ ", "red"), f"{who} {done} on {count} of {known} instances ", word)
    rows: list[tuple[Cell, ...]] = [(*_who(i), ("done", "green"), "") for i in report["converged"]]
    rows += [
        (*_who(f["instance"]), (f["result"].replace("_", " "), "red"), f["message"])
        for f in report["failed"]
    ]
    rows += [(*_who(m["instance"]), ("missing", "yellow"), m["why"]) for m in report["missing"]]
    draw_table(("instance", "url", "result", "why"), rows)
    if report["note"]:
        print(f"note: {report['note']}", file=sys.stderr)


def _who(instance: dict[str, Any]) -> tuple[str, str]:
    return f"{instance['host']}:{instance['pid']}", instance["url"]


@click.command(cls=Command, epilog=examples("instances", "instances --json", "instances --watch"))
@click.option("--watch", is_flag=True, help="Go on showing them as they change, until Ctrl-C.")
@pass_invocation
def instances(invocation: Invocation, *, watch: bool) -> None:
    """Show the instances that share the database, and the generation of each one's plugins.

    Servers with the same PostgreSQL database form a group; an instance that is not heard of for
    10 seconds counts as gone.
    """
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    if watch:
        _watch(client, as_json=invocation.as_json)
        return
    document = client.read("/api/instances")
    if invocation.as_json:
        print_document(document)
    else:
        _show(document)


def _watch(client: ServerClient, *, as_json: bool) -> None:
    pause = threading.Event()
    seen = None
    while True:
        document = client.read("/api/instances")
        facts = _without_clock(document)
        if facts != seen:
            seen = facts
            if as_json:
                print_line(document)
            else:
                _show(document)
                sys.stdout.flush()
        pause.wait(_LOOK)


def _without_clock(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "lease"} for row in document["instances"]]


def _show(document: dict[str, Any]) -> None:
    if not document["shared"]:
        print(_ALONE, file=sys.stderr)
        return
    differing = _differing(document["instances"])
    draw_table(
        ("instance", "url", "state", "revision", "plugins"),
        [_row(row, differing) for row in document["instances"]],
    )


def _differing(rows: list[dict[str, Any]]) -> set[str]:
    """The plugins that live instances have in different versions."""
    versions: dict[str, set[str]] = {}
    for row in rows:
        for name, known in row["plugins"].items() if row["live"] else ():
            versions.setdefault(name, set()).add(known["version"])
    return {name for name, found in versions.items() if len(found) > 1}


def _row(row: dict[str, Any], differing: set[str]) -> tuple[Cell, ...]:
    who, url = _who(row)
    state = ("live", "green") if row["live"] else (f"gone {-row['lease']:.0f} s", "red")
    return (
        f"{who} (this)" if row["is_self"] else who,
        url,
        state,
        str(row["revision"]),
        ", ".join(_plugin(name, known, differing) for name, known in row["plugins"].items()),
    )


def _plugin(name: str, known: dict[str, Any], differing: set[str]) -> str:
    shown = f"{name} {known['version']}" if name in differing else name
    return (
        f"{shown} g{known['generation']}" if known["generation"] else f"{shown} {known['status']}"
    )
