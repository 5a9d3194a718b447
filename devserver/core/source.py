"""A plugin's source as it was read at one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from devserver.core.diagnostics import Diagnostic


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
    `unread` are warnings on code that could not be read, as it is no ordinary file.
    """

    name: str
    root: Path
    base: Path
    single_file: bool
    files: Mapping[str, SourceFile]
    digest: str
    unread: tuple[Diagnostic, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        name: str,
        root: Path,
        base: Path,
        files: Iterable[SourceFile],
        single_file: bool,
        unread: Iterable[Diagnostic] = (),
    ) -> PluginSource:
        by_path = {f.relative: f for f in sorted(files, key=lambda f: f.relative)}
        unread = tuple(unread)
        lines = [f"{f.relative}\0{f.digest}" for f in by_path.values()]
        joined = "\n".join([*lines, *(f"{d.file}\0{d.message}" for d in unread)])
        return cls(
            name=name,
            root=root,
            base=base,
            single_file=single_file,
            files=MappingProxyType(by_path),
            digest=digest_of(joined.encode()),
            unread=unread,
        )

    def project_path(self, relative: str) -> str:
        """A file of the plugin as diagnostics name it: relative to the project root."""
        path = self.root / relative
        try:
            return path.relative_to(self.base).as_posix()
        except ValueError:
            return path.as_posix()

    def is_same(self, other: PluginSource) -> bool:
        """The same content at the same place."""
        return (self.digest, self.root, self.name) == (other.digest, other.root, other.name)

    @property
    def location(self) -> str:
        """The folder or the single file, as diagnostics name it."""
        return self.project_path(next(iter(self.files), "") if self.single_file else "")

    def reason_unread(self, module: str) -> str | None:
        """Why a module (by import name) could not be read, with its file; None when it could,
        or is not there."""
        place = "/".join(module.split(".")[2:])
        files = {self.project_path(f"{place}.py"), self.project_path(f"{place}/__init__.py")}
        found = (d for d in self.unread if d.file in files)
        return next((f"{d.file} {d.message.removeprefix('the file ')}" for d in found), None)

    def called(self, name: str) -> PluginSource:
        """The same files as a plugin of that name."""
        return replace(self, name=name)

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
