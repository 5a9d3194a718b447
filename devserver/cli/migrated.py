"""A running server, after the tables of its plugins were changed under it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from devserver.cli.answers import exit_code, show_outcome
from devserver.cli.commands import Invocation
from devserver.cli.failures import ExitCode, report
from devserver.cli.text import one_line
from devserver.core.errors import DevServerError


def reload_migrated(
    invocation: Invocation, names: Iterable[str]
) -> tuple[list[dict[str, Any]], ExitCode]:
    """Has the server, where one runs, reload these plugins (dependencies first): the outcomes,
    and the exit code that stands for them."""
    names = list(names)
    if not names:
        return [], ExitCode.OK
    from devserver.cli.client import ServerClient

    client = ServerClient.find(invocation.project())
    outcomes: list[dict[str, Any]] = []
    code = ExitCode.OK
    if client is None:
        return outcomes, code
    for name in names:
        if any(name in outcome["reloaded"] for outcome in outcomes):
            continue
        try:
            outcomes.append(client.reload(name))
        except DevServerError as error:
            report(f"{name} was not reloaded: {error.message}", error.hint, as_json=False)
            code = ExitCode.FAILED
            continue
        if not invocation.as_json:
            print(one_line(f"{name}: its tables have changed, so the server reloads it"))
            sys.stdout.flush()
            show_outcome(outcomes[-1], invocation)
    return outcomes, code or exit_code(outcomes)
