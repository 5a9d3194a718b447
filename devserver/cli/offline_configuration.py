"""Configuration of plugins while no server runs: the next start uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devserver.assembly import OfflineProject
from devserver.assembly.kept import keep_overrides, kept_overrides
from devserver.core.config_layers import with_overrides
from devserver.core.diagnostics import Diagnostic, has_errors
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise
from devserver.core.secrets import without_masks
from devserver.reload.configurations import explain
from devserver.runtime.project import Project
from devserver.validation.override_check import override_findings


class OfflineConfiguration:
    """Of one plugin. Raises PluginNotFound, and DatabaseUnavailable where what is set at run time
    cannot be read."""

    def __init__(self, project: Project, name: str) -> None:
        offline = OfflineProject(project)
        known = offline.candidates().get(normalise(name))
        if known is None:
            raise PluginNotFound(name)
        self._project = project
        self._candidate = known
        self._config = offline.configuration(known.key)
        self._overrides = kept_overrides(project, known.key)

    def explained(self) -> dict[str, Any]:
        """The shape of `GET /api/plugins/NAME/config`."""
        rows = explain(self._config, self._candidate.manifest, self._overrides)
        return {"plugin": self._candidate.name, "values": rows}

    def change(self, changes: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
        """Keeps them all, or with an error among what it gives none; None takes one out."""
        changes = without_masks(changes, self._candidate.manifest)
        now = with_overrides(self._config, self._overrides, changes)
        known = {*self._config, *self._overrides}
        found = tuple(override_findings(self._candidate, changes, now=now, known=known))
        if not has_errors(found):
            keep_overrides(self._project, self._candidate.key, changes)
        return found
