"""Breakpoints of pdb, and of every debugger made from bdb, follow their line through a reload."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from devserver.core.source import SourceFile
from devserver.runtime.modules import ModuleTable
from devserver.runtime.moved_lines import Version, moved_definition, moved_line
from devserver.runtime.shown_source import source_lines


def follow_breakpoints(gone: Iterable[ModuleTable], shown: Iterable[ModuleTable]) -> list[str]:
    """Moves breakpoints in files of `gone` to where their lines are in `shown`, in place: number,
    condition, counts and commands stay. One whose line and function are gone is deleted, one in
    a file that is gone stays where it is. Gives what was done, a sentence each."""
    bdb: Any = sys.modules.get("bdb")
    if bdb is None or not bdb.Breakpoint.bplist:
        return []
    files = {_canonical(f): (t, f) for t in shown for f in t.source.modules().values()}
    said: list[str] = []
    for table in gone:
        for old in table.source.modules().values():
            name = _canonical(old)
            breakpoints = [b for b in bdb.Breakpoint.bpbynumber if b and b.file == name]
            if not breakpoints or name not in files or files[name][1].content == old.content:
                continue
            try:
                versions = _version(table, old), _version(*files[name])
            except (SyntaxError, ValueError):
                continue  # nothing has ever imported it
            move = _Move(name, table.source.project_path(old.relative))
            move.plan(breakpoints, *versions)
            move.carry_out(bdb)
            said += move.said
    return said


@dataclass(slots=True)
class _Move:
    """What becomes of the breakpoints in one file; `shown` is how it is named to the developer."""

    file: str
    shown: str
    targets: list[tuple[Any, int, str | None]] = field(default_factory=list)
    deleted: list[Any] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def plan(self, breakpoints: list[Any], old: Version, new: Version) -> None:
        """Changes nothing yet."""
        for each in breakpoints:
            what = f"breakpoint {each.number} at {self.shown}:{each.line}"
            line: int | None
            function = each.funcname
            if function:
                body = moved_definition(each.line, old, new)
                line = None if body is None else body.first
                function = function if body is None else body.name
            else:
                line = moved_line(each.line, old, new)
            if line is None:
                self.deleted.append(each)
                self.said.append(f"{what} deleted: what it was in is gone")
                continue
            self.targets.append((each, line, function))
            if line != each.line:
                self.said.append(f"{what} now at line {line}")

    def carry_out(self, bdb: Any) -> None:
        """In the table that all debuggers share, and in each debugger's own."""
        listed = bdb.Breakpoint.bplist
        lines: dict[int, set[int]] = {each.line: set() for each in self.deleted}
        for each, line, _ in self.targets:
            lines.setdefault(each.line, set()).add(line)
        for each in self.deleted:
            each.deleteMe()
        there: dict[int, list[Any]] = {}
        for each, line, function in sorted(self.targets, key=lambda t: t[0].number):
            each.line, each.funcname, each.func_first_executable_line = line, function, None
            there.setdefault(line, []).append(each)
        listed.update({(self.file, line): found for line, found in there.items()})
        for line in lines.keys() - there.keys():
            listed.pop((self.file, line), None)
        for debugger in _debuggers(bdb.Bdb):
            own = vars(debugger).get("breaks")
            if isinstance(own, dict) and self.file in own:
                moved = {new for old in own[self.file] for new in lines.get(old, {old})}
                own[self.file] = sorted(moved)
                if not moved:
                    del own[self.file]


def _debuggers(kind: type) -> Iterator[Any]:
    """Every instance of a class and of what derives from it; there is no list of them."""
    kinds, pending = dict[int, type](), [kind]
    while pending:
        one = pending.pop()
        if id(one) not in kinds:
            kinds[id(one)] = one
            pending += type.__subclasses__(one)
    # By identity of their types, and not by isinstance: objects and classes may be anything.
    referrers = gc.get_referrers(*kinds.values())
    return (found for found in referrers if id(type(found)) in kinds)


def _version(table: ModuleTable, file: SourceFile) -> Version:
    return Version(source_lines(file.content), table.code_of(file))


def _canonical(file: SourceFile) -> str:
    return os.path.normcase(os.path.abspath(file.path))
