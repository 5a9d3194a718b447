"""`sysctl plugins history` and `rollback`: what was, and how to go back to it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import (
    Command,
    Invocation,
    complete_plugin,
    examples,
    pass_invocation,
    plugin_argument,
)
from devserver.cli.failures import ExitCode, ServerNotRunning, report
from devserver.cli.output import print_document
from devserver.cli.tables import Cell, draw_heading, draw_table
from devserver.cli.text import count, few, one_line
from devserver.core.errors import DevServerError, VersionNotFound

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient
    from devserver.runtime.project import Project

_COLUMNS = ("id", "time", "plugin", "result", "generation", "by", "ms", "what")
_RESULT = {"reloaded": "green", "rejected": "red", "rolled_back": "bold red", "unchanged": "dim"}
_MOST = 1000


@click.command(
    cls=Command,
    epilog=examples("plugins history", "plugins history users", "plugins history --show 42"),
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@click.option(
    "--limit", type=click.IntRange(1, _MOST), default=20, show_default=True, metavar="N",
    help="How many outcomes, from the newest.",
)  # fmt: skip
@click.option("--show", type=click.IntRange(1), metavar="ID", help="All about one outcome.")
@pass_invocation
def history(invocation: Invocation, *, name: str | None, limit: int, show: int | None) -> int:
    """Show what became of every change, the newest first. Works without a server.

    With the name of a plugin, the outcomes that it was part of.
    """
    if name is not None and show is not None:
        raise click.UsageError("give a plugin or --show, not both")
    project = invocation.project()
    client = _find(project)
    if show is not None:
        return _show_one(invocation, _outcome(project, client, show), show)
    found = _outcomes(project, client, name, limit)
    if invocation.as_json:
        print_document(found)
    elif not found:
        draw_heading("no outcomes yet")
    else:
        draw_table(_COLUMNS, [_row(outcome) for outcome in found])
    return ExitCode.OK


@click.command(
    cls=Command,
    epilog=examples(
        "plugins rollback users", "plugins rollback users --to 3 --write",
        "plugins rollback users --list",
    ),
)  # fmt: skip
@plugin_argument
@click.option("--to", type=click.IntRange(1), metavar="N", help="The version. Default: the last.")
@click.option("--write", is_flag=True, help="Put it on disk too.")
@click.option("--list", "listed", is_flag=True, help="List the versions; change nothing.")
@pass_invocation
def rollback(
    invocation: Invocation, *, name: str, to: int | None, write: bool, listed: bool
) -> int:
    """Put an earlier version of a plugin's source into service, as it is kept of every change.

    Without --write the files stay as they are, and the next save of the plugin goes live as
    usual; a restart loads what is on disk. Files that the plugin opens itself are read from disk
    in any case. Without a server it needs --write.

    Exits with 5 when validation refused the version, with 6 when it failed; what runs stays.
    """
    project = invocation.project()
    client = _find(project)
    if listed:
        _list_versions(invocation, project, client, name)
        return ExitCode.OK
    if client is not None:
        return _tell(invocation, client.roll_back(name, to=to, write=write))
    if not write:
        raise ServerNotRunning(str(project.root), or_else="--write puts it on disk all the same")
    from devserver.assembly.past import roll_back_on_disk

    try:
        number, done = roll_back_on_disk(project, name, to)
    except VersionNotFound as error:
        report(error.message, error.hint, as_json=invocation.as_json)
        return ExitCode.USAGE
    told = done.to_json()
    if invocation.as_json:
        success = done.problem is None
        print_document({"success": success, "plugin": name, "version": number, "on_disk": told})
    else:
        if done.problem is None:
            print(f"Plugin {one_line(name)}: version {number} is what the next start loads")
        _tell_disk(told)
    return ExitCode.FAILED if done.problem else ExitCode.OK


def _tell(invocation: Invocation, document: dict[str, Any]) -> ExitCode:
    if "versions" in document and "result" not in document:
        report(document["error"], document.get("hint"), as_json=invocation.as_json)
        return ExitCode.USAGE
    done = document.get("on_disk")
    if invocation.as_json:
        print_document(document)
    else:
        _draw_outcome(document)
        _tell_disk(done)
    if document["result"] == "rolled_back":
        return ExitCode.ROLLED_BACK
    if not document["success"]:
        return ExitCode.REFUSED
    return ExitCode.FAILED if done and done.get("problem") else ExitCode.OK


def _tell_disk(done: Mapping[str, Any] | None) -> None:
    if done is None:
        return
    if done["problem"]:
        print(f"error: not put on disk: {one_line(done['problem'])}", file=sys.stderr)
        return
    for verb in ("written", "removed", "left"):
        if done[verb]:
            print(f"  {verb}: {few(done[verb])}")
    if done["saved"]:
        print(f"  what it replaced and was never live: {one_line(done['saved'])}")


def _list_versions(
    invocation: Invocation, project: Project, client: ServerClient | None, name: str
) -> None:
    if client is not None:
        rows = client.versions(name)
    else:
        from devserver.assembly.past import versions_of

        rows = [v.to_json() | {"serves": False} for v in versions_of(project, name)]
    if invocation.as_json:
        print_document(rows)
    elif not rows:
        draw_heading("no versions are kept yet")
    else:
        draw_table(("version", "kept", "is", "generation", ""), [_version_row(r) for r in rows])


def _version_row(row: Mapping[str, Any]) -> Sequence[Cell]:
    again = f"version {row['restores']} again" if row["restores"] else str(row["version"])
    serves: Cell = ("serves", "green") if row["serves"] else ""
    generation = f"g{row['generation']}" if row["generation"] else "-"
    kept = datetime.fromisoformat(row["kept_at"]).astimezone()
    return (str(row["number"]), "bold"), f"{kept:%Y-%m-%d %H:%M:%S}", again, generation, serves


def _row(outcome: Mapping[str, Any]) -> Sequence[Cell]:
    result = str(outcome["result"])
    moment = datetime.fromtimestamp(outcome["time"]).astimezone()
    others = len(outcome["plugins"]) - 1
    what = outcome["error"] or few(outcome["changes"], 3) or few(outcome["notes"][:1])
    return (
        str(outcome["id"]),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        (outcome["plugin"] + (f" +{others}" if others > 0 else ""), "bold"),
        (outcome["deed"] or result.replace("_", " "), _RESULT.get(result, "")),
        f"g{outcome['generation']}" if outcome["generation"] else "-",
        str(outcome["trigger"]),
        f"{outcome['duration_ms']:.0f}",
        (what, "red" if outcome["error"] else "dim"),
    )


def _show_one(invocation: Invocation, outcome: dict[str, Any] | None, number: int) -> int:
    if outcome is None:
        raise DevServerError(
            f"no outcome {number} is kept", hint="`sysctl plugins history` lists them"
        )
    if invocation.as_json:
        print_document(outcome)
        return ExitCode.OK
    moment = datetime.fromtimestamp(outcome["time"]).astimezone()
    told = f"  {moment:%Y-%m-%d %H:%M:%S}  by {outcome['trigger']}"
    draw_heading((f"outcome {number}", "bold"), told, (f"  {outcome.get('instance', '')}", "dim"))
    _draw_outcome(outcome)
    plugins = outcome["plugins"]
    if len(plugins) > 1:
        print(f"  {count(len(plugins), 'plugin')}: {few(plugins, 20)}")
    return ExitCode.OK


def _draw_outcome(document: Mapping[str, Any]) -> None:
    from devserver.cli.outcomes import outcome_of
    from devserver.cli.output import console_for
    from devserver.cli.rich_view import RichView

    RichView(console_for()).outcome(outcome_of(document))


def _outcomes(
    project: Project, client: ServerClient | None, name: str | None, limit: int
) -> list[dict[str, Any]]:
    if client is None:
        from devserver.assembly.past import outcomes

        return outcomes(project, name, limit)
    return client.history(name, limit)


def _outcome(project: Project, client: ServerClient | None, number: int) -> dict[str, Any] | None:
    if client is not None:
        return client.outcome(number)
    from devserver.assembly.past import find_outcome

    return find_outcome(project, number)


def _find(project: Project) -> ServerClient | None:
    from devserver.cli.client import ServerClient

    return ServerClient.find(project)
