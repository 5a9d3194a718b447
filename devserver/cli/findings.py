"""What a check has to say, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from devserver.cli.tables import draw_heading
from devserver.cli.text import count
from devserver.core.diagnostics import Diagnostic


class Level(StrEnum):
    """How bad it is. An error keeps something from working, a warning makes it work less well."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact of `check`, and the next step where it is not ok."""

    check: str
    level: Level
    message: str
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(check=check, level=Level.OK, message=message)


def warning(check: str, message: str, hint: str | None) -> Finding:
    """It works less well than it could."""
    return Finding(check=check, level=Level.WARNING, message=message, hint=hint)


def error(check: str, message: str, hint: str | None) -> Finding:
    """It does not work."""
    return Finding(check=check, level=Level.ERROR, message=message, hint=hint)


def told(check: str, found: Iterable[Diagnostic]) -> Iterator[Finding]:
    """Findings of validation, word for word."""
    for diagnostic in found:
        make = error if diagnostic.is_error else warning
        place = f"{diagnostic.location}: " if diagnostic.location else ""
        yield make(check, f"{place}{diagnostic.message}", diagnostic.hint)


def counted(check: str, found: Iterable[Diagnostic], *, subject: str, hint: str) -> Finding:
    """Many findings as one: the worst in words, the others as a number."""
    worst, *others = sorted(found, key=lambda d: not d.is_error)
    more = f" (and {len(others)} more)" if others else ""
    message = f"{subject}: {worst.code} {worst.message}{more}"
    return (error if worst.is_error else warning)(check, message, hint)


_SIGNS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.ERROR: ("✗", "bold red")}


def draw_findings(found: Sequence[Finding]) -> None:
    """Each with its next step below it, and how many are wrong."""
    width = max((len(f.check) for f in found), default=0)
    for one in found:
        sign, style = _SIGNS[one.level]
        draw_heading((sign, style), f" {one.check:<{width}}  {one.message}")
        if one.hint:
            draw_heading((f"{'':<{width + 4}}→ {one.hint}", "dim"))
    errors, warnings = errors_in(found), sum(f.level is Level.WARNING for f in found)
    if errors or warnings:
        draw_heading(f"{count(errors, 'error')}, {count(warnings, 'warning')}")
    else:
        draw_heading(("nothing is wrong", "green"))


def errors_in(found: Iterable[Finding]) -> int:
    """How many errors there are."""
    return sum(f.level is Level.ERROR for f in found)


def findings_document(found: Sequence[Finding]) -> dict[str, Any]:
    """`{ok, errors, warnings, checks: [{check, level, message, hint}]}`."""
    errors = errors_in(found)
    return {
        "ok": not errors,
        "errors": errors,
        "warnings": sum(f.level is Level.WARNING for f in found),
        "checks": [f.to_json() for f in found],
    }
