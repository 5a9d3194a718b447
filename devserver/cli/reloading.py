"""`sysctl plugins reload` and `restart`: what is on disk, live."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.answers import exit_code, show_outcome
from devserver.cli.canary import Percent, canary_query
from devserver.cli.commands import Command, Invocation, complete_plugin, examples, pass_invocation
from devserver.cli.failures import ExitCode, report
from devserver.cli.instances import all_instances_options, ask_all
from devserver.cli.output import print_document
from devserver.core.canary import DEFAULT_REQUESTS
from devserver.core.names import EVERY

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient

_BACKUP = "Write the state of what is replaced below instance/backups/, whatever the settings say."


def _name_or_all(function: Callable[..., Any]) -> Callable[..., Any]:
    name = click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
    everything = click.option(
        "--all", "everything", is_flag=True, help="Every plugin that is not disabled."
    )
    force = click.option("--force", is_flag=True, help="Skip validation.")
    backup = click.option("--backup-state", is_flag=True, help=_BACKUP)
    return name(everything(force(backup(function))))


@click.command(
    cls=Command,
    epilog=examples(
        "plugins reload users", "plugins reload --all", "plugins reload users --canary 10%"
    ),
)
@_name_or_all
@click.option(
    "--canary",
    type=Percent(),
    metavar="PERCENT",
    help="Answer that share of the requests with the new version, beside the old one.",
)
@click.option("--sticky", is_flag=True, help="With --canary: a client stays with one version.")
@click.option(
    "--requests",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"With --canary: promote after N good ones, 0 by word. [default: {DEFAULT_REQUESTS}]",
)
@all_instances_options
@pass_invocation
def reload(
    invocation: Invocation,
    *,
    name: str | None,
    everything: bool,
    force: bool,
    backup_state: bool,
    canary: float | None,
    sticky: bool,
    requests: int | None,
    all_instances: bool,
    policy: str,
) -> int:
    """Reload a plugin and all that depend on it, now.

    Exits with 5 when validation refused it, with 6 when it failed and was rolled back; the
    running version stays in both cases. Exits with 1 when it is live, but the backup that
    --backup-state asks for could not be written.
    """
    _want_one(name, everything=everything)
    asked = canary_query(canary, sticky=sticky, requests=requests)
    if asked and (everything or all_instances or backup_state):
        raise click.UsageError(
            "--canary is for one plugin on one server, and replaces no state to back up"
        )
    options = _flags(force=force, backup_state=backup_state)
    if all_instances:
        return ask_all(invocation, name or EVERY, "reload", policy=policy, options=options)
    client = _client(invocation)
    if name is not None:
        outcome = client.reload(name, options | asked)
        show_outcome(outcome, invocation)
        return _code([outcome], backup_state=backup_state)
    outcomes = client.reload_all(options)
    return _tell(outcomes, invocation, backup_state=backup_state)


@click.command(
    cls=Command, epilog=examples("plugins restart users", "plugins restart users --backup-state")
)
@_name_or_all
@pass_invocation
def restart(
    invocation: Invocation, *, name: str | None, everything: bool, force: bool, backup_state: bool
) -> int:
    """Stop a plugin and start it anew, in one step: as `disable` and `enable` do it.

    Nothing in its memory goes on: neither attributes nor PERSISTENT globals, connections or what
    get_persistent_state() gives. What it keeps in the database stays, and plugins that depend on
    it are reloaded with their state. `plugins reload` keeps its state.

    The hooks on the way in of the new instance run first, then those on the way out of the old
    one (the other way round for an exclusive plugin). If it does not start, the old one goes on
    with its state: exits with 5 when validation refused it, with 6 when it was rolled back.
    """
    _want_one(name, everything=everything)
    client = _client(invocation)
    options = _flags(force=force, backup_state=backup_state)
    if name is not None:
        outcome = client.restart(name, options)
        show_outcome(outcome, invocation)
        return _code([outcome], backup_state=backup_state)
    from devserver.cli.dependencies import reload_order

    graph = client.read("/api/graph")
    disabled = {node["name"] for node in graph["nodes"] if node["status"] == "disabled"}
    outcomes = (client.restart(n, options) for n in reload_order(graph) if n not in disabled)
    return _tell(outcomes, invocation, backup_state=backup_state)


def _want_one(name: str | None, *, everything: bool) -> None:
    if (name is not None) == everything:
        raise click.UsageError("give the name of a plugin, or --all")


def _flags(**given: bool) -> dict[str, str]:
    return {key: "true" for key, is_set in given.items() if is_set}


def _client(invocation: Invocation) -> ServerClient:
    from devserver.cli.client import ServerClient

    return ServerClient.get(invocation.project())


def _tell(
    outcomes: Iterable[dict[str, Any]], invocation: Invocation, *, backup_state: bool
) -> ExitCode:
    """Each as it comes: what was done is shown also where the next one breaks off."""
    done = []
    for outcome in outcomes:
        done.append(outcome)
        if not invocation.as_json:
            show_outcome(outcome, invocation)
    if invocation.as_json:
        success = all(outcome["success"] for outcome in done)
        print_document({"success": success, "outcomes": done})
    elif not done:
        print("there is no plugin that is not disabled", file=sys.stderr)
    return _code(done, backup_state=backup_state)


def _code(outcomes: Sequence[dict[str, Any]], *, backup_state: bool) -> ExitCode:
    code = exit_code(outcomes)
    missed = [o["plugin"] for o in outcomes if _went_unkept(o)] if backup_state else []
    if not missed or code is not ExitCode.OK:
        return code
    # With --json it stands in the document that has been printed.
    report(f"no backup of {', '.join(missed)} could be written", "the note says why", as_json=False)
    return ExitCode.FAILED


def _went_unkept(outcome: dict[str, Any]) -> bool:
    return outcome["success"] and outcome["previous_generation"] > 0 and not outcome["backups"]
