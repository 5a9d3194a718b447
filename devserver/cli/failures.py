"""Exit codes, and how a failure is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from devserver.cli.program import program_name
from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import (
    DevServerError,
    MigrationFailed,
    PluginNotFound,
    SettingsError,
)


class ExitCode(IntEnum):
    """What the shell gets."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_SUCH_PLUGIN = 3
    NO_SERVER = 4
    REFUSED = 5
    ROLLED_BACK = 6
    INTERRUPTED = 130


class ServerNotRunning(DevServerError):
    """The command needs the project's dev server, and none answers."""

    def __init__(self, project: str, *, or_else: str = "") -> None:
        start = f"start it in another terminal: `{program_name()} dev server`"
        super().__init__(
            f"no dev server is running for {project}",
            hint=f"{start}; {or_else}" if or_else else start,
        )


class ConnectionBroken(DevServerError):
    """The connection ended after a request had been sent and before its answer came."""

    def __init__(self, url: str, *, to_all: bool = False) -> None:
        """`to_all`: all instances that share a database were asked."""
        program = program_name()
        here = f"`{program} plugins status` tells whether the server runs"
        told = f"`{program} plugins list` what it serves"
        if to_all:
            told = f"`{program} instances` what each one serves: the others may go on with it"
        super().__init__(
            f"the connection to {url} broke before the answer came: what became of it is unknown",
            hint=f"{here}, {told}",
        )


class RequestFailed(DevServerError):
    """The server answered a request with an error; `document` is its JSON answer."""

    def __init__(
        self, message: str, *, hint: str | None, status: int, document: Mapping[str, Any]
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.document = document


def exit_code_of(error: DevServerError) -> ExitCode:
    """The exit code that stands for an error."""
    if isinstance(error, PluginNotFound):
        return ExitCode.NO_SUCH_PLUGIN
    if isinstance(error, ServerNotRunning):
        return ExitCode.NO_SERVER
    return ExitCode.FAILED


def report_error(error: DevServerError, *, as_json: bool) -> ExitCode:
    """Tells an error on stderr, with code frames where it has places and the plugin's frames
    where its code raised; with `as_json` as one document on stdout too. Gives the exit code."""
    found = _diagnostics_of(error)
    if found:
        from devserver.cli.frames import print_frames

        print_frames(found, to=sys.stderr)
    if isinstance(error, RequestFailed) and error.document.get("traceback"):
        from devserver.cli.text import clean

        print(clean(str(error.document["traceback"])).rstrip(), file=sys.stderr)
    report(error.message, error.hint, as_json=as_json, found=found)
    return exit_code_of(error)


def _diagnostics_of(error: DevServerError) -> Sequence[Diagnostic]:
    if isinstance(error, (MigrationFailed, SettingsError)):
        return error.diagnostics
    if isinstance(error, RequestFailed):
        return [Diagnostic.from_json(d) for d in error.document.get("diagnostics", ())]
    return ()


def report(
    message: str, hint: str | None, *, as_json: bool, found: Sequence[Diagnostic] = ()
) -> None:
    """`error: …` and `hint: …` on stderr, and `{"error", "hint"}` on stdout with `as_json`, with
    `diagnostics` where something was found."""
    from devserver.cli.text import clean

    print(f"error: {clean(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {clean(hint)}", file=sys.stderr)
    if as_json:
        document: dict[str, Any] = {"error": message, "hint": hint}
        if found:
            document["diagnostics"] = [d.to_json() for d in found]
        print(json.dumps(document, ensure_ascii=False))
