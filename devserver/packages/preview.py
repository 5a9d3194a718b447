"""What an installation would change, told before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devserver.packages.contents import Contents, version_of
from devserver.packages.requirements import Needed
from devserver.packages.trees import files_of
from devserver.validation.candidate import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`installed` is the version that stands in plugins/ now, None for none or one that no
    package has brought; `edited` is True for the latter. `stands` is the version that it
    says, empty where that is not sure. Files are relative paths.
    `new_permissions` are those of `permissions` that the installed version does not have."""

    name: str
    version: str
    sha256: str
    installed: str | None
    edited: bool
    stands: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    permissions: tuple[str, ...]
    new_permissions: tuple[str, ...]
    requirements: tuple[Needed, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it by name; requirements as `{requirement, problem}`."""
        return {
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "installed": self.installed,
            "edited": self.edited,
            "stands": self.stands,
            "files": {
                "added": list(self.added),
                "changed": list(self.changed),
                "removed": list(self.removed),
            },
            "permissions": list(self.permissions),
            "new_permissions": list(self.new_permissions),
            "requirements": [
                {"requirement": str(n.requirement), "problem": n.problem} for n in self.requirements
            ],
        }


def preview_of(
    contents: Contents,
    *,
    place: Path | None,
    installed: str | None,
    stands: Candidate | None,
    needed: list[Needed],
) -> Preview:
    """Compares a package with the plugin at `place` (None: there is none), which is `stands`."""
    before = {} if place is None else _files_at(place)
    now = contents.files
    granted = frozenset(() if stands is None else stands.manifest.permissions)
    asked = tuple(contents.manifest.permissions)
    return Preview(
        name=contents.name,
        version=contents.version,
        sha256=contents.sha256,
        installed=installed,
        edited=place is not None and installed is None,
        stands="" if stands is None else version_of(stands),
        added=tuple(sorted(now.keys() - before.keys())),
        changed=tuple(sorted(p for p in now.keys() & before.keys() if now[p] != before[p])),
        removed=tuple(sorted(before.keys() - now.keys())),
        permissions=asked,
        new_permissions=tuple(p for p in asked if p not in granted),
        requirements=tuple(needed),
    )


def _files_at(place: Path) -> Mapping[str, bytes]:
    return {place.name: place.read_bytes()} if place.is_file() else files_of(place)
