"""Why a text is no Python."""

from __future__ import annotations

from dataclasses import dataclass

from devserver.validation.analysis import Span
from devserver.validation.outline.ending import OpenAt


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxProblem:
    """Why a file is no Python. `code` is one of the SYN codes."""

    code: str
    message: str
    span: Span
    hint: str | None = None


class Unparsable(Exception):
    """Bytes that are no Python source; `problem` says why."""

    def __init__(self, problem: SyntaxProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def unfinished(message: str, place: Span, opening: OpenAt | None) -> SyntaxProblem:
    """What is wrong with a file that would be right if it went on."""
    what = "" if opening is None else f"; {opening.what} is still open there"
    return SyntaxProblem(
        code="SYN010",
        message=f"the file ends in the middle: {message}",
        span=place,
        hint=f"write the rest{what}; a file that is still being saved is read again",
    )


def end_of(text: str) -> Span:
    """The place of the last character."""
    line, column = text.count("\n") + 1, max(len(text) - text.rfind("\n") - 1, 1)
    return Span(line, column, line, column + 1)


def too_deep() -> SyntaxProblem:
    return SyntaxProblem(
        code="SYN007",
        message="the file is nested too deeply, or too large, for the compiler",
        span=Span(1, 1, 1, 2),
        hint="split the longest expression, or put large data into a JSON file",
    )
