"""What every command has: its example, `--json`, `--project`, and groups that load lazily."""

from __future__ import annotations

import difflib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from devserver.cli.program import program_name

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from devserver.runtime.project import Project

_PROGRAM = "{program}"
"""Stands in help texts for the name that was typed, which is known when they are shown."""


@dataclass(slots=True)
class Invocation:
    """What was asked of every command alike, at whichever level it was given."""

    as_json: bool = False
    root: Path | None = None
    dev_mode: bool = False
    as_lines: bool = False
    """What the command prints first is followed by more: JSON is one document a line."""

    def print(self, document: Any) -> None:
        """A document that answers the command, as JSON."""
        from devserver.cli.output import print_document, print_line

        if self.as_lines:
            print_line({"id": None, "kind": "answer", "time": time.time(), "payload": document})
        else:
            print_document(document)

    def project(self) -> Project:
        """The project that is meant. Raises ProjectNotFound."""
        from devserver.runtime.project import find_project

        return find_project(explicit=self.root)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def is_terminal() -> bool:
    """True when stdout is a terminal that can show more than plain lines."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


class Command(click.Command):
    """A command whose help is rendered by rich-click on a terminal, as plain text elsewhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_common_options())

    def get_help(self, ctx: click.Context) -> str:
        return _with_name(_help_of(self, ctx) or super().get_help(ctx))


class Group(click.Group):
    """A group whose commands are imported when they are needed.

    `lazy` maps a name to `module:attribute`; names in `hidden` are aliases that help leaves out.
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, str] | None = None,
        hidden: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy or {})
        self._hidden = frozenset(hidden)
        self.params.extend(_common_options())

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [*super().list_commands(ctx), *self._lazy]
        return sorted(n for n in names if n not in self._hidden)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = self._lazy.get(cmd_name)
        if where is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = where.partition(":")
        return cast(click.Command, getattr(import_module(module), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command named for one that does not exist."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), 1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {name!r}.{meant}")
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        return _with_name(_help_of(self, ctx) or super().get_help(ctx))


def _with_name(text: str) -> str:
    return text.replace(_PROGRAM, program_name())


def examples(*lines: str) -> str:
    """An epilog that shows calls, each without the program's name."""
    shown = "\n".join(f"  {_PROGRAM} {line}" for line in lines)
    return f"\b\n{'Example' if len(lines) == 1 else 'Examples'}:\n{shown}"


def complete_plugin(
    ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of the plugins on disk, for the shell."""
    from click.shell_completion import CompletionItem

    from devserver.core.errors import ProjectNotFound
    from devserver.runtime.discovery import discover

    try:
        known = discover(ctx.ensure_object(Invocation).project())
    except (ProjectNotFound, OSError):
        return []
    names = (p.stem if p.suffix == ".py" else p.name for p in known.values())
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def plugin_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """The argument NAME, with completion."""
    return click.argument("name", metavar="NAME", shell_complete=complete_plugin)(function)


def _common_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            callback=_take_json,
            help="Print JSON instead of text.",
        ),
        click.Option(
            ["--project"],
            type=click.Path(path_type=Path),
            metavar="DIR",
            expose_value=False,
            callback=_take_project,
            help="The project's folder. Default: the nearest one upwards.",
        ),
    ]


def _take_json(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).as_json = True


def _take_project(ctx: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.ensure_object(Invocation).root = value


def _help_of(command: click.Command, ctx: click.Context) -> str | None:
    if not is_terminal():
        return None
    from devserver.cli.rich_help import render_help

    return render_help(command, ctx)
