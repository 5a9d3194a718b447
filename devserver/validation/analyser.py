"""Turns a plugin's source into a candidate; the same content is analysed once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, MappingProxyType

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.manifest import Manifest, split_requirement
from devserver.core.names import normalise, problem_with
from devserver.core.source import PluginSource, SourceFile
from devserver.validation.analysis import ModuleAnalysis, Span
from devserver.validation.candidate import MANIFEST, Candidate, Dependency
from devserver.validation.entry import plugin_classes
from devserver.validation.host_use import host_use
from devserver.validation.lookup import ROOT, Lookup
from devserver.validation.manifest_file import ManifestReading, read_manifest
from devserver.validation.outline import SyntaxProblem, Unparsable, outline, parse
from devserver.validation.storage import AnalysisStore

_Module = ModuleAnalysis | SyntaxProblem


class Analyser:
    """Analyses sources; `cache_dir` is the project's .plugin_cache, None for no cache on disk.

    Remembers the last analysis of each module and the last candidate of each plugin. With
    `deferred` the cache is written at a `flush` alone. `keep_code` gets what the compiler made
    of a module that had to be analysed: content, path, code. For one thread at a time, but for
    `flush`.
    """

    def __init__(
        self,
        cache_dir: Path | None,
        *,
        deferred: bool = False,
        keep_code: Callable[[bytes, str, CodeType], None] | None = None,
    ) -> None:
        self._store = None if cache_dir is None else AnalysisStore(cache_dir / "analysis")
        self._deferred = deferred
        self._keep_code = keep_code
        self._modules: dict[tuple[str, str], tuple[str, _Module]] = {}
        self._manifests: dict[str, tuple[str, ManifestReading]] = {}
        self._candidates: dict[tuple[Path, str], Candidate] = {}

    def analyse(self, source: PluginSource) -> Candidate:
        """What validation knows of a plugin. Never raises for what the source holds."""
        place = (source.root, source.name)
        known = self._candidates.get(place)
        if known is not None and _is_same(known.source, source):
            return known
        candidate = self._analysed(source)
        self._candidates[place] = candidate
        return candidate

    def flush(self) -> None:
        """Writes what was found since the last time to the cache."""
        if self._store is not None:
            self._store.flush()

    def _analysed(self, source: PluginSource) -> Candidate:
        files = {n: f for n, f in source.modules().items() if not _is_test(source, f)}
        package = f"{ROOT}.{normalise(source.name)}"
        modules: dict[str, ModuleAnalysis] = {}
        early: list[Diagnostic] = []
        for name, file in files.items():
            found = self._module(source, name, file)
            if isinstance(found, ModuleAnalysis):
                modules[name] = found
            else:
                early.append(_refusal(source, file, found))
        reading = self._manifest(source)
        candidate = Candidate(
            source=source,
            manifest=reading.manifest,
            modules=MappingProxyType(modules),
            dependencies=(),
            early=(*early, *source.unread, *reading.diagnostics),
            module_names=_importable(package, files, source.single_file),
            use=host_use(modules.values()),
        )
        dependencies = (*_declared(candidate), *_imported(candidate))
        return dataclasses.replace(candidate, dependencies=dependencies)

    def _module(self, source: PluginSource, name: str, file: SourceFile) -> _Module:
        path = source.project_path(file.relative)
        known = self._modules.get((name, path))
        if known is not None and known[0] == file.digest:
            return known[1]
        found = self._read(name, path, file, is_package=_is_package(source, file))
        self._modules[name, path] = (file.digest, found)
        return found

    def _read(self, name: str, path: str, file: SourceFile, *, is_package: bool) -> _Module:
        store = self._store
        if store is not None:
            stored = store.find(file.digest, name=name, file=path, is_package=is_package)
            if stored is not None:
                return stored
        try:
            parsed = parse(file.content)
        except Unparsable as error:
            return error.problem
        if self._keep_code is not None:
            code = parsed.code_of(str(file.path))
            if code is not None:
                self._keep_code(file.content, str(file.path), code)
        found = outline(parsed, name=name, file=path, is_package=is_package)
        if store is not None:
            store.put(file.digest, found)
            if not self._deferred:
                store.flush()
        return found

    def _manifest(self, source: PluginSource) -> ManifestReading:
        file = None if source.single_file else source.files.get(MANIFEST)
        if file is None:
            return ManifestReading(manifest=Manifest())
        path = source.project_path(MANIFEST)
        known = self._manifests.get(path)
        if known is not None and known[0] == file.digest:
            return known[1]
        reading = read_manifest(file.content, file=path, plugin=source.name)
        self._manifests[path] = (file.digest, reading)
        return reading


def _is_same(one: PluginSource, other: PluginSource) -> bool:
    return one.digest == other.digest and one.base == other.base


def _is_test(source: PluginSource, file: SourceFile) -> bool:
    return not source.single_file and file.relative.startswith("tests/")


def _is_package(source: PluginSource, file: SourceFile) -> bool:
    return not source.single_file and file.relative.rpartition("/")[2] == "__init__.py"


def _importable(package: str, files: dict[str, SourceFile], single_file: bool) -> frozenset[str]:
    """The modules, and the folders that hold them."""
    found = {package, *files}
    if not single_file:
        for name in files:
            parent = name.rpartition(".")[0]
            while len(parent) > len(package):
                found.add(parent)
                parent = parent.rpartition(".")[0]
    return frozenset(found)


def _refusal(source: PluginSource, file: SourceFile, problem: SyntaxProblem) -> Diagnostic:
    return Diagnostic(
        code=problem.code,
        severity=Severity.ERROR,
        message=problem.message,
        plugin=source.name,
        file=source.project_path(file.relative),
        line=problem.span.line,
        column=problem.span.column,
        end_line=problem.span.end_line,
        end_column=problem.span.end_column,
        hint=problem.hint,
    )


# -- dependencies -----------------------------------------------------------------------------


def _declared(candidate: Candidate) -> Iterator[Dependency]:
    """Those of the manifest, else those of the class attribute `dependencies`."""
    if candidate.manifest.dependencies:
        text = candidate.source.files[MANIFEST].content.decode(errors="replace")
        start = max(text.find('"dependencies"'), 0)
        for name, specifier in candidate.manifest.dependencies.items():
            place = re.compile(rf'"{re.escape(name)}["<>=!~ ]').search(text, start)
            yield Dependency(
                name=normalise(name),
                kind="declared",
                specifier=specifier,
                file=candidate.manifest_file,
                line=None if place is None else text.count("\n", 0, place.start()) + 1,
            )
        return
    for analysis, found in plugin_classes(candidate, Lookup({candidate.key: candidate})):
        attribute = found.attribute("dependencies")
        if attribute is None or not attribute.literal:
            continue
        for name, specifier in _entries(attribute.value):
            yield Dependency(
                name=normalise(name),
                kind="declared",
                specifier=specifier,
                file=analysis.file,
                line=attribute.span.line,
            )


def _entries(value: object) -> list[tuple[str, str]]:
    """Names with specifiers; what is neither a list nor a mapping of strings declares nothing."""
    if isinstance(value, dict):
        pairs = [(k, v) for k, v in value.items() if isinstance(v, str)]
    elif isinstance(value, list):
        pairs = [split_requirement(v) for v in value if isinstance(v, str)]
    else:
        return []
    return [(name, specifier) for name, specifier in pairs if problem_with(name) is None]


def _imported(candidate: Candidate) -> Iterator[Dependency]:
    """The plugins that the modules import, each once: at the first place."""
    seen: set[str] = set()
    for analysis in candidate.modules.values():
        for module, span in imported_modules(analysis):
            parts = module.split(".")
            if parts[0] != ROOT or len(parts) < 2 or parts[1] in seen | {candidate.key}:
                continue
            seen.add(parts[1])
            yield Dependency(name=parts[1], kind="imported", file=analysis.file, line=span.line)


def imported_modules(analysis: ModuleAnalysis) -> Iterator[tuple[str, Span]]:
    """The absolute names that a module imports at run time; `from plugins import a` is
    `plugins.a`."""
    for found in analysis.imports:
        absolute = analysis.absolute(found.module, found.level)
        if found.type_checking or absolute is None:
            continue
        if absolute == ROOT:
            for imported in found.names:
                if imported.name != "*":
                    yield f"{ROOT}.{imported.name}", imported.span
        else:
            yield absolute, found.span
