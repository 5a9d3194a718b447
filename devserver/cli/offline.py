"""What the files of a project tell of its plugins, in the shapes of the API."""

from __future__ import annotations

from typing import Any

from devserver.assembly import OfflineProject
from devserver.cli.offline_switch import enabled_in
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise
from devserver.runtime.project import Project
from devserver.validation.candidate import Candidate

STATUS = "registered"
"""Known, and not loaded: nothing runs."""
DISABLED = "disabled"
"""The next start does not load it."""
REASON = "no dev server is running"


class OfflinePlugins:
    """Answers that need no server. Names are accepted in either spelling."""

    def __init__(self, project: Project) -> None:
        self._offline = OfflineProject(project)
        self._known = self._offline.candidates()
        self._edges = self._offline.edges()
        self._enabled = enabled_in(project)

    def rows(self) -> list[dict[str, Any]]:
        """Every plugin, as `GET /api/plugins` lists it."""
        found = sorted(self._known.values(), key=lambda c: c.name.lower())
        return [
            {
                **self._identity(candidate),
                "last_loaded": None,
                "enabled": self._enabled.get(candidate.key, True),
                "health": {"status": "unknown", "healthy": None, "message": REASON},
                "reload_count": 0,
                "routes_count": 0,
                "dependencies": self._needs(candidate.key),
                "dependents": self._needed_by(candidate.key),
            }
            for candidate in found
        ]

    def info(self, name: str) -> dict[str, Any]:
        """One plugin, in the shape of its `info`, as far as files tell. Raises PluginNotFound."""
        candidate = self._get(name)
        manifest = candidate.manifest
        report = self._offline.validate([candidate.key])
        kinds = {e.target: e.kind for e in self._edges if normalise(e.source) == candidate.key}
        return {
            **self._identity(candidate),
            "title": manifest.title,
            "author": manifest.author,
            "license": manifest.license,
            "files": len(candidate.source.files),
            "dependencies": [{"name": self._shown(k), "kind": v} for k, v in sorted(kinds.items())],
            "dependents": self._needed_by(candidate.key),
            "permissions": [{"key": key, "description": ""} for key in manifest.permissions],
            "services": list(manifest.services),
            "events": manifest.events.model_dump(),
            "diagnostics": [d.to_json() for d in report.diagnostics],
        }

    def graph(self) -> dict[str, Any]:
        """The shape of `GET /api/graph`."""
        return {
            "nodes": [{"name": row["name"], "status": row["status"]} for row in self.rows()],
            "edges": [
                {"from": self._shown(e.source), "to": self._shown(e.target), "kind": e.kind}
                for e in self._edges
            ],
        }

    def _get(self, name: str) -> Candidate:
        candidate = self._known.get(normalise(name))
        if candidate is None:
            raise PluginNotFound(name)
        return candidate

    def _needs(self, key: str) -> list[str]:
        return sorted(self._shown(e.target) for e in self._edges if normalise(e.source) == key)

    def _needed_by(self, key: str) -> list[str]:
        return sorted(self._shown(e.source) for e in self._edges if normalise(e.target) == key)

    def _shown(self, key: str) -> str:
        """A name in its folder's spelling."""
        candidate = self._known.get(normalise(key))
        return key if candidate is None else candidate.name

    def _identity(self, candidate: Candidate) -> dict[str, Any]:
        enabled = self._enabled.get(candidate.key, True)
        return {
            "name": candidate.name,
            "version": candidate.manifest.version or "",
            "status": STATUS if enabled else DISABLED,
            "reason": REASON if enabled else "disabled by the operator",
            "generation": 0,
            "pending": False,
            "location": candidate.source.location,
            "description": candidate.manifest.description or "",
        }
