"""Who depends on whom, and in what order they are loaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import networkx as nx

from devserver.core.errors import DependencyCycle


class DependencyGraph:
    """Plugins by key; an edge runs from a dependency to its dependent. Kept and changed, not
    built anew: a reload costs what its own plugins cost."""

    def __init__(self) -> None:
        self._graph: nx.DiGraph[str] = nx.DiGraph()

    def put(self, key: str, dependencies: Mapping[str, str]) -> None:
        """Sets what a plugin depends on: name → kind (`declared`, `imported`, or both)."""
        self.take_out(key)
        self._graph.add_node(key)
        for name, kind in dependencies.items():
            if name != key:
                self._graph.add_edge(name, key, kind=kind)

    def take_out(self, key: str) -> None:
        """The plugin depends on nothing any more; what depends on it still does."""
        if key in self._graph:
            self._graph.remove_edges_from(list(self._graph.in_edges(key)))

    def dependencies(self, key: str) -> dict[str, str]:
        """What the plugin itself depends on: key → kind."""
        if key not in self._graph:
            return {}
        return {name: str(d["kind"]) for name, _, d in self._graph.in_edges(key, data=True)}

    def dependents(self, key: str) -> frozenset[str]:
        """Who depends on the plugin itself."""
        return frozenset(self._graph.successors(key)) if key in self._graph else frozenset()

    def all_dependents(self, keys: Iterable[str]) -> frozenset[str]:
        """Everybody who depends on one of `keys`, however far; without `keys`."""
        return self._reachable(keys, self._graph.successors)

    def all_dependencies(self, keys: Iterable[str]) -> frozenset[str]:
        """Everything that one of `keys` depends on, however far; without `keys`."""
        return self._reachable(keys, self._graph.predecessors)

    def order(self, keys: Collection[str]) -> list[str]:
        """`keys`, dependencies first, otherwise by name.

        Raises DependencyCycle with its path.
        """
        part: nx.DiGraph[str] = nx.DiGraph()
        part.add_nodes_from(sorted(keys))
        known = [k for k in keys if k in self._graph]
        part.add_edges_from((a, b) for b in known for a in self._graph.predecessors(b) if a in part)
        try:
            return list(nx.lexicographical_topological_sort(part))
        except nx.NetworkXUnfeasible:
            raise DependencyCycle(cycle_path(part)) from None

    def cyclic(self) -> frozenset[str]:
        """All plugins that are part of a circle."""
        return frozenset(
            key
            for component in nx.strongly_connected_components(self._graph)
            if len(component) > 1
            for key in component
        )

    def edges(self) -> list[tuple[str, str, str]]:
        """(dependent, dependency, kind), sorted."""
        return sorted((b, a, str(d["kind"])) for a, b, d in self._graph.edges(data=True))

    def _reachable(self, keys: Iterable[str], step: object) -> frozenset[str]:
        start = [k for k in keys if k in self._graph]
        seen = set(start)
        queue = list(start)
        while queue:
            for other in step(queue.pop()):  # type: ignore[operator]
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
        return frozenset(seen.difference(start))


def order_anyway(names: Collection[str], needs: Iterable[tuple[str, str]]) -> list[str]:
    """`names`, dependencies first, otherwise by name; `needs` are pairs of who depends and on
    whom. In a circle the order is by name."""
    below: dict[str, list[str]] = {}
    for dependent, dependency in needs:
        below.setdefault(dependent, []).append(dependency)
    ordered: dict[str, None] = {}
    entered: set[str] = set()
    waiting = [(name, False) for name in sorted(names, reverse=True)]
    while waiting:
        name, is_ready = waiting.pop()
        if is_ready:
            ordered[name] = None
        elif name not in entered:
            entered.add(name)
            waiting.append((name, True))
            waiting += [(n, False) for n in sorted(below.get(name, ()), reverse=True)]
    known = frozenset(names)
    return [name for name in ordered if name in known]


def cycle_path(graph: nx.DiGraph[str]) -> list[str]:
    """A circle as names along "depends on", first and last the same."""
    edges = nx.find_cycle(graph.reverse(copy=False))
    names = [a for a, *_ in edges]
    return [*names, names[0]]
