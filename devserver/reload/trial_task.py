"""What a trial is to do, and how it travels: only what the other side does not have is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Any

from devserver.core.source import PluginSource, SourceFile
from devserver.runtime.code_cache import CodeCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What surrounds a trial. `path` to `argv` are those of the live process, `environment` the
    folders whose modules are the interpreter's or installed ones. `timeout` is in seconds for
    each entry, `memory_mb` what the trial may use beyond what it begins with."""

    timeout: float
    memory_mb: int
    path: tuple[str, ...]
    environ: Mapping[str, str]
    folder: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Executes `entries` in this order; `context` as far as they import it."""

    entries: tuple[PluginSource, ...]
    context: tuple[PluginSource, ...]
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class _Sent:
    """A source that the receiver has: path and digest of each module. `bare` are the modules
    that it has no code of."""

    digest: str
    root: Path
    modules: Mapping[str, tuple[str, str]]
    bare: frozenset[str]

    def is_(self, source: PluginSource) -> bool:
        return self.digest == source.digest and self.root == source.root


class SourceSender:
    """Packs tasks for one receiver and remembers what that has got. Modules that are in the
    memory of `code` are sent compiled too."""

    def __init__(self, code: CodeCache | None = None) -> None:
        self._code = code or CodeCache(None)
        self._sent: dict[str, _Sent] = {}

    def pack(
        self,
        entries: Sequence[PluginSource],
        context: Sequence[PluginSource],
        conditions: Conditions,
    ) -> dict[str, Any]:
        """The message that `SourceShelf.unpack` makes a Task of."""
        names = {source.name for source in entries}
        return {
            "entries": [self._packed(source) for source in entries],
            "context": [self._packed(s) for s in context if s.name not in names],
            "conditions": {
                name: dict(value) if isinstance(value, Mapping) else value
                for name in Conditions.__slots__
                for value in [getattr(conditions, name)]
            },
        }

    def forget(self) -> None:
        """The receiver has lost what it had; everything is sent again."""
        self._sent.clear()

    def _packed(self, source: PluginSource) -> dict[str, Any]:
        known = self._sent.get(source.name)
        same = known is not None and known.is_(source)
        if same and known is not None and not known.bare:
            return _unchanged(source)
        # Only modules are executed; a plugin reads its other files from the disk itself.
        modules = {r: f for r, f in source.files.items() if r.endswith(".py")}
        has = {} if known is None else known.modules
        bare = frozenset() if known is None else known.bare
        files: dict[str, tuple[str, str, bytes | None, CodeType | None]] = {}
        for relative, file in modules.items():
            path = str(file.path)
            is_there = has.get(relative) == (path, file.digest)
            code = (
                None if is_there and relative not in bare else self._code.find(file.content, path)
            )
            files[relative] = path, file.digest, None if is_there else file.content, code
        if same and not any(code for _, _, _, code in files.values()):
            return _unchanged(source)
        self._sent[source.name] = _Sent(
            source.digest,
            source.root,
            {relative: (path, digest) for relative, (path, digest, _, _) in files.items()},
            frozenset(
                relative
                for relative, (_, _, content, code) in files.items()
                if code is None and (content is not None or relative in bare)
            ),
        )
        return {
            "name": source.name,
            "digest": source.digest,
            "root": str(source.root),
            "base": str(source.base),
            "single_file": source.single_file,
            "files": files,
        }


def _unchanged(source: PluginSource) -> dict[str, Any]:
    return {"name": source.name, "digest": source.digest, "files": None}


class SourceShelf:
    """The sources that a receiver has got so far, the latest of each plugin; what came compiled
    is in `code`."""

    def __init__(self, code: CodeCache | None = None) -> None:
        self._code = code or CodeCache(None)
        self._sources: dict[str, PluginSource] = {}

    def unpack(self, message: Mapping[str, Any]) -> Task:
        """Raises KeyError when the message counts on a source that is not here."""
        return Task(
            entries=tuple(self._take(packed) for packed in message["entries"]),
            context=tuple(self._take(packed) for packed in message["context"]),
            conditions=Conditions(**message["conditions"]),
        )

    def _take(self, packed: Mapping[str, Any]) -> PluginSource:
        name = packed["name"]
        known = self._sources.get(name)
        if packed["files"] is None:
            if known is None or known.digest != packed["digest"]:
                raise KeyError(name)
            return known
        before = {} if known is None else {f.digest: f.content for f in known.files.values()}
        files = {
            relative: SourceFile(
                path=Path(path),
                relative=relative,
                content=before[digest] if content is None else content,
                digest=digest,
            )
            for relative, (path, digest, content, _) in packed["files"].items()
        }
        for relative, (path, _, _, code) in packed["files"].items():
            if code is not None:
                self._code.put(files[relative].content, path, code, write=False)
        source = PluginSource(
            name=name,
            root=Path(packed["root"]),
            base=Path(packed["base"]),
            single_file=packed["single_file"],
            files=MappingProxyType(files),
            digest=packed["digest"],
        )
        self._sources[name] = source
        return source
