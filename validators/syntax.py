"""Syntax: what the compiler refuses, and what it only warns of.

The compiler has run when a candidate was made, so this check tells what it said.
"""

from __future__ import annotations

from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.validation.analysis import ModuleAnalysis, Span
from devserver.validation.candidate import Candidate, World
from devserver.validation.findings import warning


class SyntaxCheck:
    """Gives the SYN codes."""

    name = "syntax"

    def check(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:  # noqa: ARG002
        """Errors of files that could not be parsed, warnings of those that could."""
        yield from (d for d in candidate.early if d.code.startswith("SYN"))
        for analysis in candidate.modules.values():
            yield from _warnings(candidate, analysis)


def _warnings(candidate: Candidate, analysis: ModuleAnalysis) -> Iterator[Diagnostic]:
    for note in analysis.notes:
        yield warning(
            candidate,
            "SYN009",
            note.message,
            file=analysis.file,
            span=Span(note.line, note.column, note.line, note.end_column),
        )


validator = SyntaxCheck()
