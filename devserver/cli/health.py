"""`sysctl plugins health`: how all plugins are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from devserver.cli.commands import Command, Invocation, complete_plugin, examples, pass_invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document
from devserver.cli.tables import Cell, draw_heading, draw_table
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise

_STYLES = {"healthy": "green", "degraded": "yellow", "unhealthy": "bold red"}
_TOLD = ("message", "components", "metrics")


@click.command(
    cls=Command,
    epilog=examples("plugins health", "plugins health users --json"),
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@pass_invocation
def health(invocation: Invocation, *, name: str | None) -> int:
    """Show the health of all plugins that are meant to run, or of one.

    Exits with 0 when all are healthy and with 1 when one is degraded or unhealthy.
    """
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    document = dict(client.read("/plugins/health"))
    details = {row["name"]: row["health"] for row in client.read("/api/plugins")}
    plugins = {
        known: {**found, **{part: details.get(known, {}).get(part) for part in _TOLD}}
        for known, found in document["plugins"].items()
        if name is None or normalise(known) == normalise(name)
    }
    if name is not None:
        if not plugins:
            raise PluginNotFound(name)
        (found,) = plugins.values()
        document["overall_status"] = found["status"]
    document["plugins"] = plugins
    if invocation.as_json:
        print_document(document)
    else:
        _draw(document)
    return ExitCode.OK if document["overall_status"] == "healthy" else ExitCode.FAILED


def _draw(document: Mapping[str, Any]) -> None:
    overall = str(document["overall_status"])
    draw_heading((overall, _STYLES.get(overall, "dim")))
    rows: list[tuple[Cell, ...]] = []
    for name, found in sorted(document["plugins"].items()):
        status = str(found["status"])
        cell = (status, _STYLES.get(status, "dim"))
        rows.append(((name, "bold"), cell, str(found["state"]), str(found["message"] or "")))
        components, metrics = found["components"] or {}, found["metrics"] or {}
        rows += [(f"  {part}", _word(v), "", _rest(v)) for part, v in components.items()]
        rows += [(f"  {metric}", "", "", f"{v:g}") for metric, v in metrics.items()]
    draw_table(("plugin", "health", "state", "message"), rows)


def _word(component: Any) -> tuple[str, str]:
    """What a component says of itself in one word."""
    if isinstance(component, Mapping):
        component = component.get("status", component.get("healthy", ""))
    if isinstance(component, bool):
        component = "healthy" if component else "unhealthy"
    word = component if isinstance(component, str) else json.dumps(component)
    return word, _STYLES.get(word, "")


def _rest(component: Any) -> str:
    if not isinstance(component, Mapping):
        return ""
    shown = ((k, v) for k, v in component.items() if k not in ("status", "healthy"))
    return ", ".join(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in shown)
