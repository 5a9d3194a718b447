"""Makes diagnostics on a candidate: the short way for checks to say what they found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.analysis import Span

if TYPE_CHECKING:
    from devserver.validation.candidate import Candidate


def finding(
    candidate: Candidate,
    code: str,
    severity: Severity,
    message: str,
    *,
    file: str | None = None,
    span: Span | None = None,
    hint: str | None = None,
) -> Diagnostic:
    """A diagnostic on a plugin. `file` is relative to the project; the pipeline adds the
    source lines."""
    return Diagnostic(
        code=code,
        severity=severity,
        message=message,
        plugin=candidate.name,
        file=file,
        line=None if span is None else span.line,
        column=None if span is None else span.column,
        end_line=None if span is None else span.end_line,
        end_column=None if span is None else span.end_column,
        hint=hint,
    )


def error(
    candidate: Candidate,
    code: str,
    message: str,
    *,
    file: str | None = None,
    span: Span | None = None,
    hint: str | None = None,
) -> Diagnostic:
    """A finding that refuses the change."""
    return finding(candidate, code, Severity.ERROR, message, file=file, span=span, hint=hint)


def warning(
    candidate: Candidate,
    code: str,
    message: str,
    *,
    file: str | None = None,
    span: Span | None = None,
    hint: str | None = None,
) -> Diagnostic:
    """A finding that does not."""
    return finding(candidate, code, Severity.WARNING, message, file=file, span=span, hint=hint)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.7) -> str | None:
    """The known name that was most likely meant, or None."""
    near = difflib.get_close_matches(name, [k for k in known if k != name], 1, cutoff)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The nearest known name as a question, or None."""
    near = nearest(name, known)
    return None if near is None else f"did you mean {near!r}?"
