"""Where a line of a file has gone in the next version of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import CodeType

_ALIKE = 0.6
"""How alike an edited line must be to count as the same one."""


@dataclass(frozen=True, slots=True)
class Body:
    """A module, class or function. `lines` are those that can be stopped at, sorted; `first` is
    that of its `def` or first decorator, `last` the last of all within. `turn` counts those of
    the same name before it."""

    name: str
    qualname: str
    turn: int
    first: int
    last: int
    lines: tuple[int, ...]


class Version:
    """One version of a file: its lines, and its compiled code."""

    def __init__(self, lines: Sequence[str], code: CodeType) -> None:
        # A line that was only indented anew is the same line.
        self.lines = [line.strip() for line in lines]
        self.bodies = list(_bodies(code, len(lines)))

    def body_at(self, line: int) -> Body:
        """The innermost one that can be stopped at `line`, else the innermost one around it."""
        around = [b for b in self.bodies if b.first <= line <= b.last]
        inner = [b for b in around if line in b.lines] or around or self.bodies[:1]
        return max(inner, key=lambda b: b.first)

    def body_from(self, first: int) -> Body | None:
        """The function or class whose definition begins at that line."""
        return next((b for b in self.bodies[1:] if b.first == first), None)

    def twin_of(self, body: Body) -> Body | None:
        """The one of the same name here."""
        found = [b for b in self.bodies if b.qualname == body.qualname]
        return found[min(body.turn, len(found) - 1)] if found else None


def moved_line(line: int, old: Version, new: Version) -> int | None:
    """The line of `new` that a stop at `line` of `old` belongs to: the same one, an edited one,
    else the next in the same function. None when function and line are gone."""
    body = old.body_at(line)
    twin = new.twin_of(body)
    if twin is None:
        found, _ = _match(line, old, new, old.bodies[0], new.bodies[0])
        return found if found in new.body_at(found or 0).lines else None
    found, after = _match(line, old, new, body, twin)
    if found in twin.lines:
        return found
    later = [each for each in twin.lines if each >= after]
    return later[0] if later else max(twin.lines, default=None)


def moved_definition(first: int, old: Version, new: Version) -> Body | None:
    """The function of `new` for a stop at the beginning of the one that `old` defines at `first`;
    None when it is gone."""
    body = old.body_from(first)
    twin = None if body is None else new.twin_of(body)
    if twin is None:
        found, _ = _match(first, old, new, old.bodies[0], new.bodies[0])
        twin = None if found is None else new.body_from(found)
    return twin


def _match(line: int, old: Version, new: Version, body: Body, twin: Body) -> tuple[int | None, int]:
    """The counterpart of a line of `body` in `twin`, and the line at its place there."""
    before = old.lines[body.first - 1 : body.last]
    after = new.lines[twin.first - 1 : twin.last]
    index = line - body.first
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after).get_opcodes():
        if not i1 <= index < i2:
            continue
        if tag == "equal":
            place = twin.first + j1 + index - i1
            return place, place
        alike = {j: _likeness(before[index], after[j]) for j in range(j1, j2)}
        best = max(alike, key=lambda j: (alike[j], -abs(j - j1 - index + i1)), default=None)
        if best is not None and alike[best] >= _ALIKE:
            return twin.first + best, twin.first + best
        return None, twin.first + min(j1 + index - i1, j2)
    return None, twin.last


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _bodies(module: CodeType, count: int) -> Iterator[Body]:
    turns: dict[str, int] = {}
    pending = [module]
    while pending:
        code = pending.pop(0)
        lines, inner = _lines_within(code)
        pending += inner
        whole = code is module
        first = 1 if whole else code.co_firstlineno
        own = {n for n in lines if whole or n > first} or lines
        turn = turns.get(code.co_qualname, 0)
        turns[code.co_qualname] = turn + 1
        last = count if whole else max(lines | {m for i in inner for m in _all_lines(i)} | {first})
        yield Body(code.co_name, code.co_qualname, turn, first, last, tuple(sorted(own)))


def _lines_within(code: CodeType) -> tuple[set[int], list[CodeType]]:
    """Its lines, with those of the comprehensions and lambdas in it, and its functions and
    classes."""
    lines = {line for _, _, line in code.co_lines() if line}
    inner: list[CodeType] = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and constant.co_name.startswith("<"):
            more, further = _lines_within(constant)
            lines |= more
            inner += further
        elif isinstance(constant, CodeType):
            inner.append(constant)
    return lines, inner


def _all_lines(code: CodeType) -> set[int]:
    lines, inner = _lines_within(code)
    return lines.union(*map(_all_lines, inner))
