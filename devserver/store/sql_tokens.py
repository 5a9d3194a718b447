"""Cuts SQL into tokens, as far as one has to in order to find where statements end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["sqlite", "postgresql"]
Kind = Literal["word", "name", "text", "code", "mark"]

_COMMON = r"""
    (?P<space>\s+)
  | (?P<line_comment>--[^\n]*)
  | (?P<block>/\*)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<name>"(?:[^"]|"")*")
  | (?P<text>'(?:[^']|'')*')
  | (?P<number>\d[\w.]*)
"""
_PATTERNS: dict[Dialect, re.Pattern[str]] = {
    "postgresql": re.compile(
        r"(?P<escaped>[eE]'(?:[^'\\]|''|\\.)*')|(?P<dollar>\$(?:[^\W\d]\w*)?\$)|"
        + _COMMON
        + r"| (?P<mark>.)",
        re.VERBOSE | re.DOTALL,
    ),
    "sqlite": re.compile(
        _COMMON + r"| (?P<tick>`(?:[^`]|``)*`) | (?P<bracket>\[[^\]]*\]) | (?P<mark>.)",
        re.VERBOSE | re.DOTALL,
    ),
}
_OPENERS = {"'": "a string", '"': "a quoted name", "`": "a quoted name", "[": "a quoted name"}


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is a word in lower case, a name without its quotes, the content of a text (of a
    dollar-quoted one as `code`), or a single mark. `start` and `end` are places in the text."""

    kind: Kind
    value: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        return self.kind in ("word", "name")


class Unfinished(Exception):
    """The text ends within something that began at `start`; `what` names it."""

    def __init__(self, what: str, start: int) -> None:
        super().__init__(what)
        self.what = what
        self.start = start


def tokens_of(sql: str, dialect: Dialect) -> Iterator[Token]:
    """The tokens of a text, comments left out. Raises Unfinished."""
    pattern, place = _PATTERNS[dialect], 0
    while place < len(sql):
        found = pattern.match(sql, place)
        assert found is not None  # the last alternative takes any character
        start, place = place, found.end()
        kind, raw = str(found.lastgroup), found.group()
        if kind == "block":
            place = _end_of_comment(sql, start, nested=dialect == "postgresql")
        elif kind == "dollar":
            end = sql.find(raw, place)
            if end < 0:
                raise Unfinished(f"a text that {raw} opens", start)
            yield Token("code", sql[place:end], start, place := end + len(raw))
        elif kind == "mark" and (what := _opened(raw, dialect)):
            raise Unfinished(what, start)
        elif kind not in ("space", "line_comment"):
            yield _token(kind, raw, start, place)


def _opened(mark: str, dialect: Dialect) -> str | None:
    """What a quote opens that is closed nowhere."""
    return None if dialect == "postgresql" and mark in "`[" else _OPENERS.get(mark)


def _token(kind: str, raw: str, start: int, end: int) -> Token:
    if kind == "word":
        return Token("word", raw.lower(), start, end)
    if kind in ("name", "tick", "bracket"):
        quote = raw[-1]
        return Token("name", raw[1:-1].replace(quote * 2, quote), start, end)
    if kind in ("text", "escaped"):
        content = raw[1:-1] if kind == "text" else raw[2:-1]
        return Token("text", content.replace("''", "'"), start, end)
    return Token("mark", raw, start, end)


def _end_of_comment(sql: str, start: int, *, nested: bool) -> int:
    depth, place = 0, start
    for found in re.compile(r"/\*|\*/").finditer(sql, start):
        if found.start() < place:
            continue
        place = found.end()
        if found.group() == "*/":
            depth -= 1
            if depth == 0:
                return place
        elif nested or depth == 0:
            depth += 1
    raise Unfinished("a comment", start)
