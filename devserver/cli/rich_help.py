"""Help pages by rich-click, for a terminal."""

from __future__ import annotations

from typing import Any

import click
from rich_click import RichCommand, RichContext, RichGroup


def render_help(command: click.Command, ctx: click.Context) -> str:
    """The help page of a plain click command, as rich-click draws it."""
    shared: dict[str, Any] = {
        "name": command.name,
        "params": command.params,
        "help": command.help,
        "context_settings": command.context_settings,
    }
    twin: RichCommand
    if isinstance(command, click.Group):
        known = {name: command.get_command(ctx, name) for name in command.list_commands(ctx)}
        twin = RichGroup(commands={n: c for n, c in known.items() if c is not None}, **shared)
    else:
        twin = RichCommand(**shared)
    context = RichContext(
        twin,
        info_name=ctx.info_name,
        parent=ctx.parent,
        help_option_names=ctx.help_option_names,
    )
    # rich-click would join the lines of the examples.
    epilog = (command.epilog or "").replace("\b\n", "")
    shown = "\n".join(f" {line}" for line in epilog.splitlines())
    return f"{twin.get_help(context).rstrip()}\n\n{shown}\n"
