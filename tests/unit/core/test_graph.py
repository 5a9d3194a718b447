"""The dependency graph."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devserver.core.errors import DependencyCycle
from devserver.core.graph import DependencyGraph


def graph_of(**needs: str) -> DependencyGraph:
    graph = DependencyGraph()
    for key, names in needs.items():
        graph.put(key, dict.fromkeys(names.split(), "declared"))
    return graph


def test_dependencies_come_first() -> None:
    graph = graph_of(mailer="orders", orders="users", users="")
    assert graph.order({"mailer", "users", "orders"}) == ["users", "orders", "mailer"]


def test_dependents_are_found_however_far() -> None:
    graph = graph_of(mailer="orders", orders="users", users="", hello="")
    assert graph.all_dependents(["users"]) == {"orders", "mailer"}
    assert graph.all_dependencies(["mailer"]) == {"users", "orders"}


def test_putting_a_plugin_anew_replaces_what_it_depends_on() -> None:
    graph = graph_of(orders="users", users="", clock="")
    graph.put("orders", {"clock": "imported"})
    assert graph.all_dependents(["users"]) == frozenset()
    assert graph.edges() == [("orders", "clock", "imported")]


def test_a_cycle_is_told_with_its_path() -> None:
    graph = graph_of(a="b", b="c", c="a")
    with pytest.raises(DependencyCycle) as caught:
        graph.order({"a", "b", "c"})
    path = caught.value.path
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}
    needs = {"a": "b", "b": "c", "c": "a"}
    assert all(needs[one] == other for one, other in itertools.pairwise(path))
    assert graph.cyclic() == {"a", "b", "c"}


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_order_is_always_dependencies_first(pairs: list[tuple[int, int]]) -> None:
    graph = DependencyGraph()
    needs: dict[str, dict[str, str]] = {f"p{n}": {} for n in range(13)}
    for one, other in pairs:
        if one > other:  # no circles
            needs[f"p{one}"][f"p{other}"] = "declared"
    for key, names in needs.items():
        graph.put(key, names)
    order = graph.order(set(needs))
    assert sorted(order) == sorted(needs)
    for key, names in needs.items():
        assert all(order.index(name) < order.index(key) for name in names)
