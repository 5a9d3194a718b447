"""Imports that surely nobody needs: those of the standard library, and names beside others of
the same statement. What may be imported for its effect, to be exported, or for readers that
cannot be seen, is left alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.analysis import Import, ModuleAnalysis, Span
from devserver.validation.candidate import Candidate, World
from devserver.validation.findings import finding
from devserver.validation.outline import Unparsable, decode

_FOR_EFFECT = frozenset(
    {"__future__", "antigravity", "readline", "rlcompleter", "site", "sitecustomize", "this"}
)
_ENTRIES = frozenset({"get_plugin", "create_plugin", "get_router"})
_LINE_ALONE = re.compile(r"\bnoqa\b")


class UnusedImports:
    """Gives IMP020 and IMP021. For `validate` on the command line: a save does not wait for it."""

    name = "unused"

    def check(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        """The imports that can go."""
        for analysis in candidate.modules.values():
            if not analysis.is_open and analysis.imports:
                yield from _Module(candidate, world, analysis).findings()


class _Module:
    def __init__(self, candidate: Candidate, world: World, analysis: ModuleAnalysis) -> None:
        self._candidate = candidate
        self._world = world
        self._analysis = analysis
        self._lines = _lines_of(candidate, analysis)
        self._exports = frozenset(analysis.exports or ())
        self._is_closed = "__all__" in analysis.bound and analysis.exports is None

    def findings(self) -> Iterator[Diagnostic]:
        if self._is_closed or not self._lines:
            return
        seen: dict[tuple[object, ...], Span] = {}
        for found in self._analysis.imports:
            if not found.is_certain or not self._is_plain(found):
                continue
            bound = self._bound(found)
            for identity, name, span in bound:
                first = seen.setdefault(identity, span)
                if first is not span:
                    if self._is_bound_by_imports_alone(name, identity):
                        yield self._tell("IMP021", name, span, f"first in line {first.line}")
                elif self._is_unused(name, span) and self._may_go(found, bound):
                    yield self._tell("IMP020", name, span, "remove it")

    def _bound(self, found: Import) -> list[tuple[tuple[object, ...], str, Span]]:
        """What identifies each bound name, the name and its place."""
        if not found.is_from:
            identity = (found.level, found.module, None, found.bound_as)
            return [(identity, found.bound_as, found.span)] if found.bound_as else []
        return [
            ((found.level, found.module, n.name, n.bound_as), n.bound_as, n.span)
            for n in found.names
            if n.name != "*"
        ]

    def _is_plain(self, found: Import) -> bool:
        """True for a statement of the module's top level that nobody has marked."""
        line = self._lines[found.span.line - 1]
        return line[:1].strip() != "" and not _LINE_ALONE.search(line)

    def _may_go(self, found: Import, bound: list[tuple[tuple[object, ...], str, Span]]) -> bool:
        top = found.module.partition(".")[0]
        if not found.level and top in sys.stdlib_module_names and top not in _FOR_EFFECT:
            return True
        if not found.level and top == "devserver":
            return True
        # The module is still imported for another name.
        return any(not self._is_unused(name, span) for _, name, span in bound)

    def _is_unused(self, name: str, span: Span) -> bool:
        if name in self._exports or name in _ENTRIES or name.startswith("_"):
            return False
        if name in self._analysis.rebound or self._is_exported_as(name, span):
            return False
        if self._analysis.is_package:
            return False
        word = re.compile(rf"(?<![\w.]){re.escape(name)}\b")
        for number, line in enumerate(self._lines, start=1):
            if name in line and any(
                not _is_the_import(number, m.start(), span) and not _is_comment(line, m.start())
                for m in word.finditer(line)
            ):
                return False
        return not self._is_used_elsewhere(name)

    def _is_exported_as(self, name: str, span: Span) -> bool:
        """`import a as a` and `from b import a as a` say that the name is for others."""
        written = self._lines[span.line - 1][span.column - 1 : span.end_column - 1]
        return re.fullmatch(rf"{re.escape(name)}\s+as\s+{re.escape(name)}", written) is not None

    def _is_bound_by_imports_alone(self, name: str, identity: tuple[object, ...]) -> bool:
        """True when nothing but the same import binds the name, so that a second one is for
        nothing."""
        others = re.compile(
            rf"(?<![\w.]){re.escape(name)}\s*(?::[^=]+)?(?:[-+*/|&^%@]|//|\*\*|>>|<<)?=(?!=)"
            rf"|\b(?:def|class|as|for|del|global)\s+{re.escape(name)}\b"
        )
        if identity[3] != identity[2] and identity[2] is not None:
            return False
        return not any(others.search(line) for line in self._lines)

    def _is_used_elsewhere(self, name: str) -> bool:
        """Whether another module may take the name from this one."""
        own = self._analysis.name
        dotted = f"{own.rpartition('.')[2]}.{name}".encode()
        for candidate in self._world.plugins.values():
            for analysis in candidate.modules.values():
                if analysis is not self._analysis and _takes(analysis, own, name):
                    return True
        path = self._analysis.file
        return any(
            dotted in file.content
            for relative, file in self._candidate.source.files.items()
            if self._candidate.source.project_path(relative) != path
        )

    def _tell(self, code: str, name: str, span: Span, hint: str) -> Diagnostic:
        message = f"{name!r} is imported but not used"
        if code == "IMP021":
            message = f"{name!r} is imported again"
        return finding(
            self._candidate,
            code,
            Severity.INFO,
            message,
            file=self._analysis.file,
            span=span,
            hint=hint,
        )


def _takes(analysis: ModuleAnalysis, module: str, name: str) -> bool:
    for found in analysis.imports:
        is_asked_for = any(n.name in (name, "*") for n in found.names)
        if is_asked_for and analysis.absolute(found.module, found.level) == module:
            return True
    return any(name in use.path for use in analysis.uses)


def _is_the_import(number: int, index: int, span: Span) -> bool:
    after_start = (number, index + 1) >= (span.line, span.column)
    return after_start and (number, index + 1) < (span.end_line, span.end_column)


def _is_comment(line: str, index: int) -> bool:
    """True behind a `#` that is surely none in a string, and no type comment."""
    before = line[:index]
    return "#" in before and not any(q in before for q in "\"'") and "type:" not in before


def _lines_of(candidate: Candidate, analysis: ModuleAnalysis) -> list[str]:
    file = candidate.source.modules().get(analysis.name)
    if file is None:
        return []
    try:
        return decode(file.content).split("\n")
    except Unparsable:
        return []
