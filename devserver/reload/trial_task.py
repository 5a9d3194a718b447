"""What a trial is to do, and how it travels: only what the other side does not have is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from devserver.core.source import PluginSource, SourceFile


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


class SourceSender:
    """Packs tasks for one receiver and remembers what that has got."""

    def __init__(self) -> None:
        self._sent: dict[str, tuple[str, dict[str, str]]] = {}

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
        digest, known = self._sent.get(source.name, ("", {}))
        if digest == source.digest:
            return {"name": source.name, "digest": digest, "files": None}
        # Only modules are executed; a plugin reads its other files from the disk itself.
        modules = {r: f for r, f in source.files.items() if r.endswith(".py")}
        self._sent[source.name] = source.digest, {r: f.digest for r, f in modules.items()}
        return {
            "name": source.name,
            "digest": source.digest,
            "root": str(source.root),
            "base": str(source.base),
            "single_file": source.single_file,
            "files": {
                r: (str(f.path), f.digest, None if known.get(r) == f.digest else f.content)
                for r, f in modules.items()
            },
        }


class SourceShelf:
    """The sources that a receiver has got so far, the latest of each plugin."""

    def __init__(self) -> None:
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
            for relative, (path, digest, content) in packed["files"].items()
        }
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
