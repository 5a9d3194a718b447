"""Runs all checks over what has changed and puts the findings in order."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.source import SourceFile
from devserver.validation.candidate import Candidate, ValidationReport, Validator, World
from devserver.validation.outline import Unparsable, decode

FAILED_CHECK = "STR900"
_IGNORE = re.compile(r"#\s*devserver:\s*ignore\[([A-Za-z0-9,\s]*)\]")
_BEFORE = 2
_AFTER = 1


class Pipeline:
    """All `validators` see every changed candidate; what one of them finds, or that it raises,
    keeps no other from running."""

    def __init__(self, validators: Sequence[Validator]) -> None:
        self.validators = tuple(validators)

    def run(self, world: World) -> ValidationReport:
        """Everything that is wrong with the changed plugins, in order of plugin, file, line.

        A comment `# devserver: ignore[CODE]` silences CODE on its line, but for SYN codes.
        """
        started = time.perf_counter()
        world.environment.refresh()
        found: dict[Diagnostic, None] = {}
        for key in sorted(world.changed):
            candidate = world.plugins.get(key)
            if candidate is not None:
                found.update(dict.fromkeys(self._judge(candidate, world)))
        texts = _Texts(world)
        kept = (texts.completed(d) for d in found if not texts.silences(d))
        ordered = sorted(dict.fromkeys(kept), key=_order)
        ms = (time.perf_counter() - started) * 1000
        return ValidationReport(diagnostics=tuple(ordered), ms=ms)

    def _judge(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        unreadable = {d.file for d in candidate.early if d.code.startswith("SYN")}
        yield from candidate.early
        for validator in self.validators:
            for diagnostic in _checked(validator, candidate, world):
                if diagnostic.file not in unreadable or diagnostic.code.startswith("SYN"):
                    yield diagnostic


def _checked(validator: Validator, candidate: Candidate, world: World) -> Iterable[Diagnostic]:
    found: list[Diagnostic] = []
    try:
        for diagnostic in validator.check(candidate, world):
            if not isinstance(diagnostic, Diagnostic):
                raise TypeError(f"a check gives Diagnostics, not {type(diagnostic).__name__}")
            found.append(diagnostic)
    except Exception as error:  # noqa: BLE001 - a project's own check may raise anything
        found.append(_failure(validator, candidate, error))
    return found


def _failure(validator: Validator, candidate: Candidate, error: Exception) -> Diagnostic:
    frames = traceback.extract_tb(error.__traceback__)
    frame = frames[1] if len(frames) > 1 else None  # the first is this module's
    inside = [f for f in frames if frame is not None and f.filename == frame.filename]
    name = getattr(validator, "name", type(validator).__name__)
    file = None if not inside else _relative(Path(inside[-1].filename), candidate.source.base)
    return Diagnostic(
        code=FAILED_CHECK,
        severity=Severity.WARNING,
        message=f"the check {name!r} failed: {type(error).__name__}: {error}",
        plugin=candidate.name,
        file=file,
        line=inside[-1].lineno if inside else None,
        hint="correct the check; the others have run",
    )


def _relative(path: Path, base: Path) -> str:
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return path.as_posix()


def _order(diagnostic: Diagnostic) -> tuple[str, str, int, int, str, str]:
    return (
        diagnostic.plugin or "",
        diagnostic.file or "",
        diagnostic.line or 0,
        diagnostic.column or 0,
        diagnostic.code,
        diagnostic.message,
    )


class _Texts:
    """The lines of the files that diagnostics are about, decoded when needed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files: dict[str, SourceFile] | None = None
        self._lines: dict[str, list[str]] = {}

    def silences(self, diagnostic: Diagnostic) -> bool:
        """True when a comment on the marked line names the diagnostic's code."""
        if diagnostic.line is None or diagnostic.code.startswith("SYN"):
            return False
        file = self._file(diagnostic.file)
        if file is None or b"devserver: ignore" not in file.content:
            return False
        ends = {diagnostic.line, diagnostic.end_line or diagnostic.line}
        return any(
            diagnostic.code in (code.strip().upper() for code in match.group(1).split(","))
            for number in ends
            for text in self._between(diagnostic.file, number, number)
            for match in _IGNORE.finditer(text)
        )

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

    def _between(self, path: str | None, first: int, last: int) -> tuple[str, ...]:
        file = self._file(path)
        if path is None or file is None:
            return ()
        if path not in self._lines:
            self._lines[path] = _decoded(file.content).split("\n")
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


def _decoded(content: bytes) -> str:
    try:
        return decode(content)
    except Unparsable:
        return content.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
