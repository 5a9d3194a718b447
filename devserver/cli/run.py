"""`sysctl plugins run`: commands of plugins, with the command line that each of them has."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from devserver.cli.command_line import CommandLine
from devserver.cli.commands import Command, Invocation, complete_plugin, examples, pass_invocation
from devserver.cli.failures import RequestFailed, ServerNotRunning
from devserver.cli.output import print_document

_HELP = ("-h", "--help")


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=examples(
        "plugins run users add Ada --age 36",
        "plugins run users add name=Ada age=36",
        "plugins run users add --help",
        "plugins run users --help",
    ),
)
@click.argument("name", metavar="NAME", shell_complete=complete_plugin)
@click.argument("command", metavar="COMMAND")
@click.argument("words", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@pass_invocation
def run(
    invocation: Invocation, ctx: click.Context, *, name: str, command: str, words: tuple[str, ...]
) -> int:
    """Run a command of a plugin.

    What it takes is in its signature: `run NAME COMMAND --help` shows it, `run NAME --help` the
    commands of a plugin. Ctrl-C ends the command on the server too.
    """
    from devserver.cli.client import ServerClient

    words = tuple(_take_common(list(words), invocation))
    client = ServerClient.find(invocation.project())
    if client is None:
        return _without_server(ctx, invocation, asked=(command, *words))
    known = client.commands(name)
    if command in _HELP:
        _show_commands(name, known, invocation)
        return 0
    line = CommandLine(name, _find(name, command, known, ctx))
    arguments = line.read(words, _named(ctx, name))
    try:
        document = client.run_command(name, command, arguments)
    except RequestFailed as error:
        if error.status == 422 and "errors" in error.document:
            asked = click.Context(
                click.Command(command), info_name=command, parent=_named(ctx, name)
            )
            raise click.UsageError(error.message, asked) from None
        raise
    _show(document, invocation)
    return 0


def _without_server(ctx: click.Context, invocation: Invocation, *, asked: Sequence[str]) -> int:
    """What a command takes is known while it is loaded; how commands are run always is.

    Raises ServerNotRunning unless help was asked for.
    """
    if not any(word in _HELP for word in asked):
        raise ServerNotRunning(str(invocation.project().root))
    print(ctx.get_help())
    print("no dev server is running: it knows what the command itself takes", file=sys.stderr)
    return 0


def _take_common(words: list[str], invocation: Invocation) -> list[str]:
    """Takes out what every command has; behind `--` it is the plugin's."""
    left: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            return [*left, word, *words]
        if word == "--json":
            invocation.as_json = True
        elif word == "--project" and words:
            invocation.root = Path(words.pop(0))
        elif word.startswith("--project="):
            invocation.root = Path(word.partition("=")[2])
        else:
            left.append(word)
    return left


def _find(
    plugin: str, command: str, known: Sequence[dict[str, Any]], ctx: click.Context
) -> dict[str, Any]:
    found = next((c for c in known if c["name"] == command), None)
    if found is None:
        names = [c["name"] for c in known]
        near = difflib.get_close_matches(command, names, 1)
        more = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(names) or 'none'}"
        raise click.UsageError(f"plugin {plugin!r} has no command {command!r}; {more}", ctx)
    if found.get("problem"):
        raise click.UsageError(f"command {command!r}: {found['problem']}", ctx)
    return found


def _named(ctx: click.Context, plugin: str) -> click.Context:
    """The context that usage lines of the plugin's commands begin with."""
    return click.Context(click.Command("run"), info_name=f"run {plugin}", parent=ctx.parent)


def _show_commands(plugin: str, known: Sequence[dict[str, Any]], invocation: Invocation) -> None:
    if invocation.as_json:
        print_document(list(known))
        return
    from devserver.cli.tables import draw_heading, draw_table

    if not known:
        draw_heading(f"{plugin} has no commands")
        return
    rows = [(c["name"], c["help"].partition("\n")[0]) for c in known]
    draw_table(("command", "help"), rows)


def _show(document: dict[str, Any], invocation: Invocation) -> None:
    if invocation.as_json:
        print_document(document)
        return
    result = document.get("result")
    if isinstance(result, str):
        from devserver.cli.text import clean

        print(clean(result))
    elif result is not None:
        print_document(result)
