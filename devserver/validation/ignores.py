"""Comments that silence findings: `# devserver: ignore[CODE, CODE]` on the line of a finding or
on the first line of its statement, `# devserver: ignore-file[CODE]` above the first statement."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.findings import nearest

MARK = b"devserver:"
"""What a file holds that has such a comment; a quick look spares the rest of the work."""

UNUSED = "STR901"
_FIXED = frozenset({"STR900", UNUSED, "CFG001"})
_OF_THE_ENVIRONMENT = frozenset({"IMP001", "IMP002"})
_COMMENT = re.compile(r"#\s*devserver:\s*ignore(?P<file>-file)?(?:\[(?P<codes>[^\]]*)\])?")
_CODE = re.compile(r"[^\s,]+")
_BLANK = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING})


def can_be_changed(code: str) -> bool:
    """False for what no comment and no setting may silence: what keeps a file from being read,
    migrations, packages that are refused for safety, and what tells of the checks themselves."""
    return code == "SYN009" or not (code.startswith(("SYN", "MIG", "PKG")) or code in _FIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """One code of a comment, with its place; `code` is "" for a comment that names none."""

    code: str
    line: int
    column: int
    end_column: int
    whole_file: bool
    too_late: bool = False


class FileIgnores:
    """The comments of one file, and which of them were of use."""

    def __init__(self, text: str, *, is_python: bool) -> None:
        self._text = text
        self._is_python = is_python
        self._firsts: dict[int, frozenset[int]] | None = None
        self.found = tuple(_ignores(text, is_python=is_python))
        self._used: set[Ignore] = set()

    def silences(self, diagnostic: Diagnostic) -> bool:
        """True when a comment names the diagnostic's code at its place."""
        if not can_be_changed(diagnostic.code):
            return False
        meant = [i for i in self.found if i.code.upper() == diagnostic.code and not i.too_late]
        if not meant:
            return False
        lines = self._lines_of(diagnostic)
        fitting = {i for i in meant if i.whole_file or i.line in lines}
        self._used |= fitting
        return bool(fitting)

    def unused(
        self, known: Collection[str], doubtful: Collection[str], imports: Collection[int] = ()
    ) -> Iterator[Diagnostic]:
        """Findings on the comments that silenced nothing, without plugin and file. Nothing is
        said of the `doubtful` codes, which this run could not have given, nor in the lines of
        `imports` of those that depend on what is installed."""
        for ignore in self.found:
            code = ignore.code.upper()
            at_import = bool(imports) if ignore.whole_file else ignore.line in imports
            unsure = code in doubtful or (code in _OF_THE_ENVIRONMENT and at_import)
            if ignore in self._used or (unsure and not ignore.too_late):
                continue
            message, hint = _what_is_wrong(ignore, known)
            yield _on(ignore, message, hint)

    def _lines_of(self, diagnostic: Diagnostic) -> frozenset[int]:
        if diagnostic.line is None:
            return frozenset()
        own = frozenset({diagnostic.line, diagnostic.end_line or diagnostic.line})
        if not self._is_python:
            return own
        if self._firsts is None:
            self._firsts = _first_lines(self._text)
        return own | self._firsts.get(diagnostic.line, frozenset())


def _on(ignore: Ignore, message: str, hint: str) -> Diagnostic:
    return Diagnostic(
        code=UNUSED,
        severity=Severity.WARNING,
        message=message,
        line=ignore.line,
        column=ignore.column,
        end_line=ignore.line,
        end_column=ignore.end_column,
        hint=hint,
    )


def _what_is_wrong(ignore: Ignore, known: Collection[str]) -> tuple[str, str]:
    if not ignore.code:
        return "the comment names no code, so it silences nothing", "write ignore[CODE]"
    if ignore.too_late:
        return (
            f"ignore-file[{ignore.code}] stands below the first statement and has no effect",
            "move it to the top of the file, or write ignore[CODE] on the line",
        )
    if not can_be_changed(ignore.code.upper()):
        return f"{ignore.code} cannot be silenced", "correct what it tells of"
    if ignore.code.upper() not in known:
        near = nearest(ignore.code.upper(), known)
        if near is not None:
            return f"there is no code {ignore.code!r}", f"did you mean {near!r}?"
    return f"nothing gives {ignore.code} here", "remove the code; `--fix` does so"


def _ignores(text: str, *, is_python: bool) -> Iterator[Ignore]:
    for line, column, comment, is_top in _comments(text, is_python=is_python):
        for match in _COMMENT.finditer(comment):
            whole_file = match["file"] is not None
            late = whole_file and not is_top
            codes = list(_CODE.finditer(match["codes"] or ""))
            if not codes:
                start, end = column + match.start(), column + match.end()
                yield Ignore(
                    code="", line=line, column=start, end_column=end, whole_file=whole_file
                )
            for code in codes:
                start = column + match.start("codes") + code.start()
                yield Ignore(
                    code=code[0],
                    line=line,
                    column=start,
                    end_column=start + len(code[0]),
                    whole_file=whole_file,
                    too_late=late,
                )


def _comments(text: str, *, is_python: bool) -> Iterator[tuple[int, int, str, bool]]:
    """Line, column (from 1), text, and whether nothing but comments and the docstring stand
    before it."""
    if not is_python:
        for number, line in enumerate(text.split("\n"), start=1):
            start = line.find("#")
            if start >= 0:
                yield number, start + 1, line[start:], True
        return
    top, docstring = True, False
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.start[1] + 1, token.string, top
            elif token.type == tokenize.STRING and top and not docstring:
                docstring = True
            elif token.type not in _BLANK:
                top = False
    except (tokenize.TokenError, SyntaxError):
        return


def _first_lines(text: str) -> dict[int, frozenset[int]]:
    """Line → the first lines of the innermost statement that it belongs to: that of its first
    decorator and its own."""
    found: dict[int, frozenset[int]] = {}
    try:
        waiting: list[ast.AST] = [ast.parse(text)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(d.lineno for d in decorators)])
            lines = frozenset({first, node.lineno})
            # Inner statements come later and overwrite what is theirs.
            found.update(dict.fromkeys(range(first, (node.end_lineno or first) + 1), lines))
        waiting.extend(n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.expr))
    return found
