"""The graph of a project's plugins, for people and for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import networkx as nx

from devserver.cli.dependencies import reload_order
from devserver.cli.output import console_for
from devserver.cli.text import count, few, one_line
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise

_WIDE, _HIGH, _GAP, _ROW = 150, 34, 70, 54
"""Pixels: a box, the space between two columns, the distance of two rows."""
_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
    'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#888"/></marker></defs>'
)


class PluginGraph:
    """Made from the document of `/api/graph`; of `name` alone with all that it needs and all that
    needs it. Raises PluginNotFound."""

    def __init__(self, document: Mapping[str, Any], name: str | None = None) -> None:
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        self._known = {str(node["name"]): str(node["status"]) for node in document["nodes"]}
        self._graph.add_nodes_from(self._known)
        for edge in document["edges"]:
            self._graph.add_edge(str(edge["from"]), str(edge["to"]), kind=str(edge["kind"]))
        order = reload_order(document)
        if name is not None:
            found = next((n for n in self._known if normalise(n) == normalise(name)), None)
            if found is None:
                raise PluginNotFound(name)
            around = nx.ancestors(self._graph, found) | nx.descendants(self._graph, found)
            self._graph = self._graph.subgraph({found, *around}).copy()
        self._order = [n for n in order if n in self._graph]

    def to_json(self) -> dict[str, Any]:
        """`{plugins: [{name, status, depth, dependencies, dependents, reloads}], order, cycles,
        missing}`; `reloads` is what a save of it reloads."""
        return {
            "plugins": [self._row(name) for name in self._order],
            "edges": [{"from": a, "to": b, "kind": kind} for a, b, kind in self._edges()],
            "order": self._order,
            "cycles": [[*cycle, cycle[0]] for cycle in self._cycles()],
            "missing": self._missing(),
        }

    def draw(self) -> None:
        """A table on stdout, with what is wrong below it."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("PLUGIN", "STATUS", "NEEDS", "NEEDED BY", "A SAVE RELOADS"):
            table.add_column(title)
        for row in self.to_json()["plugins"]:
            cells = (
                few(row["dependencies"]),
                few(row["dependents"]),
                count(row["reloads"], "plugin"),
            )
            table.add_row(*map(one_line, (row["name"], row["status"], *cells)))
        console = console_for()
        console.print(table)
        for cycle in self._cycles():
            console.print(one_line(f"circle: {' → '.join([*cycle, cycle[0]])}"), style="red")
        for name in self._missing():
            users = few(sorted(self._graph.predecessors(name)))
            console.print(one_line(f"not there: {name}, needed by {users}"), style="red")

    def to_dot(self) -> str:
        """For Graphviz."""

        def quoted(text: str) -> str:
            return json.dumps(text, ensure_ascii=False)

        missing = self._missing()
        lines = [f"  {quoted(n)}{' [style=dashed]' * (n in missing)};" for n in sorted(self._graph)]
        lines += [
            f"  {quoted(a)} -> {quoted(b)} [label={quoted(kind)}];" for a, b, kind in self._edges()
        ]
        return "\n".join(["digraph plugins {", "  rankdir=LR;", "  node [shape=box];", *lines, "}"])

    def to_mermaid(self) -> str:
        """For Markdown pages."""
        ids = {name: f"p{i}" for i, name in enumerate(sorted(self._graph))}
        # There a backslash quotes nothing.
        texts = {name: name.replace('"', "#quot;") for name in ids}
        lines = [f'  {ids[n]}["{texts[n]}"]' for n in sorted(self._graph)]
        lines += [f"  {ids[a]} -->|{kind}| {ids[b]}" for a, b, kind in self._edges()]
        return "\n".join(["graph LR", *lines])

    def to_svg(self) -> str:
        """A drawing: what others need stands on the right."""
        places = self._places()
        width = max((x for x, _ in places.values()), default=0) + _WIDE + 20
        height = max((y for _, y in places.values()), default=0) + _HIGH + 20
        lines = [_line(places[a], places[b]) for a, b, _ in self._edges()]
        boxes = [_box(name, *places[name], missing=name not in self._known) for name in places]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                f'width="{width}" height="{height}" font-family="system-ui" font-size="13">',
                _ARROW,
                *lines,
                *boxes,
                "</svg>",
            ]
        )

    def _row(self, name: str) -> dict[str, Any]:
        needed_by = nx.ancestors(self._graph, name)
        return {
            "name": name,
            "status": self._known[name],
            "depth": self._depths()[name],
            "dependencies": sorted(self._graph.successors(name)),
            "dependents": sorted(self._graph.predecessors(name)),
            "reloads": len(needed_by | {name}),
        }

    def _edges(self) -> list[tuple[str, str, str]]:
        return sorted((a, b, str(d["kind"])) for a, b, d in self._graph.edges(data=True))

    def _cycles(self) -> list[list[str]]:
        """One for each knot of plugins that need each other, the same in every run."""
        knots = [k for k in nx.strongly_connected_components(self._graph) if len(k) > 1]
        return sorted(self._cycle(knot) for knot in knots)

    def _cycle(self, knot: set[str]) -> list[str]:
        edges = [(a, b) for a, b, _ in self._edges() if a in knot and b in knot]
        cycle = [a for a, _ in nx.find_cycle(nx.DiGraph(edges), min(knot))]
        first = cycle.index(min(cycle))
        return cycle[first:] + cycle[:first]

    def _missing(self) -> list[str]:
        return sorted(n for n in self._graph if n not in self._known)

    def _depths(self) -> dict[str, int]:
        """How many plugins stand below each, one upon the other; a knot counts as one."""
        whole = nx.condensation(self._graph)
        depths: dict[str, int] = {}
        for depth, level in enumerate(nx.topological_generations(whole.reverse())):
            for knot in level:
                depths.update(dict.fromkeys(whole.nodes[knot]["members"], depth))
        return depths

    def _places(self) -> dict[str, tuple[int, int]]:
        depths = self._depths()
        deepest = max(depths.values(), default=0)
        rows = [0] * (deepest + 1)
        found = {}
        for name in sorted(self._graph):
            column = deepest - depths[name]
            found[name] = (10 + column * (_WIDE + _GAP), 10 + rows[column] * _ROW)
            rows[column] += 1
        return found


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + _WIDE, start[1] + _HIGH // 2
    x2, y2 = end[0], end[1] + _HIGH // 2
    bend = _GAP // 2
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#888" marker-end="url(#arrow)"/>'


def _box(name: str, x: int, y: int, *, missing: bool) -> str:
    style = 'stroke="#c00" stroke-dasharray="4"' if missing else 'stroke="#444"'
    told = escape(name if len(name) <= 20 else f"{name[:19]}…")
    return (
        f'<g><title>{escape(name)}</title><rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" '
        f'rx="6" fill="#fff" {style}/><text x="{x + _WIDE // 2}" y="{y + _HIGH // 2 + 5}" '
        f'text-anchor="middle" fill="#222">{told}</text></g>'
    )
