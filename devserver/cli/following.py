"""Stays with a plugin of the running server and shows what becomes of it and its dependents."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from devserver.cli.answers import show_outcome
from devserver.cli.commands import Invocation
from devserver.cli.failures import ExitCode, ServerNotRunning
from devserver.cli.foreground import chosen_format
from devserver.cli.output import print_line
from devserver.cli.program import program_name
from devserver.cli.text import one_line

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient

_NEVER_SEEN = "this server does not watch files: no save is seen"
_LISTED = "reload.automatic is false: saves are listed, not reloaded"


_OUT_OF_SERVICE = ("disabled", "registered")


def stay(
    client: ServerClient, name: str, invocation: Invocation, *, auto_reload: bool, code: int
) -> int:
    """Follows a plugin that was loaded; `code` is what came of that. It comes back, with that,
    only where no save would change anything: the plugin is out of service."""
    known = client.of_plugin(name, "status")
    if code != ExitCode.OK and known["status"] in _OUT_OF_SERVICE:
        return code
    if auto_reload and known["pending"]:
        show_outcome(client.reload(name), invocation)
    follow(client, name, invocation, auto_reload=auto_reload)
    return code


def follow(client: ServerClient, name: str, invocation: Invocation, *, auto_reload: bool) -> None:
    """Shows what happens, as the server's terminal does, or one JSON document a line, until it is
    interrupted. With `auto_reload` saves of the plugin are reloaded meanwhile whatever the
    settings say. Raises ServerNotRunning when the server ends, PluginNotFound."""
    from devserver.cli.client import place_of
    from devserver.cli.outcomes import outcome_of
    from devserver.cli.terminal import view_for
    from devserver.reload.journal import FeedEvent

    view = view_for(chosen_format(None, as_json=invocation.as_json))
    query = {"auto_reload": str(auto_reload).lower()}
    lines = client.stream(f"{place_of(name)}/follow", query=query, plugin=name)
    for event in _events(lines):
        kind, payload = event["kind"], event["payload"]
        if kind != "following":
            outcome = outcome_of(payload) if kind == "outcome" else None
            told = FeedEvent(id=event["id"], kind=kind, payload=payload)
            view.event(told, outcome, time.time())
        elif invocation.as_json:
            print_line({"id": None, "kind": kind, "time": time.time(), "payload": payload})
        else:
            view.say(_begun(payload), time.time())
            _warn(payload)
    raise ServerNotRunning(str(invocation.project().root))


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Server-sent events with JSON as their data: `{id, kind, payload}`."""
    fields: dict[str, str] = {}
    for line in lines:
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            number = int(fields["id"]) if "id" in fields else None
            yield {"id": number, "kind": fields["event"], "payload": json.loads(fields["data"])}
        fields = {}


def _begun(about: Mapping[str, Any]) -> str:
    now = f"g{about['generation']}" if about["generation"] else about["status"]
    behind = f"; not live: {one_line(about['reason'])}" if about["pending"] else ""
    return f"following {about['plugin']} ({now}) and what depends on it, until Ctrl-C{behind}"


def _warn(about: Mapping[str, Any]) -> None:
    """What stands between a save and what it is to do."""
    ask = f"`{program_name()} plugins reload {about['plugin']}` makes it live"
    if not about["watching"]:
        _say(_NEVER_SEEN, f"{ask}; `{program_name()} dev server` watches")
    elif not about["automatic"]:
        each = f"`{program_name()} plugins dev {about['plugin']} --auto-reload` reloads each one"
        _say(_LISTED, f"{ask}; {each}")


def _say(fact: str, hint: str) -> None:
    print(f"warning: {fact}\nhint: {hint}", file=sys.stderr)
