"""Diagnostics with the code that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from devserver.cli.output import console_for
from devserver.cli.text import clean, count, one_line

if TYPE_CHECKING:
    from rich.console import Console

    from devserver.core.diagnostics import Diagnostic

SHOWN = 8
"""How many frames one message shows; the rest is told as a number."""


def print_frames(diagnostics: Sequence[Diagnostic], *, to: IO[str]) -> None:
    """Every finding as a code frame on a stream."""
    draw_frames(console_for(to), diagnostics, limit=None)


def draw_frames(
    console: Console, diagnostics: Sequence[Diagnostic], *, limit: int | None = SHOWN
) -> None:
    """Code frames, each with the plugin's own traceback where there is one."""
    if not diagnostics:
        return
    from devserver.validation.render import code_frame

    for diagnostic in diagnostics[:limit]:
        file = None if diagnostic.file is None else one_line(diagnostic.file)
        shown = replace(diagnostic, file=file, code=one_line(diagnostic.code))
        console.print(code_frame(shown), soft_wrap=True)
        for line in clean(diagnostic.traceback or "").splitlines():
            console.print(f"  {line}", style="dim", soft_wrap=True)
    hidden = 0 if limit is None else len(diagnostics) - limit
    if hidden > 0:
        console.print(f"  and {count(hidden, 'more finding')}", style="dim")
