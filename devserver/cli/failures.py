"""Exit codes, and how a failure is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from devserver.cli.program import program_name
from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import DevServerError, PluginNotFound, SettingsError


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

    def __init__(self, project: str) -> None:
        super().__init__(
            f"no dev server is running for {project}",
            hint=f"start it in another terminal: `{program_name()} dev server`",
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
    """Tells an error on stderr, with code frames where it has places; with `as_json` as one
    document on stdout too. Gives the exit code."""
    found = _diagnostics_of(error)
    if found:
        from devserver.cli.frames import print_frames

        print_frames(found, to=sys.stderr)
    report(error.message, error.hint, as_json=as_json)
    return exit_code_of(error)


def _diagnostics_of(error: DevServerError) -> Sequence[Diagnostic]:
    if isinstance(error, SettingsError):
        return error.diagnostics
    if isinstance(error, RequestFailed):
        return [Diagnostic.from_json(d) for d in error.document.get("diagnostics", ())]
    return ()


def report(message: str, hint: str | None, *, as_json: bool) -> None:
    """`error: …` and `hint: …` on stderr, and `{"error", "hint"}` on stdout with `as_json`."""
    from devserver.cli.text import clean

    print(f"error: {clean(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {clean(hint)}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": message, "hint": hint}, ensure_ascii=False))
