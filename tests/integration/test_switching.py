"""Plugins are taken out of service and put back, also under load."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.core.diagnostics import Severity
from devserver.core.errors import DevServerError, PluginUnavailable, SwitchRefused
from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin, wait_for

ORDERS = plugin("orders", top="from plugins.users.plugin import VERSION as USERS")
WAITING = """
import threading
GATE = threading.Event()
INSIDE = threading.Event()
"""
WAIT = """
@router.get("/wait")
def wait():
    INSIDE.set()
    GATE.wait(20)
    return {"version": VERSION}
"""


def test_a_disabled_plugin_answers_503_with_retry_after_and_comes_back(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    control = lab.running.control
    outcome = control.disable("users")
    assert (outcome.success, outcome.removed, outcome.deed) == (True, ("users",), "disabled")
    answer = lab.get("/users/version")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "sysctl plugins enable users" in answer.json["hint"]
    record = lab.running.registry.view.plugins["users"]
    assert (record.status, record.desired, record.reason) == (
        "disabled", "inactive", "disabled by the operator",
    )  # fmt: skip
    assert control.enable("users").success
    assert lab.json("/users/version")["version"] == 1
    record = lab.running.registry.view.plugins["users"]
    assert (record.status, record.desired) == ("active", "active")


def test_what_others_need_is_not_disabled_without_force(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("orders", ORDERS)
    lab.start()
    control = lab.running.control
    with pytest.raises(SwitchRefused) as refused:
        control.disable("users")
    assert refused.value.reasons == ("orders needs it",)
    assert lab.get("/users/version").status_code == 200
    outcome = control.disable("users", force=True)
    assert outcome.removed == ("users", "orders")
    assert lab.get("/orders/version").status_code == 503


def test_a_core_plugin_cannot_be_disabled(lab: Lab) -> None:
    lab.write("users", plugin("users", body="is_core = True"))
    lab.start()
    for switch in (lab.running.control.disable, lab.running.control.unload):
        with pytest.raises(SwitchRefused, match="core plugin"):
            switch("users", force=True)
    assert lab.get("/users/version").status_code == 200


def test_a_save_does_not_bring_a_disabled_plugin_back_but_is_what_enable_loads(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    lab.running.control.disable("users")
    assert lab.save(("users", plugin("users", 2))) is None
    assert lab.get("/users/version").status_code == 503
    with pytest.raises(PluginUnavailable, match="disabled"):
        lab.running.control.reload("users")
    assert lab.running.control.enable("users").success
    assert lab.json("/users/version")["version"] == 2


def test_a_plugin_that_cannot_go_live_stays_disabled_and_says_why(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    lab.running.control.disable("users")
    lab.write("users", plugin("users", 2, top="1 / 0"))
    outcome = lab.running.control.enable("users")
    assert not outcome.success
    record = lab.running.registry.view.plugins["users"]
    assert record.status == "disabled"
    assert "ZeroDivisionError" in record.reason
    assert record.diagnostics[0].line
    assert lab.running.control.pending() == []
    lab.write("users", plugin("users", 3))
    assert lab.running.control.enable("users").success


def test_a_plugin_that_needs_a_disabled_one_is_refused_until_that_is_enabled(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    lab.running.control.disable("users")
    outcome = lab.save(("orders", ORDERS))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    assert any("disabled" in d.message for d in outcome.diagnostics)
    assert lab.running.control.enable("users").success
    wait_for(lambda: lab.get("/orders/version").status_code == 200, "orders is freed")


def test_disabling_waits_for_the_requests_inside_and_refuses_new_ones_at_once(lab: Lab) -> None:
    lab.write("users", plugin("users", top=WAITING, routes=WAIT, body="""
        def shutdown(self):
            CLOSED.append(INSIDE.is_set())
    """).replace("GATE =", "CLOSED = []\nGATE ="))  # fmt: skip
    lab.start()
    module = lab.generation("users").table.modules["plugins.users.plugin"]
    with ThreadPoolExecutor(2) as pool:
        inside = pool.submit(lab.get, "/users/wait")
        module.INSIDE.wait(20)
        disabling = pool.submit(lab.running.control.disable, "users")
        wait_for(lambda: lab.get("/users/version").status_code == 503, "new ones are refused")
        assert not disabling.done()
        assert module.CLOSED == []
        module.GATE.set()
        assert inside.result(20).json == {"version": 1}
        assert disabling.result(20).success
    assert module.CLOSED == [True]


def test_forced_disabling_does_not_wait_for_requests(lab: Lab) -> None:
    lab.write("users", plugin("users", top=WAITING, routes=WAIT))
    lab.start()
    module = lab.generation("users").table.modules["plugins.users.plugin"]
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(lab.get, "/users/wait")
        module.INSIDE.wait(20)
        assert lab.running.control.disable("users", force=True).success
        assert not inside.done()
        module.GATE.set()
        assert inside.result(20).status_code == 200


def test_an_unloaded_plugin_is_known_and_loads_again_when_asked(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    control = lab.running.control
    assert control.unload("users").deed == "unloaded"
    record = lab.running.registry.view.plugins["users"]
    assert (record.status, record.desired) == ("registered", "active")
    assert control.unload("users").result is Result.UNCHANGED
    assert lab.save(("users", plugin("users", 2))) is None
    assert control.enable("users").success
    assert lab.json("/users/version")["version"] == 2


def test_a_disabled_plugin_whose_folder_vanishes_is_forgotten(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    lab.running.control.disable("users")
    lab.save(("users", None))
    assert lab.running.registry.view.find("users") is None


def test_nothing_of_a_disabled_plugin_is_left(lab: Lab) -> None:
    lab.write("users", plugin("users", body="""
        def initialize(self):
            self.register_service("users", self)
            self.ctx.events.subscribe("a.b", print)
            self.create_task(self.forever)

        async def forever(self):
            import asyncio
            await asyncio.Event().wait()
    """))  # fmt: skip
    lab.start()
    lab.running.control.disable("users")
    wait_for(lambda: lab.live("users") == [], "its objects are gone")


def test_switching_under_load_hangs_nobody(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    control = lab.running.control
    stop = threading.Event()
    seen: set[int] = set()

    def ask() -> None:
        while not stop.is_set():
            seen.add(lab.get("/users/version").status_code)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for n in range(10):
                assert control.disable("users", force=bool(n % 2)).success
                assert lab.get("/users/version").status_code == 503
                assert control.enable("users").success
                assert lab.get("/users/version").status_code == 200
        finally:
            stop.set()
        for one in asking:
            one.result(20)
    assert seen == {200, 503}


def test_a_plugin_that_disables_itself_in_a_request_gets_its_answer_out(lab: Lab) -> None:
    lab.write("users", plugin("users", routes="""
        @router.post("/bye")
        def bye():
            self.plugin_manager.disable_plugin("users")
            return {"gone": True}
    """))  # fmt: skip
    lab.start()
    assert lab.ask("POST", "/users/bye").json == {"gone": True}
    assert lab.get("/users/version").status_code == 503


def test_unknown_plugins_cannot_be_switched(lab: Lab) -> None:
    lab.start()
    for switch in ("enable", "disable", "unload"):
        with pytest.raises(DevServerError, match="no plugin named"):
            getattr(lab.running.control, switch)("nobody")


def test_a_disabled_plugin_vetoes_no_deletion_and_is_named_in_a_warning(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("orders", ORDERS)
    lab.start()
    lab.running.control.disable("orders")
    outcome = lab.save(("users", None))
    assert outcome is not None
    assert outcome.removed == ("users",)
    assert [(d.severity, d.plugin) for d in outcome.diagnostics] == [(Severity.WARNING, "orders")]
    assert "'users'" in outcome.diagnostics[0].message
    enabled = lab.running.control.enable("orders")
    assert enabled.result is Result.REJECTED
    assert "IMP003" in {d.code for d in enabled.diagnostics}


def test_a_plugin_that_failed_vetoes_no_deletion(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION\n1 / 0"))
    lab.start()
    assert lab.running.registry.view.plugins["orders"].status == "failed"
    outcome = lab.save(("users", None))
    assert outcome is not None
    assert outcome.removed == ("users",)


def test_a_plugin_that_serves_still_vetoes_the_deletion_of_what_it_needs(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("orders", ORDERS)
    lab.start()
    outcome = lab.save(("users", None))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    assert lab.json("/orders/version")["version"] == 1


@pytest.mark.parametrize(
    "after",
    [
        ("users", plugin("users").replace("VERSION", "NUMBER")),
        ("users/extra.py", None),
        ("users/extra.py", "import no_such_module_at_all\n"),
    ],
)
def test_a_disabled_plugin_vetoes_no_edit_of_what_it_imports(
    lab: Lab, after: tuple[str, str | None]
) -> None:
    lab.write("users", plugin("users"))
    lab.write("users/extra.py", "VALUE = 1\n")
    lab.write("orders", plugin("orders", top="""
        from plugins.users.plugin import VERSION as USERS
        from plugins.users.extra import VALUE
    """))  # fmt: skip
    lab.start()
    lab.running.control.disable("orders")
    outcome = lab.save(after)
    assert outcome is not None
    assert outcome.success
    assert not lab.running.control.enable("orders").success
    assert lab.get("/users/version").status_code == 200


def test_a_disabled_plugin_closes_no_circle(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("orders", ORDERS)
    lab.start()
    lab.running.control.disable("orders")
    lazily = "def orders():\n    from plugins.orders.plugin import VERSION\n    return VERSION"
    outcome = lab.save(("users", plugin("users", 2, top=lazily)))
    assert outcome is not None
    assert outcome.success
    enabled = lab.running.control.enable("orders")
    assert "DEP005" in {d.code for d in enabled.diagnostics}


def test_what_a_disabled_plugin_leaves_behind_is_in_the_answer(lab: Lab) -> None:
    hangs = """
        stop = __import__("threading").Event()

        def shutdown(self):
            while not self.stop.is_set():
                try:
                    self.stop.wait()
                except BaseException:
                    pass
        """
    lab.settings("reload: {timeout: 1}")
    lab.write("users", plugin("users", body=hangs))
    lab.start()
    stop = lab.generation("users").plugin.stop
    try:
        outcome = lab.running.control.disable("users")
        assert outcome.success
        assert any("left behind: thread" in note for note in outcome.notes), outcome.notes
        assert "dispose" in {step.name for step in outcome.steps}
    finally:
        stop.set()
