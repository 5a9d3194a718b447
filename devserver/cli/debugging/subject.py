"""The plugin that is looked at: on disk, running, or both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from devserver.cli.client import ServerClient
from devserver.cli.debugging import running
from devserver.cli.debugging.on_disk import PluginOnDisk
from devserver.cli.findings import Finding, ok, warning
from devserver.cli.graphs import PluginGraph
from devserver.cli.offline import OfflinePlugins
from devserver.core.errors import PluginNotFound
from devserver.core.names import problem_with
from devserver.runtime.project import Project

_LOOK_TIMEOUT = 60.0
"""Seconds for a collection of garbage, and for the capture of a plugin's state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`on_disk` is None for one that is not in plugins/, `live` for one that no server knows.
    `history` are its last outcomes, the newest first."""

    project: Project
    name: str
    client: ServerClient | None
    on_disk: PluginOnDisk | None
    live: dict[str, Any] | None
    history: list[dict[str, Any]]

    @classmethod
    def of(cls, project: Project, name: str, *, look: bool, outcomes: int) -> Self:
        """Asks the server too, where one runs: with `look` it collects garbage first, and gives
        as many outcomes. Raises PluginNotFound for one that is neither here nor there."""
        client = ServerClient.find(project)
        on_disk = _on_disk(project, name)
        live = None if client is None else _live(client, name, look=look)
        history = []
        if client is not None and live is not None:
            history = client.history(name, max(1, outcomes))
        if live is None and on_disk is None:
            raise PluginNotFound(name)
        shown = on_disk.name if live is None and on_disk is not None else (live or {})["name"]
        return cls(
            project=project,
            name=shown,
            client=client,
            on_disk=on_disk,
            live=live,
            history=history,
        )

    def findings(self) -> Iterator[Finding]:
        """What it is, and where."""
        if self.live is not None:
            found = () if self.on_disk is None else self.on_disk.found
            yield from running.of_plugin(self.live, {(d.code, d.file, d.line) for d in found})
        elif self.client is None:
            yield ok("plugin", "no dev server is running: this is what the files say")
        else:
            hint = "save it, or `sysctl plugins debug-watcher`"
            yield warning("plugin", "the server does not know it yet", hint)
        if self.on_disk is None:
            hint = "`sysctl plugins info` tells where it is served from"
            yield warning("files", "it is not in plugins/: its files are not looked at", hint)

    def graph(self) -> dict[str, Any] | None:
        """All around it, as `analyze-deps` tells it; None where nobody knows it."""
        if self.client is not None:
            graph = self.client.read("/api/graph")
        else:
            graph = OfflinePlugins(self.project).graph()
        try:
            return PluginGraph(graph, self.name).to_json()
        except PluginNotFound:
            return None


def _on_disk(project: Project, name: str) -> PluginOnDisk | None:
    try:
        return PluginOnDisk(project, name)
    except PluginNotFound:
        return None


def _live(client: ServerClient, name: str, *, look: bool) -> dict[str, Any] | None:
    if problem_with(name) is not None:
        return None
    query = {"look": "true"} if look else {}
    path = f"/api/plugins/{name}/debug"
    try:
        answer = client.call("GET", path, query=query, timeout=_LOOK_TIMEOUT, plugin=name)
    except PluginNotFound:
        return None
    return dict(answer.document)
