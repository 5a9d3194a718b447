"""Diagnostics: what is wrong, where, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

_LINES = ("source_lines", "lines_before", "lines_after")


class Severity(StrEnum):
    """How bad a finding is: an error refuses the change, a warning or info does not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding.

    `file` is relative to the project root, with forward slashes. `line` and `column` count from
    1, `end_column` is the first column after the marked text; None where there is no place.
    `code` is stable: three letters and three digits (SYN, IMP, STR, DEP, CMP, CFG, MIG, PKG for
    validation, RUN for what failed while running).
    """

    code: str
    severity: Severity
    message: str
    plugin: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    hint: str | None = None
    source_lines: tuple[str, ...] = ()
    """The text from `line` to `end_line` as it was judged, so that a code frame never lies."""
    lines_before: tuple[str, ...] = ()
    lines_after: tuple[str, ...] = ()
    """Up to two lines before `source_lines` and one behind them."""
    traceback: str | None = None
    """The plugin's own frames, formatted, for findings that came from running code."""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def location(self) -> str:
        """`file:line:column` as far as it is known, or an empty string."""
        parts = [self.file, self.line, self.column]
        return ":".join(str(p) for p in parts if p is not None) if self.file else ""

    def to_json(self) -> dict[str, Any]:
        """All fields by name, severity as its word."""
        lines = {name: list(getattr(self, name)) for name in _LINES}
        return {**asdict(self), "severity": str(self.severity), **lines}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Diagnostic:
        """The inverse of `to_json`."""
        fields = dict(value)
        fields["severity"] = Severity(fields["severity"])
        fields.update({name: tuple(fields.get(name, ())) for name in _LINES})
        return cls(**fields)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """True when at least one of them refuses the change."""
    return any(d.is_error for d in diagnostics)
