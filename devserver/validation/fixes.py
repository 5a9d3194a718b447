"""Takes findings away by edits that are judged before anything is written."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from devserver.core.diagnostics import Diagnostic
from devserver.core.source import PluginSource, SourceFile
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import Candidate, World
from devserver.validation.edits import Edit, edit_for
from devserver.validation.pipeline import Pipeline
from devserver.validation.rules import FIXABLE
from devserver.validation.texts import decoded

_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A finding that an edit takes away."""

    diagnostic: Diagnostic
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedFile:
    """A file before and after; `file` is relative to the project."""

    path: Path
    file: str
    before: bytes
    after: bytes

    def diff(self) -> str:
        """A unified diff that `patch -p1` takes."""
        before, after = (decoded(c).splitlines(keepends=True) for c in (self.before, self.after))
        lines = difflib.unified_diff(before, after, f"a/{self.file}", f"b/{self.file}")
        return "".join(
            x if x.endswith("\n") else f"{x}\n\\ No newline at end of file\n" for x in lines
        )

    def write(self) -> bool:
        """Replaces the file in one step; False when it is no longer what was judged.

        Raises OSError.
        """
        target = self.path.resolve()
        if target.read_bytes() != self.before:
            return False
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.after)
            shutil.copymode(target, name)
            Path(name).replace(target)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What came of a plugin: `fixes` in order, `files` that would change, and how the plugin
    would be."""

    candidate: Candidate
    fixes: tuple[Fix, ...] = ()
    files: tuple[FixedFile, ...] = ()


class Fixer:
    """Fixes plugins in memory. An edit counts only when the plugin and all that depend on it
    have fewer findings with it and no more errors; so nothing gets worse."""

    def __init__(
        self,
        *,
        analyser: Analyser,
        pipeline: Pipeline,
        dependents: Callable[[Collection[str]], frozenset[str]],
    ) -> None:
        self._analyser = analyser
        self._pipeline = pipeline
        self._dependents = dependents

    def fix(self, key: str, plugins: Mapping[str, Candidate]) -> Fixed:
        """What edits can take away from the plugin `key` of `plugins`."""
        first = candidate = plugins[key]
        concerned = frozenset({key, *self._dependents([key])}) & frozenset(plugins)
        found = self._judge(plugins, candidate, concerned)
        fixes: list[Fix] = []
        tried: set[tuple[object, ...]] = set()
        for _ in range(_MOST):
            diagnostic = next((d for d in found if _is_new(d, candidate, tried)), None)
            if diagnostic is None:
                break
            edit = edit_for(diagnostic, candidate)
            tried.add(_identity(diagnostic, candidate))
            if edit is None:
                continue
            tried_out = self._analyser.analyse(_with(candidate.source, edit))
            after = self._judge(plugins, tried_out, concerned)
            if not tried_out.is_whole or not _is_better(found, after):
                continue
            candidate, found = tried_out, after
            fixes.append(Fix(diagnostic=diagnostic, note=edit.note))
        return Fixed(
            candidate=candidate, fixes=tuple(fixes), files=_changed(first.source, candidate.source)
        )

    def _judge(
        self, plugins: Mapping[str, Candidate], candidate: Candidate, concerned: frozenset[str]
    ) -> tuple[Diagnostic, ...]:
        world = World(plugins={**plugins, candidate.key: candidate}, running={}, changed=concerned)
        return self._pipeline.run(world).diagnostics


def _is_new(
    diagnostic: Diagnostic, candidate: Candidate, tried: Collection[tuple[object, ...]]
) -> bool:
    if diagnostic.code not in FIXABLE or diagnostic.plugin != candidate.name:
        return False
    return _identity(diagnostic, candidate) not in tried


def _identity(diagnostic: Diagnostic, candidate: Candidate) -> tuple[object, ...]:
    """A finding on this content: the same place in other content is another."""
    place = (diagnostic.code, diagnostic.file, diagnostic.line, diagnostic.column)
    return (*place, diagnostic.message, candidate.source.digest)


def _is_better(before: Collection[Diagnostic], after: Collection[Diagnostic]) -> bool:
    errors = [
        Counter((d.code, d.file, d.message) for d in found if d.is_error)
        for found in (before, after)
    ]
    return not errors[1] - errors[0] and len(after) < len(before)


def _with(source: PluginSource, edit: Edit) -> PluginSource:
    files = dict(source.files)
    old = files[edit.relative]
    files[edit.relative] = SourceFile.of(old.path, old.relative, edit.content)
    return PluginSource.of(
        name=source.name,
        root=source.root,
        base=source.base,
        files=files.values(),
        single_file=source.single_file,
    )


def _changed(before: PluginSource, after: PluginSource) -> tuple[FixedFile, ...]:
    return tuple(
        FixedFile(
            path=file.path,
            file=before.project_path(relative),
            before=file.content,
            after=after.files[relative].content,
        )
        for relative, file in before.files.items()
        if after.files[relative].content != file.content
    )
