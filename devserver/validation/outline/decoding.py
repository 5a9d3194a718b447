"""Source bytes as Python reads them: encoding, newlines, syntax."""

from __future__ import annotations

import ast
import io
import re
import threading
import tokenize
import warnings
from dataclasses import dataclass
from types import CodeType

from devserver.validation.analysis import Span, SyntaxNote
from devserver.validation.outline.ending import (
    is_cut,
    open_at_end,
    still_open,
)
from devserver.validation.outline.newer import newer_syntax
from devserver.validation.outline.problems import (
    SyntaxProblem,
    Unparsable,
    end_of,
    too_deep,
    unfinished,
)

_FILE = "<devserver analysis>"
_COOKIE = re.compile(rb"coding[:=]")
_LOCK = threading.Lock()
_EXHAUSTED = (RecursionError, MemoryError, OverflowError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A module's text, its tree and its code (each None where it is too deep to look at), and
    what the compiler warned of. The code names no file: see `code_of`."""

    source: SourceText
    tree: ast.Module | None
    code: CodeType | None
    notes: tuple[SyntaxNote, ...]

    def code_of(self, path: str) -> CodeType | None:
        """What `compile` makes of the module when it is at `path`."""
        return None if self.code is None else _placed(self.code, path)


def _placed(code: CodeType, path: str) -> CodeType:
    constants = tuple(_placed(c, path) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=path, co_consts=constants)


class SourceText:
    """Decoded text; translates the compiler's places (UTF-8 offsets) to columns."""

    __slots__ = ("_plain", "lines", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self._plain = text.isascii()

    def column(self, line: int, offset: int) -> int:
        """The column, counted in characters from 1, of a UTF-8 byte offset."""
        if self._plain or line > len(self.lines):
            return offset + 1
        return len(self.lines[line - 1].encode()[:offset].decode(errors="replace")) + 1

    def span(self, node: ast.stmt | ast.expr | ast.alias | ast.keyword) -> Span:
        """The place of a node."""
        line, end = node.lineno, node.end_lineno or node.lineno
        if self._plain:
            return Span(line, node.col_offset + 1, end, (node.end_col_offset or 0) + 1)
        return Span(
            line,
            self.column(line, node.col_offset),
            end,
            self.column(end, node.end_col_offset or 0),
        )

    def span_of_line(self, number: int) -> Span:
        """The written part of a line."""
        text = self.lines[number - 1] if 0 < number <= len(self.lines) else ""
        indent = len(text) - len(text.lstrip())
        return Span(number, indent + 1, number, max(len(text.rstrip()), indent + 1) + 1)


def parse(content: bytes) -> Parsed:
    """Parses and compiles; nothing is executed.

    Raises Unparsable.
    """
    source = SourceText(decode(content))
    with _LOCK, warnings.catch_warnings(record=True) as met:
        # The filter is bound to our file name: what other threads warn of is judged as before.
        warnings.filterwarnings("always", module=re.escape(_FILE))
        tree, code, problem = _compiled(source)
    ours = [w for w in met if w.filename == _FILE]
    for other in met:
        if other.filename != _FILE:
            warnings.showwarning(
                other.message, other.category, other.filename, other.lineno, other.file, other.line
            )
    if problem is not None:
        raise Unparsable(problem)
    return Parsed(source=source, tree=tree, code=code, notes=tuple(_notes(ours, source)))


def decode(content: bytes) -> str:
    """The text with universal newlines.

    Raises Unparsable for bytes that do not fit the encoding, and for null bytes.
    """
    encoding = _encoding(content)
    if b"\0" in content and not encoding.startswith("utf-16"):
        _refuse_null(content)
    try:
        text = content.decode(encoding)
    except (UnicodeError, LookupError) as error:
        if not _compiles(content):
            raise Unparsable(_undecodable(content, encoding, error)) from None
        text = content.decode(encoding, errors="replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _compiles(content: bytes) -> bool:
    """True where the compiler takes bytes that cannot be decoded: some do in a comment."""
    try:
        with _LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(content, _FILE, "exec", dont_inherit=True)
    except (SyntaxError, UnicodeError, LookupError, *_EXHAUSTED):
        return False
    return True


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unparsable(
            SyntaxProblem(
                code="SYN006",
                message="the file is UTF-16, which Python does not read",
                span=Span(1, 1, 1, 2),
                hint="save it as UTF-8",
            )
        )
    head = content[:400].split(b"\n", 2)[:2]
    if not any(_COOKIE.search(line) for line in head):
        return "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        return tokenize.detect_encoding(io.BytesIO(content).readline)[0]
    except SyntaxError as error:
        if "unknown encoding" not in str(error) and "with BOM" not in str(error):
            return "utf-8"
        line = 1 if _COOKIE.search(head[0]) else 2
        raise Unparsable(
            SyntaxProblem(
                code="SYN006",
                message=str(error.msg),
                span=Span(line, 1, line, len(head[line - 1]) + 1),
                hint="leave the coding comment out and save the file as UTF-8",
            )
        ) from None


def _undecodable(content: bytes, encoding: str, error: Exception) -> SyntaxProblem:
    start = error.start if isinstance(error, UnicodeDecodeError) else 0
    if isinstance(error, UnicodeDecodeError) and error.reason == "unexpected end of data":
        end = end_of(content[:start].decode(encoding, errors="replace"))
        return unfinished("the last character is cut", end, None)
    before = content[:start]
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode(encoding, errors="replace")) + 1
    byte = f" the byte 0x{content[start]:02x}" if start < len(content) else ""
    return SyntaxProblem(
        code="SYN006",
        message=f"the file is not {encoding.removesuffix('-sig')}:{byte} cannot be decoded",
        span=Span(line, column, line, column + 1),
        hint="save it as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-",
    )


def _refuse_null(content: bytes) -> None:
    before = content[: content.index(b"\0")]
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
    raise Unparsable(
        SyntaxProblem(
            code="SYN005",
            message="the file has a null byte",
            span=Span(line, column, line, column + 1),
            hint="it was saved as UTF-16, or it is cut or no text at all; save it as UTF-8",
        )
    )


def _compiled(
    source: SourceText,
) -> tuple[ast.Module | None, CodeType | None, SyntaxProblem | None]:
    """The tree, None where it is too deep to be made into objects, its code, None where that
    cannot be made from the tree, and what is wrong."""
    try:
        tree = ast.parse(source.text, _FILE)
    except SyntaxError as error:
        return None, None, _syntax_problem(error, source)
    except _EXHAUSTED:
        return None, None, _problem_of_text(source)
    try:
        code = compile(tree, _FILE, "exec", dont_inherit=True)
    except SyntaxError as error:
        return tree, None, _misplaced(error, source)
    except _EXHAUSTED:
        return tree, None, _problem_of_text(source)
    return tree, code, None


def _problem_of_text(source: SourceText) -> SyntaxProblem | None:
    """What is wrong with a text whose tree is too deep to go through Python objects: the
    compiler itself goes deeper."""
    try:
        compile(source.text, _FILE, "exec", dont_inherit=True)
    except SyntaxError as error:
        return _syntax_problem(error, source)
    except _EXHAUSTED:
        return too_deep()
    return None


def _syntax_problem(error: SyntaxError, source: SourceText) -> SyntaxProblem:
    if is_cut(source.text, error):
        opening = open_at_end(source.text)
        place = end_of(source.text.rstrip()) if opening is None else opening.span
        return unfinished(_message(error), place, opening)
    if isinstance(error, TabError):
        code, hint = "SYN004", "indent with four spaces a level, never with tabs"
    elif isinstance(error, IndentationError):
        code, hint = "SYN003", None
    else:
        code, hint = "SYN002", None
    last = len(source.lines)
    line = min(max(error.lineno or 1, 1), last)
    column = max(error.offset or 1, 1)
    end_line = min(max(error.end_lineno or line, line), last)
    end_column = error.end_offset or 0
    if end_column <= 0 or (end_line == line and end_column <= column):
        end_line, end_column = line, column + 1
    return SyntaxProblem(
        code=code,
        message=_message(error),
        span=Span(line, column, end_line, end_column),
        hint=hint or _hint(error, source, line),
    )


def _hint(error: SyntaxError, source: SourceText, line: int) -> str | None:
    if not str(error.msg).startswith(("invalid syntax", "multiple exception types")):
        return None  # the message says it all
    return newer_syntax(source.lines[line - 1]) or still_open(source.text, line)


def _misplaced(error: SyntaxError, source: SourceText) -> SyntaxProblem:
    """What the compiler proper refuses counts its offsets in bytes."""
    line = error.lineno or 1
    end_line = error.end_lineno or line
    start = source.column(line, max((error.offset or 1) - 1, 0))
    end = source.column(end_line, max((error.end_offset or 1) - 1, 0))
    if end_line == line and end <= start:
        end = start + 1
    return SyntaxProblem(
        code="SYN008", message=_message(error), span=Span(line, start, end_line, end)
    )


def _message(error: SyntaxError) -> str:
    return str(error.msg or "invalid syntax").removesuffix(f" ({_FILE}, line {error.lineno})")


def _notes(met: list[warnings.WarningMessage], source: SourceText) -> list[SyntaxNote]:
    found: dict[tuple[int, str], SyntaxNote] = {}
    for warned in met:
        span, message = source.span_of_line(warned.lineno), str(warned.message)
        found[warned.lineno, message] = SyntaxNote(
            line=span.line, column=span.column, end_column=span.end_column, message=message
        )
    return list(found.values())
