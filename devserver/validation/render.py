"""Shows findings: as code frames for people, as a document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.candidate import ValidationReport
from devserver.validation.rules import FIXABLE

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def code_frame(diagnostic: Diagnostic) -> RenderableType:
    """A finding with its place, the lines around it and the hint; readable without colours."""
    from rich.console import Group
    from rich.text import Text

    style = _STYLES[diagnostic.severity]
    frame = Text(no_wrap=True, overflow="ignore")
    frame.append(f"{diagnostic.severity} {diagnostic.code}", style)
    frame.append(f": {_printable(diagnostic.message)}")
    if diagnostic.location:
        frame.append("\n  at ", "dim").append(diagnostic.location, "cyan")
    _append_source(frame, diagnostic, style)
    if diagnostic.hint:
        frame.append("\n  hint: ", "dim").append(_printable(diagnostic.hint))
    return Group(frame)  # bare, the console would merge it into a text that wraps


def to_document(report: ValidationReport) -> dict[str, Any]:
    """The report as one JSON document: `{ok, errors, warnings, infos, ms, diagnostics}`. Each
    diagnostic has `fixable`: whether `--fix` has an edit for its code."""
    counts = {s: sum(d.severity is s for d in report.diagnostics) for s in Severity}
    return {
        "ok": not report.refused,
        "errors": counts[Severity.ERROR],
        "warnings": counts[Severity.WARNING],
        "infos": counts[Severity.INFO],
        "ms": round(report.ms, 3),
        "diagnostics": [{**d.to_json(), "fixable": d.code in FIXABLE} for d in report.diagnostics],
    }


def _append_source(frame: Text, diagnostic: Diagnostic, style: str) -> None:
    line = diagnostic.line
    if line is None or not diagnostic.source_lines:
        return
    first = line - len(diagnostic.lines_before)
    shown = (*diagnostic.lines_before, *diagnostic.source_lines, *diagnostic.lines_after)
    width = len(str(first + len(shown) - 1))
    for number, text in enumerate(shown, start=first):
        frame.append(f"\n  {number:>{width}} │ ", "dim").append(_printable(text).rstrip())
        start, end = _marked(diagnostic, number, text)
        if start < end:
            gap = _cells(text[:start])
            marks = "^" * max(_cells(text[start:end]), 1)
            frame.append(f"\n  {'':>{width}} │ ", "dim").append(" " * gap).append(marks, style)


def _marked(diagnostic: Diagnostic, number: int, text: str) -> tuple[int, int]:
    """The marked part of a line as indexes, (0, 0) where nothing of it is marked."""
    line, column = diagnostic.line or 0, diagnostic.column
    end_line = diagnostic.end_line or line
    if column is None or not line <= number <= end_line:
        return 0, 0
    written = len(text.rstrip())
    indent = len(text) - len(text.lstrip())
    start = column - 1 if number == line else indent
    if number < end_line:
        return start, max(written, start + 1)
    if diagnostic.end_column is None:
        return start, start + 1
    return start, max(min(diagnostic.end_column - 1, max(written, start + 1)), start + 1)


def _printable(text: str) -> str:
    """The text with tabs as four spaces and without what would steer the terminal."""
    return "".join(c if c.isprintable() else "    " if c == "\t" else "·" for c in text)


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(_printable(text))
