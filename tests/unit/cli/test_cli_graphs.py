"""The graph of plugins: what a save reloads, what is wrong, and drawings of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from devserver.cli.graphs import PluginGraph
from devserver.cli.main import main
from devserver.core.errors import PluginNotFound


def document(*edges: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """From `"orders users"` for an edge; a target that ends in ? is not there."""
    pairs = [edge.split() for edge in edges]
    names = {n for pair in pairs for n in pair if not n.endswith("?")} | {*more}
    return {
        "nodes": [{"name": n, "status": "active"} for n in sorted(names)],
        "edges": [{"from": a, "to": b.rstrip("?"), "kind": "declared"} for a, b in pairs],
    }


SHOP = document("orders users", "mailer orders", "mailer users", more=("clock",))


def test_a_save_reloads_all_that_depend_on_it() -> None:
    found = PluginGraph(SHOP).to_json()
    assert {p["name"]: (p["depth"], p["reloads"]) for p in found["plugins"]} == {
        "clock": (0, 1),
        "users": (0, 3),
        "orders": (1, 2),
        "mailer": (2, 1),
    }
    assert (found["cycles"], found["missing"]) == ([], [])
    assert found["order"].index("users") < found["order"].index("orders")


def test_of_one_plugin_only_what_belongs_to_it() -> None:
    found = PluginGraph(SHOP, "orders").to_json()
    assert {p["name"] for p in found["plugins"]} == {"users", "orders", "mailer"}
    with pytest.raises(PluginNotFound):
        PluginGraph(SHOP, "nobody")


def test_circles_and_what_is_missing_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    graph = PluginGraph(document("a b", "b c", "c a", "d gone?"))
    found = graph.to_json()
    assert found["cycles"] == [["a", "b", "c", "a"]]
    assert found["missing"] == ["gone"]
    assert '"gone" [style=dashed];' in graph.to_dot()
    graph.draw()
    out = capsys.readouterr().out
    assert "circle: a → b → c → a" in out
    assert "not there: gone, needed by d" in out


def test_names_are_quoted_in_drawings() -> None:
    graph = PluginGraph({"nodes": [{"name": 'ä"<b', "status": "active"}], "edges": []})
    assert '"ä\\"<b"' in graph.to_dot()
    assert '["ä#quot;<b"]' in graph.to_mermaid()
    texts = [e.text for e in ElementTree.fromstring(graph.to_svg()).iter() if e.text]
    assert 'ä"<b' in texts


def test_the_svg_has_a_box_for_each_and_no_two_in_one_place() -> None:
    root = ElementTree.fromstring(PluginGraph(SHOP).to_svg())
    boxes = [(e.get("x"), e.get("y")) for e in root.iter() if e.tag.endswith("rect")]
    assert len(boxes) == len({*boxes}) == 4
    assert sum(e.tag.endswith("path") and e.get("fill") == "none" for e in root.iter()) == 3


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, needs in (("users", []), ("orders", ["users"])):
        folder = tmp_path / "plugins" / name
        folder.mkdir(parents=True)
        (folder / "plugin.py").write_text(
            f"from devserver.sdk import BasePlugin\nclass P(BasePlugin):\n    name = {name!r}\n"
        )
        (folder / "manifest.json").write_text(json.dumps({"dependencies": needs}))
    where = ("--project", str(tmp_path))
    assert main(["dev", "plugin", "analyze-deps", "--format", "json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["order"] == ["users", "orders"]
    assert main(["dev", "plugin", "analyze-deps", "--format", "mermaid", *where]) == 0
    assert "-->|declared|" in capsys.readouterr().out
    assert main(["dev", "plugin", "analyze-deps", "nobody", *where]) == 3
    assert main(["dev", "plugin", "analyze-deps", "--json", "--format", "dot", *where]) == 2
    (tmp_path / "plugins" / "users" / "manifest.json").write_text('{"dependencies": ["gone"]}')
    assert main(["dev", "plugin", "analyze-deps", *where]) == 1
    capsys.readouterr()


def test_the_schema_is_for_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "plugin", "schema"]) == 0
    assert "config_dependencies" in json.loads(capsys.readouterr().out)["properties"]
