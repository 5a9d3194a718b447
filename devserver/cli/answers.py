"""Outcomes that the server answered with: shown, and as exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devserver.cli.commands import Invocation
from devserver.cli.failures import ExitCode


def show_outcome(document: dict[str, Any], invocation: Invocation) -> None:
    """As the terminal of the server shows it, or as the document."""
    if invocation.as_json:
        invocation.print(document)
        return
    from devserver.cli.outcomes import outcome_of
    from devserver.cli.output import console_for
    from devserver.cli.rich_view import RichView

    RichView(console_for()).outcome(outcome_of(document))


def exit_code(outcomes: Sequence[dict[str, Any]]) -> ExitCode:
    """The exit code that stands for all of them."""
    results = {outcome["result"] for outcome in outcomes}
    if "rolled_back" in results:
        return ExitCode.ROLLED_BACK
    return ExitCode.REFUSED if "rejected" in results else ExitCode.OK
