"""Dependencies come first on the way in and last on the way out; a circle is named."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.lab import Lab, plugin, wait_for

NAMES = ("a", "b", "c", "d", "e")

NOTING = """
def initialize(self):
    import builtins
    builtins._order_in.append(self.name)

def shutdown(self):
    import builtins
    builtins._order_out.append(self.name)
"""


def source(name: str, version: int, needs: frozenset[str]) -> str:
    imports = "\n".join(f"from plugins.{n}.plugin import VERSION as OF_{n}" for n in sorted(needs))
    return plugin(name, version, top=imports, body=NOTING)


graphs = st.permutations(NAMES).flatmap(
    lambda order: st.tuples(
        *(
            st.frozensets(st.sampled_from(order[:i]), max_size=3) if i else st.just(frozenset())
            for i in range(len(order))
        )
    ).map(lambda needs: dict(zip(order, needs, strict=True)))
)


@settings(max_examples=8, deadline=None)
@given(needs=graphs, edited=st.sampled_from(NAMES))
def test_hooks_run_in_the_order_of_any_graph(needs: dict[str, frozenset[str]], edited: str) -> None:
    import builtins

    came: list[str] = []
    went: list[str] = []
    builtins._order_in, builtins._order_out = came, went  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder) / "project")
        lab.settings("safety:\n  trial_process: false\n")
        for name in NAMES:
            lab.write(name, source(name, 1, needs[name]))
        lab.start()
        try:
            assert _is_ordered(came, needs)
            came.clear()
            outcome = lab.save((edited, source(edited, 2, needs[edited])))
            assert outcome is not None
            assert outcome.success, outcome.error
            assert came == list(outcome.reloaded)
            assert _is_ordered(came, needs)
            assert set(came) == _above(edited, needs)
            wait_for(lambda: len(went) == len(came), "the old ones are gone")
            assert went == came[::-1]
        finally:
            lab.stop()
            del builtins._order_in, builtins._order_out  # type: ignore[attr-defined]


def _is_ordered(order: list[str], needs: dict[str, frozenset[str]]) -> bool:
    place = {name: i for i, name in enumerate(order)}
    return all(place[n] < place[name] for name in order for n in needs[name] if n in place)


def _above(name: str, needs: dict[str, frozenset[str]]) -> set[str]:
    direct = [other for other in needs if name in needs[other]]
    return {name}.union(*(_above(other, needs) for other in direct))


@pytest.mark.parametrize("trial", ["true", "false"])
def test_a_plugin_that_imports_a_later_one_by_a_computed_name_starts(lab: Lab, trial: str) -> None:
    lab.settings(f"safety:\n  trial_process: {trial}\n")
    computed = (
        "import importlib\nSEEN = importlib.import_module('plugins.' + 'z' * 3 + '.plugin').VERSION"
    )
    lab.write("aaa", plugin("aaa", top=computed))
    lab.write("mmm", plugin("mmm", top="from plugins.aaa.plugin import SEEN"))
    lab.write("zzz", plugin("zzz"))
    lab.start()
    for name in ("aaa", "mmm", "zzz"):
        assert lab.json(f"/{name}/version")["version"] == 1
    assert lab.running.journal.outcomes(None, 10) == []


def test_one_that_misses_a_plugin_for_good_is_told_once(lab: Lab) -> None:
    computed = "import importlib\nimportlib.import_module('plugins.' + 'nobody')"
    lab.write("aaa", plugin("aaa", top=computed))
    lab.write("zzz", plugin("zzz"))
    lab.start()
    assert lab.json("/zzz/version")["version"] == 1
    assert lab.get("/aaa/version").status_code == 503
    outcomes = lab.running.journal.outcomes(None, 10)
    assert [o.plugin for o in outcomes] == ["aaa"]
    assert "nobody" in str(outcomes[0].error)


@pytest.mark.parametrize("validation", ["true", "false"])
def test_a_circle_at_the_start_is_named_with_its_path_and_disturbs_nobody(
    lab: Lab, validation: str
) -> None:
    lab.settings(f"reload:\n  validation: {validation}\n")
    for name, need in (("one", "two"), ("two", "three"), ("three", "one")):
        lab.write(name, plugin(name, top=f"import plugins.{need}.plugin"))
    lab.write("alone", plugin("alone"))
    lab.start()
    assert lab.json("/alone/version")["version"] == 1
    for name in ("one", "two", "three"):
        record = lab.running.registry.view.plugins[name]
        assert record.status == "failed"
        told = " ".join(d.message for d in record.diagnostics)
        assert told.count(" → ") >= 3, told


def test_a_circle_that_an_edit_makes_is_refused_and_one_that_an_edit_breaks_is_gone(
    lab: Lab,
) -> None:
    lab.write("one", plugin("one"))
    lab.write("two", plugin("two", top="import plugins.one.plugin"))
    lab.start()
    outcome = lab.save(("one", plugin("one", 2, top="import plugins.two.plugin")))
    assert outcome is not None
    assert "→" in str(outcome.error)
    assert lab.json("/one/version")["version"] == 1
    outcome = lab.save(("two", plugin("two", 2)))
    assert outcome is not None
    assert outcome.success
    wait_for(lambda: lab.json("/one/version")["version"] == 2, "the other way round is fine now")
