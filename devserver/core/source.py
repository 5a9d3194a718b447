"""A plugin's source as it was read at one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


def digest_of(content: bytes) -> str:
    """The SHA-256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file. `relative` is its path below the plugin's folder, with forward slashes."""

    path: Path
    relative: str
    content: bytes = field(repr=False)
    digest: str

    @classmethod
    def of(cls, path: Path, relative: str, content: bytes) -> SourceFile:
        return cls(path=path, relative=relative, content=content, digest=digest_of(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSource:
    """All files of a plugin that belong to it when it runs, read at one moment.

    `name` is the folder's spelling, `root` the folder (or, for a single-file plugin, the folder
    that holds the file). `base` is the project root: diagnostics name files relative to it.
    """

    name: str
    root: Path
    base: Path
    single_file: bool
    files: Mapping[str, SourceFile]
    digest: str

    @classmethod
    def of(
        cls, *, name: str, root: Path, base: Path, files: Iterable[SourceFile], single_file: bool
    ) -> PluginSource:
        by_path = {f.relative: f for f in sorted(files, key=lambda f: f.relative)}
        joined = "\n".join(f"{f.relative}\0{f.digest}" for f in by_path.values())
        return cls(
            name=name,
            root=root,
            base=base,
            single_file=single_file,
            files=MappingProxyType(by_path),
            digest=digest_of(joined.encode()),
        )

    def project_path(self, relative: str) -> str:
        """A file of the plugin as diagnostics name it: relative to the project root."""
        path = self.root / relative
        try:
            return path.relative_to(self.base).as_posix()
        except ValueError:
            return path.as_posix()

    def modules(self) -> dict[str, SourceFile]:
        """Import name → file of every module, e.g. `plugins.users.models`.

        The package itself is `plugins.users` (its `__init__.py`, or the single file); a folder
        without `__init__.py` is importable but has no entry.
        """
        from devserver.core.names import normalise

        package = f"plugins.{normalise(self.name)}"
        found: dict[str, SourceFile] = {}
        for relative, file in self.files.items():
            if not relative.endswith(".py"):
                continue
            if self.single_file:
                found[package] = file
                continue
            parts = relative.removesuffix(".py").split("/")
            if parts[-1] == "__init__":
                parts.pop()
            found[".".join([package, *parts])] = file
        return found
