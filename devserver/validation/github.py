"""Findings as GitHub workflow commands, which show up as annotations on the lines."""

from __future__ import annotations

from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.candidate import ValidationReport

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def to_commands(report: ValidationReport, *, prefix: str = "") -> Iterator[str]:
    """One line a finding. `prefix` leads from the repository's root to the project, `""` or
    something that ends in `/`."""
    return (_command(d, prefix) for d in report.diagnostics)


def _command(diagnostic: Diagnostic, prefix: str) -> str:
    properties = ",".join(f"{k}={_property(str(v))}" for k, v in _properties(diagnostic, prefix))
    text = diagnostic.message
    if diagnostic.hint:
        text += f"\nhint: {diagnostic.hint}"
    return f"::{_COMMANDS[diagnostic.severity]} {properties}::{_data(text)}"


def _properties(diagnostic: Diagnostic, prefix: str) -> Iterator[tuple[str, object]]:
    if diagnostic.file is not None:
        yield "file", prefix + diagnostic.file
        if diagnostic.line is not None:
            yield "line", diagnostic.line
            yield "endLine", diagnostic.end_line or diagnostic.line
            # GitHub takes columns only of what is on one line, both included.
            if diagnostic.column is not None and (diagnostic.end_line in (None, diagnostic.line)):
                last = (diagnostic.end_column or diagnostic.column + 1) - 1
                yield "col", diagnostic.column
                yield "endColumn", max(last, diagnostic.column)
    yield "title", diagnostic.code


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
