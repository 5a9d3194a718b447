"""Edits that validation has something to say about, in a running host."""

from __future__ import annotations

from tests.integration.lab import Lab, plugin

OPTION = """
@router.get("/size")
def size():
    return {"size": self.config["size"]}
"""
MANIFEST = '{"configuration": {"size": {"type": "integer", "default": 1, "max": 9}}}'


def test_a_value_that_does_not_fit_is_refused_and_the_old_one_stays(lab: Lab) -> None:
    lab.write("users", plugin("users", routes=OPTION))
    lab.write("users/manifest.json", MANIFEST)
    lab.start()
    for text, code, place in (
        ("users:\n  size: many\n", "CFG003", (2, 9)),
        ("users:\n  size: 10\n", "CFG004", (2, 9)),
    ):
        outcome = lab.save(("/config/plugins.yaml", text))
        assert outcome is not None
        assert not outcome.success
        (found,) = outcome.diagnostics
        assert (found.code, found.file, found.plugin) == (code, "config/plugins.yaml", "users")
        assert (found.line, found.column) == place
        assert found.source_lines == (text.splitlines()[1],)
        assert lab.json("/users/size") == {"size": 1}
    outcome = lab.save(("/config/plugins.yaml", "users:\n  size: 9\n"))
    assert outcome is not None
    assert outcome.success
    assert lab.json("/users/size") == {"size": 9}


def test_what_an_edit_ends_elsewhere_is_told_and_goes_live(lab: Lab) -> None:
    start = "\n    def initialize(self):\n        self.ctx.events."
    offering = start + 'publish("users.added")\n        self.seen = 1\n'
    lab.write("users", plugin("users") + offering)
    lab.write("orders", plugin("orders") + start + 'subscribe("users.added", print)\n')
    lab.start()
    outcome = lab.save(("users", plugin("users", 2)))
    assert outcome is not None
    assert outcome.success
    assert [(d.code, str(d.severity)) for d in outcome.diagnostics] == [
        ("CMP009", "warning"),
        ("CMP011", "warning"),
    ]
    assert "'orders'" in outcome.diagnostics[0].message
    assert "'seen'" in outcome.diagnostics[1].message


def test_a_version_that_a_dependent_does_not_accept_is_refused(lab: Lab) -> None:
    versioned = plugin("users")
    lab.write("users", versioned)
    lab.write("users/manifest.json", "{}")
    lab.write("orders", plugin("orders"))
    lab.write("orders/manifest.json", '{"dependencies": {"users": "<2"}}')
    lab.start()
    assert 'version = "1' in versioned
    outcome = lab.save(("users", versioned.replace('version = "1', 'version = "2', 1)))
    assert outcome is not None
    assert [d.code for d in outcome.diagnostics] == ["CMP006"]
    assert lab.generation("users").number == 1
