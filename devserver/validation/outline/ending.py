"""What is open where a text ends, or where it goes wrong."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from devserver.validation.analysis import Span

_ALLOW_INCOMPLETE = 0x4000  # PyCF_ALLOW_INCOMPLETE_INPUT, which `codeop` uses for the same end
_DONT_IMPLY_DEDENT = 0x200
_QUOTE = re.compile(r"[A-Za-z]*('''|\"\"\"|'|\")")
_PART = re.compile(r"(?:\w+|[-!=<>*/.|&^%@+]+)\s*\Z")
"""The last word or sign of a text, of which there may be more."""
_BLOCK = re.compile(r"\s*[^#\n]*:\s*(?:#.*)?\Z")


@dataclass(frozen=True, slots=True)
class OpenAt:
    """A bracket, string or block that has begun at `span`; `what` names it."""

    what: str
    span: Span


def is_cut(text: str, error: SyntaxError) -> bool:
    """True when a text that gives `error` could be right if it went on where it ends."""
    if is_incomplete(text):
        return True
    if text.endswith("\n") or not text:
        return False  # its last line is whole
    last = text[text.rfind("\n") + 1 :].rstrip()
    if error.lineno == text.count("\n") + 1:
        at_end = (error.offset or 0) > len(last) or "unterminated" in str(error.msg)
        if at_end or ((error.end_offset or 0) > len(last) and _PART.search(last) is not None):
            return True
    return is_incomplete(_PART.sub("", text))


def is_incomplete(text: str) -> bool:
    """True when the compiler says that nothing but the end of the text is wrong."""
    flags = ast.PyCF_ONLY_AST | _ALLOW_INCOMPLETE | _DONT_IMPLY_DEDENT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<devserver analysis>", "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        return "incomplete input" in str(error.msg)
    except (RecursionError, MemoryError, OverflowError, ValueError):
        return False
    return False


def open_at_end(text: str) -> OpenAt | None:
    """The innermost of what is open at the end of a text: a string, a bracket, a block."""
    brackets, string = _open_tokens(text, last=None)
    if string is not None:
        return string
    if brackets:
        return brackets[-1]
    lines = text.rstrip().split("\n")
    last = lines[-1]
    if _BLOCK.match(last) is None:
        return None
    indent = len(last) - len(last.lstrip())
    place = Span(len(lines), indent + 1, len(lines), len(last) + 1)
    return OpenAt(f"the block of line {len(lines)}", place)


def still_open(text: str, line: int) -> str | None:
    """Names the bracket that is still open at the beginning of a line, if there is one."""
    brackets, _ = _open_tokens(text, last=line)
    return f"{brackets[-1].what} is still open here" if brackets else None


def _open_tokens(text: str, last: int | None) -> tuple[list[OpenAt], OpenAt | None]:
    """The brackets that are open at the beginning of line `last` (None: at the end), and the
    string in several lines that never ends."""
    opened: list[OpenAt] = []
    end: tuple[int, int] = (1, 0)
    try:
        for token in _tokens(text):
            if last is not None and token.start[0] >= last:
                break
            end = token.end
            if token.string in ("(", "[", "{") and token.type == tokenize.OP:
                opened.append(_opening(token))
            elif token.string in (")", "]", "}") and token.type == tokenize.OP and opened:
                opened.pop()
    except (tokenize.TokenError, SyntaxError) as error:
        if "string" in str(error):
            return opened, _open_string(text, end)
    return opened, None


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(text).readline)


def _opening(token: tokenize.TokenInfo) -> OpenAt:
    line, column = token.start
    where = f"the {token.string!r} in line {line}, column {column + 1}"
    return OpenAt(where, Span(line, column + 1, line, column + 2))


def _open_string(text: str, end: tuple[int, int]) -> OpenAt | None:
    """The string that begins behind the last token that could be read."""
    lines = text.split("\n")
    for number in range(end[0], len(lines) + 1):
        start = end[1] if number == end[0] else 0
        found = _QUOTE.search(lines[number - 1], start)
        if found is not None:
            span = Span(number, found.start() + 1, number, found.end() + 1)
            return OpenAt(f"the string of line {number}, column {span.column}", span)
    return None
