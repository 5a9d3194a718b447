"""A package that is refused, with everything that stands against it."""

from __future__ import annotations

from collections.abc import Sequence

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import DevServerError


class PackageRefused(DevServerError):
    """A package, or what was asked of one, is refused whole; nothing was changed.
    `diagnostics` are all reasons."""

    def __init__(self, diagnostics: Sequence[Diagnostic], *, what: str = "the package") -> None:
        errors = [d for d in diagnostics if d.is_error]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{what} is refused: {errors[0].message}{more}", hint=errors[0].hint)
        self.diagnostics = tuple(diagnostics)


def problem(code: str, message: str, hint: str, *, file: str | None = None) -> Diagnostic:
    """One reason; `file` is the entry's name, made printable."""
    return Diagnostic(code=code, severity=Severity.ERROR, message=message, hint=hint, file=file)
