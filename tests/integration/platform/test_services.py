"""Services: owner and version, one provider for a name, and who could provide what is missing."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.core.errors import DevServerError, ServiceNotFound
from tests.integration.lab import Lab, plugin, wait_for

OFFER = """
    def on_load(self, ctx):
        ctx.services.register("users.version", lambda: VERSION{more})
"""
ASKING = """
    @router.get("/version")
    def ask():
        return {"version": self.get_service("users.version")()}
"""


def users(version: int, more: str = "", body: str = "") -> str:
    return plugin("users", version, body=OFFER.format(more=more) + body)


def missing(lab: Lab, name: str = "users.version", version: str = "") -> ServiceNotFound:
    with pytest.raises(ServiceNotFound) as caught:
        lab.generation("shop").plugin.get_service(name, version)()
    return caught.value


def test_services_are_listed_with_owner_and_version(lab: Lab) -> None:
    lab.write("users", users(1, more=", version='2.5'"))
    lab.write("shop", plugin("shop", body="""
        def on_load(self, ctx):
            self.register_service("shop", self)
    """))  # fmt: skip
    lab.start()
    assert lab.running.control.services() == [
        {"name": "shop", "plugin": "shop", "version": "1.0.0", "type": "Shop"},
        {"name": "users.version", "plugin": "users", "version": "2.5", "type": "function"},
    ]


def test_a_version_is_asked_for_at_each_use(lab: Lab) -> None:
    lab.write("users", users(1, more=", version='2.5'"))
    lab.write("shop", plugin("shop"))
    lab.start()
    shop = lab.generation("shop").plugin
    service = shop.ctx.services.get("users.version", ">=2,<3")
    assert service() == 1
    assert "wanted is >=3" in missing(lab, version=">=3").message
    assert lab.save(("users", users(2, more=", version='3.0'"))).success
    with pytest.raises(ServiceNotFound, match=r"has version 3\.0, wanted is <3,>=2"):
        service()
    with pytest.raises(DevServerError, match="is no version specifier"):
        shop.get_service("users.version", "new")


def test_a_name_has_one_provider_and_moves_with_two_saves(lab: Lab) -> None:
    lab.write("users", users(1))
    lab.write("shop", plugin("shop", 1))
    lab.start()
    both = plugin("shop", 2, body=OFFER.format(more=""))
    refused = lab.save(("shop", both))
    assert refused is not None
    assert not refused.success
    assert "is provided by the plugin 'users' already" in str(refused.error)
    assert lab.save(("users", plugin("users", 2))).success
    wait_for(lambda: lab.generation("shop").number == 2, "the other half")
    assert [s["plugin"] for s in lab.running.control.services()] == ["shop"]


def test_a_missing_service_names_who_could_provide_it(lab: Lab) -> None:
    lab.write("users", users(1))
    lab.write("shop", plugin("shop"))
    lab.start()
    control = lab.running.control
    control.disable("users")
    hint = str(missing(lab).hint)
    assert "'users' would provide it, but is disabled" in hint
    assert "`sysctl plugins enable users`" in hint
    control.enable("users")
    assert lab.generation("shop").plugin.get_service("users.version")() == 1


def test_a_request_that_misses_a_service_says_who_could_provide_it(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.write("users", users(1))
    lab.write("shop", plugin("shop", routes=ASKING.replace("/version", "/ask")))
    lab.start()
    lab.running.control.disable("users")
    way = "the plugin 'users' would provide it, but is disabled: `sysctl plugins enable users`"
    answer = lab.get("/shop/ask")
    assert (answer.status_code, answer.json["hint"]) == (500, way)
    assert answer.json["traceback"].endswith(f"'users.version'\nhint: {way}")
    assert f"hint: {way}" in caplog.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("\n    def initialize(self): return False\n", "would provide it, but failed"),
        ("\n    def on_load(self, ctx): pass\n", "could provide it, but has not registered it"),
    ],
)
def test_a_provider_that_failed_or_does_not_provide_is_told_apart(
    lab: Lab, body: str, told: str
) -> None:
    lab.settings("safety:\n  max_reload_attempts: 1\n")
    lab.write("users", users(1, body=body))
    lab.write("shop", plugin("shop"))
    lab.start()
    assert told in str(missing(lab).hint)


def test_at_the_start_who_asks_for_a_service_is_tried_again_once_it_is_there(lab: Lab) -> None:
    asking = """
        def on_load(self, ctx):
            self.told = ctx.services.get("users.version")()
    """
    lab.settings("safety:\n  max_reload_attempts: 1\n")
    lab.write("users", users(1))
    for name in ("asking", "zealous"):
        lab.write(name, plugin(name, body=asking))
    lab.write("missing", plugin("missing", body=asking.replace("users.", "nobody.")))
    lab.start()
    assert lab.generation("asking").plugin.told == lab.generation("zealous").plugin.told == 1
    failed = [o.plugin for o in lab.running.journal.outcomes() if not o.success]
    assert failed == ["missing"]


def test_a_declared_service_is_known_without_its_text(lab: Lab) -> None:
    lab.write("users/manifest.json", '{"services": ["users.other"]}')
    lab.write("users", users(1))
    lab.write("shop", plugin("shop"))
    lab.start()
    assert "'users' could provide it" in str(missing(lab, "users.other").hint)


@pytest.fixture
def gates() -> Iterator[tuple[threading.Event, threading.Event]]:
    builtins.test_gates = gates = (threading.Event(), threading.Event())
    yield gates
    gates[1].set()
    del builtins.test_gates


def test_a_request_of_an_unaffected_plugin_waits_for_the_swap(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    waiting = """
    def initialize(self):
        entered, go_on = __import__("builtins").test_gates
        entered.set()
        go_on.wait(20)
    """
    lab.write("users", users(1))
    lab.write("shop", plugin("shop", routes=ASKING.replace("/version", "/ask")))
    lab.start()
    with ThreadPoolExecutor(2) as pool:
        reload = pool.submit(lab.save, ("users", users(2, body=waiting)))
        assert gates[0].wait(10)
        answer = pool.submit(lab.json, "/shop/ask")
        hold = lab.generation("users").hold
        assert hold is not None
        wait_for(lambda: hold.oldest_wait(float("inf")) > 0, "the call at the gate")
        assert not answer.done()
        gates[1].set()
        assert reload.result(20).success
        assert answer.result(20) == {"version": 2}
