"""`loading.lazy`: a plugin is registered until its first use."""

from __future__ import annotations

import builtins
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from devserver.core.errors import DevServerError, ServiceNotFound
from devserver.core.lifecycle import PluginStatus
from tests.integration.lab import Lab, plugin, wait_for

LAZY = "loading:\n  lazy: true\nsafety:\n  trial_process: false\n"
COUNTS = "LOADED.append(VERSION)"
OFFERS = """
async def on_load(self, ctx):
    self.heard = []
    self.register_command("greet", lambda: self.greeting)
    self.register_service("users.names", ["Ada"])
    await self.subscribe_to_event("order.*", lambda event: self.heard.append(event.data))
"""
MANIFEST = json.dumps({"services": ["users.names"], "events": {"subscribes": ["order.*"]}})
CALLER = plugin("caller", routes="""
    @router.get("/names")
    def names():
        return {"names": list(self.get_service("users.names"))}

    @router.get("/none")
    def none():
        return {"names": list(self.get_service("users.none"))}

    @router.get("/order")
    async def order():
        await self.publish_event("order.placed", 7)
        return {}
""")  # fmt: skip


@pytest.fixture
def loaded() -> Iterator[list[int]]:
    """The versions whose modules were executed."""
    found: list[int] = []
    builtins.LOADED = found  # type: ignore[attr-defined]
    yield found
    del builtins.LOADED  # type: ignore[attr-defined]


def users(version: int = 1, **more: str) -> str:
    return plugin("users", version, **{"top": COUNTS, "body": OFFERS, **more})


def status(lab: Lab, name: str = "users") -> PluginStatus:
    return lab.running.registry.view.plugins[name].status


@pytest.fixture
def lazy(lab: Lab, loaded: list[int]) -> Lab:
    lab.settings(LAZY)
    lab.write("users", users())
    lab.write("users/manifest.json", MANIFEST)
    lab.write("caller", CALLER)
    lab.start()
    assert loaded == []
    return lab


def test_it_is_registered_and_says_why(lazy: Lab, loaded: list[int]) -> None:
    record = lazy.running.registry.view.plugins["users"]
    assert (record.status, record.withheld) == (PluginStatus.REGISTERED, False)
    assert "first use" in record.reason
    assert lazy.running.control.health("users")["status"] == "unknown"
    details = lazy.running.control.plugin_details("users")
    assert details["services"] == ["users.names"]
    assert details["events"]["subscribes"] == ["order.*"]
    assert loaded == []


def test_the_first_request_loads_it(lazy: Lab, loaded: list[int]) -> None:
    assert lazy.json("/users/version")["version"] == 1
    assert lazy.json("/users/version")["version"] == 1
    assert loaded == [1]
    assert status(lazy) is PluginStatus.ACTIVE
    assert status(lazy, "caller") is PluginStatus.REGISTERED
    outcome = lazy.running.journal.outcomes("users")[0]
    assert (outcome.trigger, outcome.result) == ("use", "reloaded")


def test_concurrent_first_requests_load_it_once(lazy: Lab, loaded: list[int]) -> None:
    answers: list[int] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        answers.append(lazy.get("/users/version").status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert loaded == [1]
    assert len(lazy.running.journal.outcomes("users")) == 1


def test_a_command_loads_it(lazy: Lab) -> None:
    assert lazy.running.control.run_command("users", "greet", {}) == "hello"


def test_the_use_of_a_declared_service_loads_it(lazy: Lab, loaded: list[int]) -> None:
    assert lazy.json("/caller/names") == {"names": ["Ada"]}
    assert loaded == [1]


def test_a_service_that_nobody_declares_loads_nothing(lazy: Lab, loaded: list[int]) -> None:
    assert lazy.get("/caller/none").status_code == 500
    assert loaded == []
    with pytest.raises(ServiceNotFound):
        lazy.running.system.services.provider("users.none")


def test_a_declared_event_loads_it_and_arrives(lazy: Lab, loaded: list[int]) -> None:
    lazy.json("/caller/order")
    wait_for(lambda: loaded == [1], "the load")
    wait_for(lambda: status(lazy) is PluginStatus.ACTIVE, "the commit")
    users: Any = lazy.generation("users").plugin
    wait_for(lambda: users.heard == [7], "the event")


def test_dependencies_are_loaded_first(lazy: Lab, loaded: list[int]) -> None:
    orders = plugin("orders", top="from plugins.users.plugin import VERSION as seen\n" + COUNTS)
    assert lazy.save(("orders", orders)) is None
    assert loaded == []
    assert status(lazy, "orders") is PluginStatus.REGISTERED
    assert lazy.get("/orders/version").status_code == 200
    assert status(lazy) is PluginStatus.ACTIVE
    assert loaded == [1, 1]


def test_a_save_that_begins_to_need_it_loads_it(lazy: Lab, loaded: list[int]) -> None:
    lazy.get("/caller/order")
    wait_for(lambda: status(lazy) is PluginStatus.ACTIVE)
    lazy.write("other", plugin("other", 1))
    lazy.running.changed(lazy.path("other"))
    lazy.running.control.reload("other")
    lazy.write("third", plugin("third", 1, top=COUNTS))
    lazy.running.changed(lazy.path("third"))
    needs = plugin("other", 2, top="from plugins.third.plugin import VERSION as seen")
    outcome = lazy.save(("other", needs))
    assert outcome is not None
    assert outcome.success
    assert status(lazy, "third") is PluginStatus.ACTIVE


def test_an_edit_before_the_first_use_is_validated_and_not_executed(
    lazy: Lab, loaded: list[int]
) -> None:
    assert lazy.save(("users", "def x(:")) is None
    told = lazy.running.journal.outcomes("users")[0]
    assert told.result == "rejected"
    record = lazy.running.registry.view.plugins["users"]
    assert record.status is PluginStatus.REGISTERED
    assert record.diagnostics[0].code.startswith("SYN")
    assert lazy.save(("users", users(2))) is None
    assert loaded == []
    assert lazy.running.registry.view.plugins["users"].diagnostics == ()
    assert lazy.json("/users/version")["version"] == 2
    assert loaded == [2]


def test_one_that_cannot_be_loaded_answers_503_and_is_tried_again_on_new_content(
    lazy: Lab, loaded: list[int]
) -> None:
    lazy.save(("users", users(2, body="def initialize(self):\n    return False\n")))
    first = lazy.get("/users/version")
    assert first.status_code == 503
    assert "RUN003" in [d["code"] for d in first.json["diagnostics"]]
    assert lazy.get("/users/version").status_code == 503
    assert loaded == [2], "the same content is not tried at each request"
    with pytest.raises(DevServerError):
        lazy.running.control.run_command("users", "greet", {})
    outcome = lazy.save(("users", users(3)))
    assert outcome is not None
    assert outcome.success
    assert lazy.json("/users/version")["version"] == 3


def test_one_that_is_broken_at_the_start_is_told_then(lab: Lab) -> None:
    lab.settings(LAZY)
    lab.write("users", "def x(:")
    lab.start()
    assert status(lab) is PluginStatus.FAILED
    assert lab.get("/users/version").status_code == 503


def test_one_that_is_deleted_just_before_its_first_use_is_gone(lazy: Lab) -> None:
    lazy.path("users/manifest.json").unlink()
    lazy.path("users").unlink()
    assert lazy.get("/users/version").status_code == 404
    assert "users" not in lazy.running.registry.view.plugins
    assert lazy.running.journal.outcomes("users") == []


def test_a_deleted_one_is_gone(lazy: Lab) -> None:
    lazy.path("users/manifest.json").unlink()
    lazy.save(("users", None))
    assert "users" not in lazy.running.registry.view.plugins


def test_unloaded_by_word_no_use_brings_it_back(lazy: Lab, loaded: list[int]) -> None:
    lazy.running.control.unload("users")
    assert lazy.get("/users/version").status_code == 503
    assert loaded == []
    assert lazy.running.control.enable("users").success
    assert lazy.json("/users/version")["version"] == 1


def test_the_setting_is_hot(lazy: Lab, loaded: list[int]) -> None:
    lazy.settings("loading:\n  lazy: false\nsafety:\n  trial_process: false\n")
    lazy.running.changed(lazy.path("/config/hot-loading.yaml"))
    wait_for(lambda: status(lazy) is PluginStatus.ACTIVE, "the load")
    wait_for(lambda: status(lazy, "caller") is PluginStatus.ACTIVE, "and of the other")
    assert loaded == [1]


def test_the_trial_keeps_what_never_ends_out_of_the_server(lab: Lab) -> None:
    lab.settings("loading:\n  lazy: true\nreload:\n  timeout: 1\n")
    lab.write("users", plugin("users", top="while True:\n    pass"))
    lab.start()
    answer = lab.get("/users/version")
    assert answer.status_code == 503
    assert answer.json["diagnostics"]


def test_a_hook_that_would_have_to_wait_is_told_to_declare_the_dependency(lazy: Lab) -> None:
    body = "def initialize(self):\n    list(self.get_service('users.names'))\n"
    lazy.save(("greedy", plugin("greedy", body=body)))
    outcome = lazy.running.control.reload("greedy")
    assert not outcome.success
    assert "declare it among the dependencies" in str(outcome.diagnostics[0].hint)


def test_an_override_is_kept_for_its_first_use_and_loads_nothing(
    lazy: Lab, loaded: list[int]
) -> None:
    routes = '@router.get("/limit")\ndef limit():\n    return {"limit": self.config["limit"]}\n'
    lazy.save(("users", users(routes=routes)))
    outcome = lazy.running.control.configure("users", {"limit": 9})
    assert "kept for later" in outcome.message
    assert (loaded, status(lazy)) == ([], PluginStatus.REGISTERED)
    assert lazy.running.control.configurations.shown("users") == {"limit": 9}
    assert lazy.json("/users/limit") == {"limit": 9}


def test_another_configuration_loads_nothing(lazy: Lab, loaded: list[int]) -> None:
    assert lazy.save(("/config/plugins.yaml", "users: {limit: 3}\n")) is None
    assert (loaded, status(lazy)) == ([], PluginStatus.REGISTERED)
    assert lazy.json("/users/version")["version"] == 1
    assert lazy.generation("users").host.config() == {"limit": 3}


def test_another_override_mends_what_was_found_on_the_former(lazy: Lab, loaded: list[int]) -> None:
    def found() -> tuple[bool, list[str]]:
        record = lazy.running.registry.view.plugins["users"]
        assert record.awaits_use
        return record.pending, [d.code for d in record.diagnostics]

    option = {"type": "integer", "max": 5}
    lazy.running.control.configure("users", {"limit": 9})
    lazy.save(("users/manifest.json", json.dumps({"configuration": {"limit": option}})))
    assert found() == (True, ["CFG004"])
    lazy.running.control.configure("users", {"limit": None})
    assert found() == (False, [])
    assert not lazy.running.control.configure("users", {"limit": 7}).success
    assert found() == (False, [])
    assert loaded == []
    assert lazy.json("/users/version")["version"] == 1


def test_a_canary_has_what_it_needs_loaded(lazy: Lab, loaded: list[int]) -> None:
    lazy.write("caller", CALLER)
    assert lazy.json("/caller/version")["version"] == 1
    assert loaded == []
    lazy.write("caller", f"from plugins.users.plugin import VERSION as THEIRS\n{CALLER}")
    outcome = lazy.running.control.canaries.start("caller", percent=100, requests=0)
    assert outcome.success
    assert (loaded, status(lazy)) == ([1], PluginStatus.ACTIVE)


def test_while_it_is_being_loaded_that_is_its_status(lazy: Lab, loaded: list[int]) -> None:
    seen: list[PluginStatus] = []
    builtins.LOOK = lambda: seen.append(status(lazy))  # type: ignore[attr-defined]
    try:
        lazy.save(("users", users(top=f"{COUNTS}\nLOOK()")))
        assert lazy.json("/users/version")["version"] == 1
        assert seen == [PluginStatus.LOADING]
    finally:
        del builtins.LOOK  # type: ignore[attr-defined]


def test_what_waits_is_told_when_something_that_it_needs_has_changed(
    lazy: Lab, loaded: list[int]
) -> None:
    def shown() -> tuple[bool, list[str], PluginStatus]:
        record = lazy.running.registry.view.plugins["orders"]
        return record.pending, [d.code[:3] for d in record.diagnostics], record.status

    valid = (False, [], PluginStatus.REGISTERED)
    needs = "from plugins.users.plugin import VERSION as seen"
    lazy.save(("orders", plugin("orders", top=needs)))
    assert lazy.json("/users/version")["version"] == 1
    assert shown() == valid
    without = users().replace("VERSION", "NUMBER").replace("(NUMBER)", "(1)")
    outcome = lazy.save(("users", without))
    assert outcome is not None
    assert outcome.reloaded == ("users",), "what does not serve stands in nobody's way"
    assert shown() == (True, ["IMP"], PluginStatus.REGISTERED)
    told = lazy.running.journal.outcomes("orders")[0]
    assert (told.result, told.trigger) == ("rejected", "dependency")
    lazy.save(("users", users(2)))
    assert shown() == valid
    lazy.save(("users", None), ("users/manifest.json", None))
    assert shown() == (True, ["IMP"], PluginStatus.REGISTERED)
    lazy.save(("users", users(3)))
    assert shown() == valid
    assert lazy.json("/orders/version")["version"] == 1


def test_a_plugin_that_refused_content_needs_is_loaded_as_soon_as_it_is_there(
    lazy: Lab, loaded: list[int]
) -> None:
    assert lazy.json("/caller/version")["version"] == 1
    needs = "from plugins.third.plugin import VERSION as seen"
    refused = lazy.save(("caller", plugin("caller", 2, top=needs)))
    assert refused is not None
    assert refused.result == "rejected"
    outcome = lazy.save(("third", plugin("third", 1, top=COUNTS)))
    assert outcome is not None
    assert set(outcome.reloaded) == {"third", "caller"}
    assert lazy.json("/caller/version")["version"] == 2
    assert loaded == [1]


def test_one_that_failed_for_a_missing_plugin_is_loaded_with_that(lazy: Lab) -> None:
    needs = "from plugins.third.plugin import VERSION as seen"
    lazy.save(("orders", plugin("orders", top=needs)))
    assert lazy.get("/orders/version").status_code == 503
    lazy.save(("third", plugin("third")))
    assert lazy.json("/orders/version")["version"] == 1


def test_files_put_in_its_place_that_fail_leave_it_waiting_as_it_was(
    lazy: Lab, loaded: list[int]
) -> None:
    def put(source: str, manifest: str) -> None:
        lazy.write("users", source)
        lazy.write("users/manifest.json", manifest)

    before = lazy.running.registry.view.plugins["users"]
    fails = users(2, body="def initialize(self):\n    return False\n")
    outcome = lazy.running.control.replace(
        "users",
        put=lambda: put(fails, json.dumps({"services": ["users.others"]})),
        put_back=lambda: put(users(), MANIFEST),
    )
    assert outcome.result == "rolled_back"
    assert lazy.running.registry.view.plugins["users"] == before
    assert lazy.running.control.pending() == []
    assert lazy.json("/users/version")["version"] == 1


@pytest.mark.parametrize("says_so", ["the manifest", "the class"])
def test_a_core_plugin_and_what_it_needs_are_loaded_at_the_start(
    lab: Lab, loaded: list[int], says_so: str
) -> None:
    lab.settings(LAZY)
    lab.write("users", users())
    lab.write("caller", CALLER)
    core = "is_core = True" if says_so == "the class" else ""
    lab.write("gate", plugin("gate", top="from plugins.users.plugin import Users", body=core))
    if says_so == "the manifest":
        lab.write("gate/manifest.json", '{"is_core": true}')
    lab.start()
    assert loaded == [1]
    assert status(lab, "gate") is status(lab, "users") is PluginStatus.ACTIVE
    assert status(lab, "caller") is PluginStatus.REGISTERED
    assert lab.save(("late", plugin("late", body="is_core = True"))) is not None
    assert status(lab, "late") is PluginStatus.ACTIVE
