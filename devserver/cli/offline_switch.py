"""Enable and disable while no server runs: the next start keeps to it."""

from __future__ import annotations

import sys
from typing import Any

from devserver.assembly import OfflineProject
from devserver.assembly.kept import keep_word, kept_words
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.core.graph import DependencyGraph
from devserver.core.lifecycle import DesiredState
from devserver.core.names import normalise
from devserver.core.outcome import OTHERS_FOLLOW_LATER
from devserver.core.switching import refuse_if_needed
from devserver.runtime.project import Project
from devserver.validation.candidate import Candidate


def switch_offline(project: Project, name: str, deed: str, *, force: bool) -> dict[str, Any]:
    """`enable` or `disable`; the answer as the API gives it.

    Raises PluginNotFound, SwitchRefused, DatabaseUnavailable.
    """
    offline = OfflineProject(project)
    known = offline.candidates()
    key = normalise(name)
    if key not in known:
        raise PluginNotFound(name)
    names, status = [known[key].name], DesiredState.ACTIVE
    if deed == "disable":
        status = DesiredState.INACTIVE
        names += _along(project, offline, known, key, force=force)
    is_shared = keep_word(project, names, status)
    print("no dev server is running: the next start keeps to it", file=sys.stderr)
    return {
        "message": f"Plugin {known[key].name} {deed}d successfully",
        "routes_affected": 0,
        "plugins": names,
        "notes": [OTHERS_FOLLOW_LATER] if is_shared else [],
    }


def enabled_in(project: Project) -> dict[str, bool]:
    """Key → whether the next start loads the plugin, as far as the store tells."""
    try:
        words = kept_words(project)
    except DevServerError as error:
        print(f"note: {error.message}", file=sys.stderr)
        return {}
    return {key: status is DesiredState.ACTIVE for key, status in words.items()}


def _along(
    project: Project,
    offline: OfflineProject,
    known: dict[str, Candidate],
    key: str,
    *,
    force: bool,
) -> list[str]:
    """The plugins that need one and are disabled with it."""
    graph = DependencyGraph()
    for other in known:
        graph.put(other, {e.target: e.kind for e in offline.edges() if e.source == other})
    words = kept_words(project)
    out = {k for k, status in words.items() if status is DesiredState.INACTIVE}
    needing = sorted(k for k in graph.all_dependents([key]) if k in known and k not in out)
    names = [known[k].name for k in needing if k != key]
    cores = [known[k].name for k in {key, *needing} if known[k].manifest.is_core]
    refuse_if_needed(known[key].name, "disabled", needing=names, cores=sorted(cores), force=force)
    return names
