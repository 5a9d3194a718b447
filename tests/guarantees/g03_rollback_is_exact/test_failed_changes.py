"""What fails leaves the old generation as it was."""

from __future__ import annotations

import sys
import threading

import pytest

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin

FAILURES = {
    "a raising module body": plugin("users", 2, top="raise ValueError('boom')"),
    "a module body that ends the interpreter": plugin("users", 2, top="raise SystemExit(3)"),
    "a missing import": plugin("users", 2, top="import no_such_module_anywhere"),
    "a syntax error": plugin("users", 2, top="def broken(:"),
    "a raising constructor": plugin("users", 2, top="RATE = 2", init="raise ValueError('boom')"),
    "a raising on_load": plugin(
        "users",
        2,
        top="RATE = 2",
        body="""
        def on_load(self, ctx):
            raise ValueError("boom")
    """,
    ),
    "a raising initialize": plugin(
        "users",
        2,
        top="RATE = 2",
        body="""
        def initialize(self):
            raise ValueError("boom")
    """,
    ),
    "a raising async initialize": plugin(
        "users",
        2,
        top="RATE = 2",
        body="""
        async def initialize(self):
            raise ValueError("boom")
    """,
    ),
    "a False from initialize": plugin(
        "users",
        2,
        top="RATE = 2",
        body="""
        def initialize(self):
            return False
    """,
    ),
    "raising routes": plugin("users", 2, top="RATE = 2", routes="raise ValueError('boom')"),
    "raising permissions": plugin(
        "users",
        2,
        top="RATE = 2",
        body="""
        def register_permissions(self):
            raise ValueError("boom")
    """,
    ),
    "a failing health check": plugin(
        "users",
        2,
        top="RATE = 2",
        body="""
        def health_check(self):
            return False
    """,
    ),
    "a raising health check": plugin(
        "users",
        2,
        top="RATE = 2",
        body="""
        async def health_check(self):
            raise ValueError("boom")
    """,
    ),
}


@pytest.mark.parametrize("broken", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_leaves_the_old_generation_untouched(chain: Lab, broken: str) -> None:
    chain.json("/users/hit")
    before = {n: chain.generation(n) for n in ("users", "orders", "mailer")}
    plugins = {n: g.plugin for n, g in before.items()}
    modules = {n: m for n, m in sys.modules.items() if n.startswith("plugins")}
    threads = {t for t in threading.enumerate() if not t.name.startswith(("hook", "dispose"))}

    outcome = chain.save(("users", broken))

    assert outcome is not None
    assert outcome.result in (Result.REJECTED, Result.ROLLED_BACK)
    assert outcome.error
    assert outcome.generation == 1
    assert any(d.is_error and d.plugin == "users" for d in outcome.diagnostics)
    for name, generation in before.items():
        assert chain.generation(name) is generation
        assert generation.plugin is plugins[name]
    assert {n: m for n, m in sys.modules.items() if n.startswith("plugins")} == modules
    assert {
        t for t in threading.enumerate() if not t.name.startswith(("hook", "dispose"))
    } == threads
    assert chain.json("/users/hit") == {"hits": 2}
    assert chain.json("/users/version")["version"] == 1
    record = chain.running.registry.view.find("users")
    assert record is not None
    assert record.pending
    assert record.diagnostics

    fixed = chain.save(("users", plugin("users", 3, top="RATE = 3")))
    assert fixed is not None
    assert fixed.result is Result.RELOADED
    assert chain.json("/users/version")["version"] == 3
    assert chain.json("/users/hit") == {"hits": 3}
    record = chain.running.registry.view.find("users")
    assert record is not None
    assert not record.pending
    assert not [d for d in record.diagnostics if d.is_error]


def test_a_failure_points_at_the_line_that_raised(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    text = plugin(
        "users",
        2,
        body="""
        def initialize(self):
            return self.prepare()

        def prepare(self):
            raise ValueError("boom")
    """,
    )
    outcome = lab.save(("users", text))
    assert outcome is not None
    (diagnostic,) = [d for d in outcome.diagnostics if d.is_error]
    assert diagnostic.file == "plugins/users/plugin.py"
    assert diagnostic.line is not None
    assert text.splitlines()[diagnostic.line - 1].strip() == 'raise ValueError("boom")'
    assert diagnostic.source_lines[0].strip() == 'raise ValueError("boom")'
    assert "in prepare" in (diagnostic.traceback or "")
    assert "devserver" not in (diagnostic.traceback or "")


def test_when_a_dependent_of_a_dependent_fails_all_roll_back(chain: Lab) -> None:
    before = {n: chain.generation(n) for n in ("users", "orders", "mailer")}
    mailer = chain.path("mailer").read_text()
    refusing = mailer.replace(
        "    def register_routes",
        "    def initialize(self):\n        assert orders.RATE == 1\n\n    def register_routes",
    )
    assert chain.save(("mailer", refusing)) is not None
    before["mailer"] = chain.generation("mailer")
    outcome = chain.save(("users", plugin("users", 2, top="RATE = 2")))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert "mailer" in (outcome.error or "")
    assert {n: chain.generation(n) for n in before} == before
    assert chain.json("/mailer/rate") == {"rate": 1}


def test_a_hook_that_hangs_rolls_back(lab: Lab) -> None:
    lab.settings("reload:\n  timeout: 0.2\nsafety:\n  max_reload_attempts: 1\n")
    lab.write("users", plugin("users"))
    lab.start()
    outcome = lab.save(
        (
            "users",
            plugin(
                "users",
                2,
                body="""
        def initialize(self):
            while True:
                pass
    """,
            ),
        )
    )
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert "did not finish within 0.2 s" in (outcome.error or "")
    assert lab.json("/users/version")["version"] == 1
    assert lab.save(("users", plugin("users", 3))).success
