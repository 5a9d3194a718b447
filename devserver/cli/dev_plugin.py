"""`sysctl dev plugin`: work on single plugins."""

from __future__ import annotations

import click

from devserver.cli.commands import Group, Invocation, complete_plugin, examples, pass_invocation


@click.group(cls=Group, epilog=examples("dev plugin validate users", "dev plugin validate --all"))
def plugin() -> None:
    """Check plugins while developing them."""


@plugin.command(
    epilog=examples(
        "dev plugin validate users",
        "dev plugin validate --all --watch",
        "dev plugin validate --all --format json",
    )
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_plugin)
@click.option("--all", "everything", is_flag=True, help="Validate every plugin.")
@click.option("--watch", is_flag=True, help="Go on, with what changes and its dependents.")
@click.option(
    "--format",
    "chosen",
    type=click.Choice(["rich", "json"]),
    help="How to print findings; with --watch json is one line a run.  [default: rich]",
)
@pass_invocation
def validate(
    invocation: Invocation,
    *,
    names: tuple[str, ...],
    everything: bool,
    watch: bool,
    chosen: str | None,
) -> int:
    """Check plugins without running them.

    Exits with 5 when there are errors; warnings alone are no failure.
    """
    if bool(names) == everything:
        raise click.UsageError(
            "give the plugins to validate, or --all"
            if not names
            else "--all already means every plugin; leave out the names"
        )
    from devserver.cli.validate import Validation, watch_and_validate

    as_json = invocation.as_json or chosen == "json"
    validation = Validation(
        invocation.project(), scope=None if everything else names, as_json=as_json
    )
    if watch:
        return watch_and_validate(validation)
    return validation.run_once()
