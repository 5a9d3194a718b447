"""`sysctl plugins config`: what a plugin is configured with, where that comes from, changing it."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.answers import exit_code, show_outcome
from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document

if TYPE_CHECKING:
    from devserver.cli.tables import Cell
    from devserver.runtime.project import Project

Row = Mapping[str, Any]


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "plugins config users",
        "plugins config users get domain",
        "plugins config users set domain example.net",
        "plugins config users unset domain",
    ),
)
@plugin_argument
@click.argument("action", metavar="[get|set|unset]", required=False)
@click.argument("words", metavar="[KEY [VALUE]]...", nargs=-1)
@pass_invocation
def config(invocation: Invocation, *, name: str, action: str | None, words: tuple[str, ...]) -> int:
    """Show a plugin's configuration with the file and line of each value, or override values.

    `set KEY VALUE ...` and `unset KEY ...` are in force at once, or refused, and outlive the
    server. A VALUE is JSON (36, true, [1, 2]) or text; without one it is asked for, or read from
    standard input. Works without a server: the next start uses it.

    Exits with 5 when a value does not fit, with 6 when the plugin failed with it; the old
    configuration stays in both cases.
    """
    project = invocation.project()
    document = _explained(project, name)
    match action:
        case None:
            return _show(document, invocation)
        case "get" if len(words) == 1:
            return _get(document, words[0], invocation)
        case "set" if len(words) == 1:
            return _change(project, document, {words[0]: _asked(document, words[0])}, invocation)
        case "set" if words and len(words) % 2 == 0:
            pairs = zip(words[::2], words[1::2], strict=True)
            changes = {key: _value(document, key, text) for key, text in pairs}
            return _change(project, document, changes, invocation)
        case "unset" if words:
            return _change(project, document, dict.fromkeys(words), invocation)
        case "get" | "set" | "unset":
            raise click.UsageError("write `get KEY`, `set KEY VALUE` or `unset KEY`")
    near = difflib.get_close_matches(action, ("get", "set", "unset"), 1)
    meant = f" Did you mean {near[0]!r}?" if near else " It is get, set or unset."
    raise click.UsageError(f"there is no {action!r} of a configuration.{meant}")


def _explained(project: Project, name: str) -> dict[str, Any]:
    from devserver.cli.client import ServerClient

    client = ServerClient.find(project)
    if client is not None:
        return client.of_plugin(name, "config")
    from devserver.cli.offline_configuration import OfflineConfiguration

    document = OfflineConfiguration(project, name).explained()
    print("no dev server is running: this is what the next start uses", file=sys.stderr)
    return document


def _show(document: Mapping[str, Any], invocation: Invocation) -> ExitCode:
    if invocation.as_json:
        print_document(document)
    elif not document["values"]:
        print(f"{document['plugin']} has no configuration")
    else:
        from devserver.cli.tables import draw_table

        draw_table(
            ("key", "value", "from", ""),
            [(r["key"], _shown(r), _from(r), r["description"]) for r in document["values"]],
        )
    return ExitCode.OK


def _shown(row: Row) -> Cell:
    if row["layer"] is None:
        return ("(required)", "red") if row["required"] else ("-", "dim")
    return _text(row["value"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _from(row: Row) -> str:
    if row["file"] is None:
        return row["layer"] or ""
    line = "" if row["line"] is None else f":{row['line']}"
    return f"{row['file']}{line} ({row['layer']})"


def _get(document: Mapping[str, Any], key: str, invocation: Invocation) -> ExitCode:
    row = _row(document, key)
    if row is None:
        known = [r["key"] for r in document["values"]]
        near = difflib.get_close_matches(key, known, 1)
        from devserver.cli.failures import report

        hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(known) or 'none'}"
        message = f"{document['plugin']!r} has no configuration key {key!r}"
        report(message, hint, as_json=invocation.as_json)
        return ExitCode.FAILED
    if invocation.as_json:
        print_document({"plugin": document["plugin"], **row})
    elif row["value"] is not None:
        print(_text(row["value"]))
    return ExitCode.OK


def _row(document: Mapping[str, Any], key: str) -> Row | None:
    return next((r for r in document["values"] if r["key"] == key), None)


def _value(document: Mapping[str, Any], key: str, text: str) -> Any:
    """What was typed, as what the key is declared to be."""
    row = _row(document, key)
    if row is not None and row["type"] == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _asked(document: Mapping[str, Any], key: str) -> Any:
    """A value that is not to be seen on the command line."""
    if sys.stdin.isatty():
        row = _row(document, key)
        text = click.prompt(key, hide_input=row is not None and row["secret"], err=True)
    else:
        text = sys.stdin.read().removesuffix("\n")
    return _value(document, key, text)


def _change(
    project: Project,
    document: Mapping[str, Any],
    changes: Mapping[str, Any],
    invocation: Invocation,
) -> ExitCode:
    from devserver.cli.client import ServerClient

    name = document["plugin"]
    client = ServerClient.find(project)
    if client is None:
        return _change_offline(project, name, changes, invocation)
    outcome = client.configure(name, changes)
    if outcome["result"] == "unchanged" and not invocation.as_json:
        print(outcome["message"])
    else:
        show_outcome(outcome, invocation)
    return exit_code([outcome])


def _change_offline(
    project: Project, name: str, changes: Mapping[str, Any], invocation: Invocation
) -> ExitCode:
    from devserver.cli.frames import print_frames
    from devserver.cli.offline_configuration import OfflineConfiguration
    from devserver.core.diagnostics import has_errors

    found = OfflineConfiguration(project, name).change(changes)
    failed = has_errors(found)
    if invocation.as_json:
        told = {"success": not failed, "plugin": name, "keys": sorted(changes)}
        print_document(told | {"diagnostics": [d.to_json() for d in found]})
    else:
        print_frames(found, to=sys.stderr)
        if not failed:
            deed = "is kept" if any(v is not None for v in changes.values()) else "is taken back"
            print(f"{name}: the configuration of {', '.join(sorted(changes))} {deed}")
    return ExitCode.REFUSED if failed else ExitCode.OK
