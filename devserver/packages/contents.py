"""What a package holds: one plugin with a name, a version and requirements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from devserver.core.manifest import Manifest
from devserver.core.names import normalise, problem_with
from devserver.core.source import PluginSource, SourceFile
from devserver.core.versions import find_version
from devserver.packages.archive import read_archive
from devserver.packages.refusal import PackageRefused, problem
from devserver.runtime.host_settings import PackageSettings
from devserver.runtime.project import Project
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import MANIFEST, Candidate, World
from devserver.validation.distributions import REQUIREMENTS
from devserver.validation.entry import stated_version

LAYOUT = "PKG013"
NO_VERSION = "PKG014"

_ENTRIES = ("plugin.py", "__init__.py")
_LEFTOVERS = frozenset({"__MACOSX", "__pycache__"})
_LAY_OUT = "pack one folder NAME/ with plugin.py or __init__.py and manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A judged package. `files` are by path below the plugin's folder; `version` is normalised,
    `sha256` that of the archive itself."""

    name: str
    version: str
    files: Mapping[str, bytes]
    sha256: str
    candidate: Candidate

    @property
    def key(self) -> str:
        return normalise(self.name)

    @property
    def manifest(self) -> Manifest:
        return self.candidate.manifest

    @property
    def requirements(self) -> str:
        """The text of requirements.txt, empty without one."""
        return self.files.get(REQUIREMENTS, b"").decode(errors="replace")


def read_contents(content: bytes, limits: PackageSettings, project: Project) -> Contents:
    """The plugin in an archive. Nothing is written, and nothing of it is executed.

    Raises PackageRefused.
    """
    archive = read_archive(content, limits)
    name, files = _laid_out(archive.files)
    candidate = Analyser(None).analyse(source_of(name, files, project))
    return Contents(
        name=name,
        version=_version(candidate),
        files=files,
        sha256=hashlib.sha256(content).hexdigest(),
        candidate=candidate,
    )


def source_of(name: str, files: Mapping[str, bytes], project: Project) -> PluginSource:
    """The files as the source that they would be in plugins/."""
    root = project.plugins / name
    return PluginSource.of(
        name=name,
        root=root,
        base=project.root,
        files=[SourceFile.of(root / path, path, data) for path, data in files.items()],
        single_file=False,
    )


def _laid_out(files: Mapping[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """The plugin's name, and its files by path below its folder."""
    kept = {path: data for path, data in files.items() if not _is_leftover(path)}
    if any(entry in kept for entry in _ENTRIES):
        return _name_in(kept), kept
    tops = sorted({path.partition("/")[0] for path in kept})
    if len(tops) != 1 or not any(f"{tops[0]}/{entry}" in kept for entry in _ENTRIES):
        told = "it holds no plugin" if not kept else "it is not one folder with a plugin"
        raise PackageRefused([problem(LAYOUT, told, _LAY_OUT)])
    below = {path.partition("/")[2]: data for path, data in kept.items()}
    stated = _stated_name(below)
    if stated is not None and normalise(stated) != normalise(tops[0]):
        told = f"its folder is {tops[0]!r}, but its manifest says {stated!r}"
        hint = f"rename the folder to {stated} and pack it again"
        raise PackageRefused([problem(LAYOUT, told, hint)])
    return _checked(tops[0]), below


def _is_leftover(path: str) -> bool:
    """What packing programs and Python leave behind, which is no part of a plugin."""
    found = PurePosixPath(path)
    return bool(_LEFTOVERS & set(found.parts)) or found.name == ".DS_Store"


def _name_in(files: Mapping[str, bytes]) -> str:
    stated = _stated_name(files)
    if stated is None:
        told = "it has no folder, and no manifest that names the plugin"
        raise PackageRefused([problem(LAYOUT, told, _LAY_OUT)])
    return _checked(stated)


def _stated_name(files: Mapping[str, bytes]) -> str | None:
    try:
        manifest = json.loads(files.get(MANIFEST, b"null"))
    except (ValueError, RecursionError):
        return None
    name = manifest.get("name") if isinstance(manifest, dict) else None
    return name if isinstance(name, str) else None


def _checked(name: str) -> str:
    told = problem_with(name)
    if told is not None:
        raise PackageRefused([problem(LAYOUT, told, "rename the plugin and its folder")])
    return name


def version_of(candidate: Candidate) -> str:
    """The plugin's version, normalised; empty where none is stated, or it is not sure."""
    world = World(plugins={candidate.key: candidate}, running={}, changed=frozenset())
    found = stated_version(candidate, world.lookup)
    if found is None:
        found = find_version(candidate.manifest.version or "")
    return "" if found is None else str(found)


def _version(candidate: Candidate) -> str:
    found = version_of(candidate)
    if not found:
        told = "neither its manifest nor its class states a version"
        hint = 'write `"version": "1.0.0"` (PEP 440) into manifest.json'
        raise PackageRefused([problem(NO_VERSION, told, hint)])
    return found
