"""Who needs whom, as `plugins deps` shows it, from the document of `/api/graph`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from devserver.cli.output import console_for
from devserver.cli.text import one_line
from devserver.core.errors import PluginNotFound
from devserver.core.graph import order_anyway
from devserver.core.names import normalise

if TYPE_CHECKING:
    from rich.tree import Tree

Links = Mapping[str, Mapping[str, str]]
"""Name → neighbour → kind of the dependency."""


class Dependencies:
    """The dependencies and dependents of one plugin. Raises PluginNotFound."""

    def __init__(self, graph: Mapping[str, Any], name: str) -> None:
        names = {normalise(node["name"]): str(node["name"]) for node in graph["nodes"]}
        if normalise(name) not in names:
            raise PluginNotFound(name)
        self.name = names[normalise(name)]
        self._needs: dict[str, dict[str, str]] = {}
        self._needed_by: dict[str, dict[str, str]] = {}
        for edge in graph["edges"]:
            source, target, kind = str(edge["from"]), str(edge["to"]), str(edge["kind"])
            self._needs.setdefault(source, {})[target] = kind
            self._needed_by.setdefault(target, {})[source] = kind

    def to_json(self) -> dict[str, Any]:
        """Direct ones with their kind, and the names of all, however far."""
        return {
            "name": self.name,
            "dependencies": _direct(self._needs, self.name),
            "dependents": _direct(self._needed_by, self.name),
            "all_dependencies": _all(self._needs, self.name),
            "all_dependents": _all(self._needed_by, self.name),
        }

    def draw(self) -> None:
        """Two trees on stdout: what it needs, and what is reloaded with it."""
        from rich.text import Text
        from rich.tree import Tree

        console = console_for()
        for links, some, none in (
            (self._needs, "needs", "needs no other plugin"),
            (self._needed_by, "is needed by", "is needed by no other plugin"),
        ):
            told = some if links.get(self.name) else none
            tree = Tree(Text.assemble((one_line(self.name), "bold"), f" {told}"), guide_style="dim")
            _grow(tree, links, self.name, above=(self.name,))
            console.print(tree)


def reload_order(graph: Mapping[str, Any]) -> list[str]:
    """All plugins, dependencies first; in a cycle the order is by name."""
    names = [str(node["name"]) for node in graph["nodes"]]
    return order_anyway(names, [(str(edge["from"]), str(edge["to"])) for edge in graph["edges"]])


def _direct(links: Links, name: str) -> list[dict[str, str]]:
    return [{"name": n, "kind": kind} for n, kind in sorted(links.get(name, {}).items())]


def _all(links: Links, name: str) -> list[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = set(links.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return sorted(found - {name})


def _grow(tree: Tree, links: Links, name: str, *, above: tuple[str, ...]) -> None:
    from rich.text import Text

    for neighbour, kind in sorted(links.get(name, {}).items()):
        circular = neighbour in above
        note = f"  {kind}" + (", circular" if circular else "")
        branch = tree.add(Text.assemble(one_line(neighbour), (note, "dim")))
        if not circular:
            _grow(branch, links, neighbour, above=(*above, neighbour))
