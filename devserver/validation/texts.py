"""The texts of the files that findings are about, decoded when they are needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from devserver.core.diagnostics import Diagnostic
from devserver.core.source import SourceFile
from devserver.validation.candidate import Candidate, World
from devserver.validation.ignores import MARK, FileIgnores
from devserver.validation.outline import Unparsable, decode

_BEFORE = 2
_AFTER = 1
_WITH_COMMENTS = (".py", ".yaml", ".yml", ".txt")


class Texts:
    """The files of the plugins under judgement."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files: dict[str, SourceFile] | None = None
        self._lines: dict[str, list[str]] = {}
        self._ignores: dict[str, FileIgnores] = {}

    def silences(self, diagnostic: Diagnostic) -> bool:
        """True when a comment of the diagnostic's file silences it."""
        file = self._file(diagnostic.file)
        if diagnostic.file is None or file is None or MARK not in file.content:
            return False
        return self._ignores_of(diagnostic.file, file).silences(diagnostic)

    def unused_ignores(
        self, candidate: Candidate, known: Collection[str], doubtful: Collection[str]
    ) -> Iterator[Diagnostic]:
        """Findings on the comments of a plugin that silenced nothing; asked for when everything
        else has gone through `silences`."""
        unreadable = {d.file for d in candidate.early if d.is_error}
        for relative, file in candidate.source.files.items():
            path = candidate.source.project_path(relative)
            if MARK not in file.content or path in unreadable or not _is_judged(candidate, path):
                continue
            imports = _lines_of_imports(candidate, path)
            for found in self._ignores_of(path, file).unused(known, doubtful, imports):
                yield replace(found, plugin=candidate.name, file=path)

    def completed(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic with the lines around its place."""
        line, end = diagnostic.line, diagnostic.end_line or diagnostic.line
        if line is None or end is None or diagnostic.source_lines:
            return diagnostic
        shown = self._between(diagnostic.file, line, end)
        if not shown:
            return diagnostic
        return replace(
            diagnostic,
            source_lines=shown,
            lines_before=self._between(diagnostic.file, max(line - _BEFORE, 1), line - 1),
            lines_after=self._between(diagnostic.file, end + 1, end + _AFTER),
        )

    def _ignores_of(self, path: str, file: SourceFile) -> FileIgnores:
        known = self._ignores.get(path)
        if known is None:
            text = decoded(file.content) if path.endswith(_WITH_COMMENTS) else ""
            known = FileIgnores(text, is_python=path.endswith(".py"))
            self._ignores[path] = known
        return known

    def _between(self, path: str | None, first: int, last: int) -> tuple[str, ...]:
        file = self._file(path)
        if path is None or file is None:
            return ()
        if path not in self._lines:
            self._lines[path] = decoded(file.content).split("\n")
        return tuple(self._lines[path][first - 1 : last])

    def _file(self, path: str | None) -> SourceFile | None:
        if self._files is None:
            self._files = {
                candidate.source.project_path(relative): file
                for key in self._world.changed
                if (candidate := self._world.plugins.get(key)) is not None
                for relative, file in candidate.source.files.items()
            }
        return None if path is None else self._files.get(path)


def _is_judged(candidate: Candidate, path: str) -> bool:
    """False for a module that no check looks at, such as a test of the plugin."""
    return not path.endswith(".py") or any(a.file == path for a in candidate.modules.values())


def _lines_of_imports(candidate: Candidate, path: str) -> frozenset[int]:
    analyses = [a for a in candidate.modules.values() if a.file == path]
    modules = {i.span.line for a in analyses for i in a.imports}
    return frozenset(modules | {n.span.line for a in analyses for i in a.imports for n in i.names})


def decoded(content: bytes) -> str:
    """The text of a file, with what cannot be decoded replaced."""
    try:
        return decode(content)
    except Unparsable:
        return content.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
