"""A save goes live whole, or changes nothing."""

from __future__ import annotations

import sys
import threading
import weakref

import pytest

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin, wait_for


@pytest.fixture
def chain(lab: Lab) -> Lab:
    """users ← orders ← mailer, running."""
    lab.write("users", plugin("users", top="RATE = 1"))
    lab.write(
        "orders",
        plugin(
            "orders",
            top="from plugins.users.plugin import RATE",
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": RATE}
    """,
        ),
    )
    lab.write(
        "mailer",
        plugin(
            "mailer",
            top="from plugins.orders import plugin as orders",
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": orders.RATE}
    """,
        ),
    )
    lab.start()
    return lab


def test_an_edit_goes_live_with_its_dependents_in_order(chain: Lab) -> None:
    outcome = chain.save(("users", plugin("users", 2, top="RATE = 2")))
    assert outcome is not None
    assert outcome.result is Result.RELOADED
    assert outcome.plugin == "users"
    assert outcome.reloaded == ("users", "orders", "mailer")
    assert chain.json("/users/version")["version"] == 2
    assert chain.json("/mailer/rate") == chain.json("/orders/rate") == {"rate": 2}
    assert outcome.generation == 2
    assert outcome.serving == {"users": 2, "orders": 2, "mailer": 2}


def test_every_step_is_timed(chain: Lab) -> None:
    outcome = chain.save(("users", plugin("users", 2, top="RATE = 2")))
    assert outcome is not None
    steps = [s.name for s in outcome.steps if s.plugin is None]
    wanted = ["validate", "trial", "stage", "quiesce", "snapshot", "activate", "verify", "commit"]
    assert [s for s in steps if s != "trial"] == [w for w in wanted if w != "trial"]
    journal = chain.running.journal
    wait_for(lambda: journal.outcomes()[0].steps[-1].name == "dispose", "the dispose step")


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


def test_two_files_of_one_batch_go_live_together_or_not_at_all(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            top="from .rates import RATE",
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": RATE}
    """,
        ),
    )
    lab.write("users/rates.py", "RATE = 1\n")
    lab.start()
    text = lab.path("users").read_text()
    refused = lab.save(("users/rates.py", "RATE = 2\n"), ("users", text + "\nraise ValueError\n"))
    assert refused is not None
    assert not refused.success
    assert lab.json("/users/rate") == {"rate": 1}
    assert lab.save(("users", text)) is not None
    assert lab.json("/users/rate") == {"rate": 2}


@pytest.mark.parametrize("first", ["users", "orders"])
def test_an_edit_made_in_two_saves_goes_live_with_the_second(lab: Lab, first: str) -> None:
    users = plugin("users", top="def rate():\n    return 1")
    orders = plugin(
        "orders",
        top="from plugins.users.plugin import rate",
        routes="""
        @router.get("/rate")
        def show():
            return {"rate": rate()}
    """,
    )
    lab.write("users", users)
    lab.write("orders", orders)
    lab.start()
    edits = {
        "users": users.replace("def rate", "def price").replace("return 1", "return 2"),
        "orders": orders.replace("import rate", "import price").replace("rate()", "price()"),
    }
    second = "orders" if first == "users" else "users"
    refused = lab.save((first, edits[first]))
    assert refused is not None
    assert not refused.success
    assert lab.json("/orders/rate") == {"rate": 1}
    outcome = lab.save((second, edits[second]))
    assert outcome is not None
    assert outcome.result is Result.RELOADED, outcome.diagnostics
    assert lab.json("/orders/rate") == {"rate": 2}
    assert lab.running.control.pending() == []


def test_a_refused_plugin_does_not_hold_its_dependents_back(chain: Lab) -> None:
    assert not chain.save(("users", plugin("users", 2, top="raise ValueError"))).success
    outcome = chain.save(("orders", chain.path("orders").read_text() + "\n# edited\n"))
    assert outcome is not None
    assert outcome.result is Result.RELOADED
    assert outcome.reloaded == ("orders", "mailer")
    assert chain.json("/users/version")["version"] == 1


def test_content_that_returns_to_the_running_version_does_nothing(chain: Lab) -> None:
    text = chain.path("users").read_text()
    generation = chain.generation("users")
    assert not chain.save(("users", "broken(")).success
    assert chain.save(("users", text)) is None
    record = chain.running.registry.view.find("users")
    assert record is not None
    assert (record.pending, record.diagnostics) == (False, ())
    assert chain.generation("users") is generation


def test_a_save_that_changes_nothing_does_nothing(chain: Lab) -> None:
    generation = chain.generation("users")
    assert chain.save(("users", chain.path("users").read_text())) is None
    assert chain.generation("users") is generation
    assert chain.running.journal.outcomes() == []


def test_an_explicit_reload_is_never_unchanged(chain: Lab) -> None:
    outcome = chain.running.control.reload("users")
    assert outcome.result is Result.RELOADED
    assert outcome.generation == 2


def test_a_cycle_is_refused_with_its_path(chain: Lab) -> None:
    text = "from plugins.mailer.plugin import VERSION as _\n" + plugin("users", 2, top="RATE = 2")
    outcome = chain.save(("users", text))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    told = " ".join(d.message for d in outcome.diagnostics)
    assert "→" in told
    assert chain.json("/users/version")["version"] == 1


def test_a_broken_plugin_at_the_start_disturbs_no_other(lab: Lab) -> None:
    lab.write("users", "def broken(:\n")
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION as V"))
    lab.write("hello", plugin("hello"))
    lab.start()
    statuses = {k: str(r.status) for k, r in lab.running.registry.view.plugins.items()}
    assert statuses == {"users": "failed", "orders": "failed", "hello": "active"}
    answer = lab.get("/users/version")
    assert answer.status_code == 503
    assert answer.json["diagnostics"]
    assert lab.save(("users", plugin("users"))).success
    assert lab.json("/orders/version")["version"] == 1


def test_a_new_plugin_appears_and_vanishes(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    assert lab.get("/hello/version").status_code == 404
    appeared = lab.save(("hello.py", plugin("hello", 7)))
    assert appeared is not None
    assert appeared.success
    assert lab.json("/hello/version")["version"] == 7
    vanished = lab.save(("hello.py", None))
    assert vanished is not None
    assert vanished.success
    assert vanished.removed == ("hello",)
    assert lab.get("/hello/version").status_code == 404
    assert lab.running.registry.view.find("hello") is None
    assert "plugins.hello" not in sys.modules


def test_a_plugin_that_others_need_does_not_vanish(chain: Lab) -> None:
    outcome = chain.save(("users", None))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    assert chain.json("/users/version")["version"] == 1
    assert chain.json("/mailer/rate") == {"rate": 1}


def test_a_file_is_added_and_deleted(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    added = plugin(
        "users",
        2,
        top="from .extra import MORE",
        routes="""
        @router.get("/more")
        def more():
            return {"more": MORE}
    """,
    )
    assert lab.save(("users/extra.py", "MORE = 5\n"), ("users", added)).success
    assert lab.json("/users/more") == {"more": 5}
    assert "plugins.users.extra" in sys.modules
    assert lab.save(("users/extra.py", None), ("users", plugin("users", 3))).success
    assert lab.get("/users/more").status_code == 404
    assert "plugins.users.extra" not in sys.modules


def test_a_data_file_that_is_read_at_import_counts(lab: Lab) -> None:
    lab.write("users/rates.json", '{"rate": 1}')
    lab.write(
        "users",
        plugin(
            "users",
            top="""
        import json
        from pathlib import Path
        RATE = json.loads((Path(__file__).parent / "rates.json").read_text())["rate"]
    """,
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": RATE}
    """,
        ),
    )
    lab.start()
    assert lab.save(("users/rates.json", '{"rate": 2}')).success
    assert lab.json("/users/rate") == {"rate": 2}


def test_a_changed_configuration_reloads_exactly_who_reads_it(chain: Lab) -> None:
    chain.write("hello", plugin("hello"))
    chain.save(("hello", plugin("hello")))
    outcome = chain.save(("/config/plugins.yaml", "mailer:\n  sender: me\n"))
    assert outcome is not None
    assert outcome.reloaded == ("mailer",)
    assert chain.generation("mailer").config == {"sender": "me"}


def test_a_hot_setting_applies_without_a_restart(chain: Lab) -> None:
    chain.settings("reload:\n  automatic: false\n")
    chain.running.changed(chain.path("/config/hot-loading.yaml"))
    assert chain.save(("users", plugin("users", 2, top="RATE = 2"))) is None
    assert chain.running.control.pending() == ["users"]
    assert chain.json("/users/version")["version"] == 1
    assert chain.running.control.reload("users").success
    assert chain.json("/users/version")["version"] == 2


def test_invalid_settings_leave_the_old_ones_in_force(chain: Lab) -> None:
    chain.settings("reload:\n  timeout: soon\n")
    chain.running.changed(chain.path("/config/hot-loading.yaml"))
    assert chain.running.settings.reload.timeout == 30
    (told,) = [e for e in chain.running.journal.events_after(0, 0) if e.kind == "settings"]
    assert told.payload["ok"] is False
    assert told.payload["diagnostics"][0]["line"] == 3


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


def test_content_that_failed_in_a_hook_is_tried_again_and_told_once(lab: Lab) -> None:
    lab.settings("safety:\n  max_reload_attempts: 3\n  cooldown_period: 0.01\n")
    lab.write("users", plugin("users"))
    lab.write("/flag", "")
    lab.start()
    patient = plugin(
        "users",
        2,
        top="from pathlib import Path",
        body="""
        def initialize(self):
            flag = Path(__file__).parents[2] / "flag"
            flag.write_text(flag.read_text() + "x")
            return len(flag.read_text()) >= 3
    """,
    )
    first = lab.save(("users", patient))
    assert first is not None
    assert first.result is Result.ROLLED_BACK
    wait_for(lambda: lab.json("/users/version")["version"] == 2, "the third attempt")
    (outcome,) = lab.running.journal.outcomes()
    assert outcome.success
    assert "attempt 3 of 3" in outcome.notes


def test_what_validation_refused_is_not_retried(lab: Lab) -> None:
    lab.settings("safety:\n  cooldown_period: 0\n")
    lab.write("users", plugin("users"))
    lab.start()
    lab.save(("users", "broken("))
    lab.save(("users", plugin("users", 2)))
    assert [o.result for o in lab.running.journal.outcomes()] == [Result.RELOADED, Result.REJECTED]


def test_the_old_generation_is_garbage_afterwards(chain: Lab) -> None:
    references = []
    for name in ("users", "orders", "mailer"):
        generation = chain.generation(name)
        references += [weakref.ref(generation.plugin), weakref.ref(type(generation.plugin))]
        references += [weakref.ref(m) for m in generation.table.modules.values()]
    del generation
    assert chain.save(("users", plugin("users", 2, top="RATE = 2"))).success
    wait_for(lambda: chain.live("users") == [2], "the end of g1")
    wait_for(lambda: chain.live("mailer") == [2], "the end of g1")
    assert [r() for r in references if r() is not None] == []


def test_200_reloads_leave_threads_and_modules_level(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            body="""
        def initialize(self):
            self.create_task(self.tick)

        async def tick(self):
            import asyncio
            while True:
                await asyncio.sleep(0.01)
    """,
        ),
    )
    lab.start()
    text = lab.path("users").read_text()
    for n in range(10):
        assert lab.save(("users", text.replace("VERSION = 1", f"VERSION = {n + 2}"))).success
    wait_for(lambda: len(lab.live("users")) == 1, "the end of old generations")
    threads, modules = set(threading.enumerate()), set(sys.modules)
    for n in range(200):
        assert lab.save(("users", text.replace("VERSION = 1", f"VERSION = {n + 100}"))).success
    wait_for(lambda: len(lab.live("users")) == 1, "the end of old generations")
    wait_for(lambda: set(threading.enumerate()) <= threads, "the end of threads")
    assert set(sys.modules) <= modules
    assert lab.json("/users/version")["version"] == 299
