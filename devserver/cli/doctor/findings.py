"""What a check has to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

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
