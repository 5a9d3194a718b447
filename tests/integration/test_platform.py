"""Routes, events, services, tasks and commands of plugins."""

from __future__ import annotations

import threading

import pytest

from devserver.core.errors import CommandNotFound, DevServerError, PluginNotFound, ServiceNotFound
from tests.integration.lab import Lab, plugin, wait_for


def test_bodies_and_queries_are_bound_and_checked(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            top="""
        from dataclasses import dataclass
        from pydantic import BaseModel

        @dataclass
        class Point:
            x: int
            y: int = 0

        class User(BaseModel):
            name: str
            age: int | None = None
    """,
            routes="""
        @router.post("/point/<int:n>")
        def point(n: int, body: Point, scale: float = 1.0):
            return {"n": n, "x": body.x * scale}

        @router.put("/user")
        async def user(user: User):
            return user

        @router.get("/search")
        def search(q: str, limit: int = 10):
            return {"q": q, "limit": limit}
    """,
        ),
    )
    lab.start()
    assert lab.ask("POST", "/users/point/3?scale=2", json={"x": 4}).json == {"n": 3, "x": 8.0}
    assert lab.ask("PUT", "/users/user", json={"name": "ada"}).json == {"name": "ada", "age": None}
    assert lab.json("/users/search?q=a") == {"q": "a", "limit": 10}
    wrong = lab.ask("POST", "/users/point/3", json={"x": "many"})
    assert wrong.status_code == 422
    assert wrong.json["errors"][0]["loc"] == ["body", "x"]
    missing = lab.get("/users/search?limit=few")
    assert missing.status_code == 422
    assert {tuple(e["loc"]) for e in missing.json["errors"]} == {("q",), ("limit",)}
    assert lab.ask("POST", "/users/point/3", data="{no json").status_code == 422
    assert lab.ask("DELETE", "/users/search").status_code == 405
    assert lab.get("/users/nowhere").json["error"] == "Not Found"


def test_blueprints_templates_and_routes_py_are_served(lab: Lab) -> None:
    lab.write("users/templates/hello.html", "<p>{{ who }}</p>")
    lab.write(
        "users/routes.py",
        """
from devserver.sdk import Router

def get_router():
    router = Router(prefix="/extra")

    @router.get("/ping")
    def ping():
        return {"pong": True}

    return router
""",
    )
    lab.write(
        "users",
        plugin(
            "users",
            top="""
        from flask import Blueprint, render_template, url_for
    """,
            body="""
        def get_api_routes(self):
            blueprint = Blueprint("pages", __name__)

            @blueprint.get("/page/<who>")
            def page(who):
                return render_template("hello.html", who=who) + url_for("pages.page", who="x")

            return [blueprint]
    """,
        ),
    )
    lab.start()
    assert lab.get("/users/page/<b>").text == "<p>&lt;b&gt;</p>/users/page/x"
    assert lab.json("/users/extra/ping") == {"pong": True}


def test_a_raising_view_answers_500_with_the_plugins_own_frames(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            routes="""
        @router.get("/fail")
        def fail():
            raise ValueError("boom")
    """,
        ),
    )
    lab.start()
    answer = lab.get("/users/fail")
    assert answer.status_code == 500
    assert answer.json["error"] == "ValueError: boom"
    assert 'raise ValueError("boom")' in answer.json["traceback"]
    assert "site-packages" not in answer.json["traceback"]
    assert lab.running.control.plugin_details("users")["metrics"]["errors"] == 1


def test_a_traceback_shows_the_running_source_while_something_else_is_on_disk(lab: Lab) -> None:
    failing = """
        @router.get("/fail")
        def fail():
            import traceback
            try:
                raise ValueError("boom")
            except ValueError:
                return traceback.format_exc(), 200, {"Content-Type": "text/plain"}
    """
    lab.write("users", plugin("users", routes=failing))
    lab.start()
    refused = lab.save(("users", "\n\n\nbroken(\n" + plugin("users", 2, routes=failing)))
    assert refused is not None
    assert not refused.success
    assert 'raise ValueError("boom")' in lab.get("/users/fail").text


SUBSCRIBER = """
    def on_load(self, ctx):
        self.seen = []
        ctx.events.subscribe("order.*", self.on_order)

    {kind} on_order(self, event):
        {work}
        self.seen.append((VERSION, event.topic, event.data))
"""


@pytest.mark.parametrize(
    ("kind", "work"), [("def", "pass"), ("async def", "import asyncio; await asyncio.sleep(0)")]
)
def test_events_arrive_in_order(lab: Lab, kind: str, work: str) -> None:
    lab.write("users", plugin("users", body=SUBSCRIBER.format(kind=kind, work=work)))
    lab.write("shop", plugin("shop"))
    lab.start()
    shop = lab.generation("shop").plugin
    for n in range(20):
        shop.ctx.events.publish("order.placed", n)
    shop.ctx.events.publish("other.thing", 0)
    users = lab.generation("users").plugin
    wait_for(lambda: len(users.seen) == 20, "20 events")
    assert users.seen == [(1, "order.placed", n) for n in range(20)]


def test_events_that_arrive_during_a_swap_reach_the_new_generation(lab: Lab) -> None:
    body = SUBSCRIBER.format(kind="def", work="pass")
    waiting = (
        body
        + """
    def initialize(self):
        gates = __import__("builtins").test_gates
        gates[0].set()
        gates[1].wait(20)
"""
    )
    lab.write("users", plugin("users", body=body))
    lab.write("shop", plugin("shop"))
    lab.start()
    import builtins

    builtins.test_gates = (threading.Event(), threading.Event())
    try:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            reload = pool.submit(lab.save, ("users", plugin("users", 2, body=waiting)))
            assert builtins.test_gates[0].wait(10)
            lab.generation("shop").plugin.ctx.events.publish("order.placed", "during")
            builtins.test_gates[1].set()
            assert reload.result(20).success
    finally:
        del builtins.test_gates
    users = lab.generation("users").plugin
    wait_for(lambda: users.seen, "the event")
    assert users.seen == [(2, "order.placed", "during")]


def test_a_raising_subscriber_harms_no_other(lab: Lab) -> None:
    lab.write(
        "bad", plugin("bad", body=SUBSCRIBER.format(kind="def", work="raise ValueError('no')"))
    )
    lab.write("good", plugin("good", body=SUBSCRIBER.format(kind="def", work="pass")))
    lab.start()
    good = lab.generation("good").plugin
    good.ctx.events.publish("order.placed", 1)
    wait_for(lambda: good.seen, "the event")
    wait_for(lambda: lab.generation("bad").counters.errors == 1, "the error count")


@pytest.mark.parametrize("topic", [None, 5, "", b"order.placed"])
def test_a_topic_that_is_no_text_is_refused(lab: Lab, topic: object) -> None:
    lab.write("users", plugin("users", body=SUBSCRIBER.format(kind="def", work="pass")))
    lab.start()
    bus = lab.running.system.bus
    with pytest.raises(TypeError, match=r"a text such as 'order\.placed'"):
        bus.publish(topic, 1, "users")
    bus.publish("order.placed", 2, "users")
    users = lab.generation("users").plugin
    wait_for(lambda: users.seen, "the event")
    assert users.seen == [(1, "order.placed", 2)]


def test_an_event_that_cannot_be_delivered_holds_up_no_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write("users", plugin("users", body=SUBSCRIBER.format(kind="def", work="pass")))
    lab.start()
    bus, gate = lab.running.system.bus, lab.running.system.gate
    inside = gate.inside

    def fail(*arguments: object) -> object:
        monkeypatch.setattr(gate, "inside", inside)
        raise RuntimeError("no way in")

    monkeypatch.setattr(gate, "inside", fail)
    bus.publish("order.placed", 1, "users")
    bus.publish("order.placed", 2, "users")
    users = lab.generation("users").plugin
    wait_for(lambda: users.seen, "the second event")
    assert users.seen == [(1, "order.placed", 2)]


def test_what_is_published_while_the_server_stops_is_dropped(lab: Lab) -> None:
    body = """
        def on_load(self, ctx):
            ctx.events.subscribe("*", print)
    """
    lab.write("users", plugin("users", body=body))
    lab.start()
    bus = lab.running.system.bus
    bus.stop()
    bus.publish("order.placed", 1, "users")


def test_a_deleted_subscription_is_gone(lab: Lab) -> None:
    lab.write("users", plugin("users", body=SUBSCRIBER.format(kind="def", work="pass")))
    lab.start()
    assert lab.save(("users", plugin("users", 2))).success
    assert lab.generation("users").subscriptions == ()


def test_what_a_candidate_publishes_is_heard_only_after_its_commit(lab: Lab) -> None:
    lab.write("users", plugin("users", body=SUBSCRIBER.format(kind="def", work="pass")))
    shouting = """
        async def initialize(self):
            await self.publish_event("order.up", VERSION)
    """
    lab.write("shop", plugin("shop", 1, body=shouting))
    lab.start()
    users = lab.generation("users").plugin
    users.seen.clear()
    failing = shouting + "    return False\n"
    assert not lab.save(("shop", plugin("shop", 2, body=failing))).success
    assert lab.save(("shop", plugin("shop", 3, body=shouting))).success
    wait_for(lambda: users.seen, "the event")
    assert users.seen == [(1, "order.up", 3)]


def test_a_service_follows_a_reload_of_its_provider(lab: Lab) -> None:
    offering = """
        def on_load(self, ctx):
            ctx.get("services").register("base.api", self)

        def tell(self):
            return VERSION
    """
    lab.write("base", plugin("base", 1, body=offering))
    lab.write(
        "shop",
        plugin(
            "shop",
            body="""
        def initialize(self):
            self.users = self.get_service("base.api")
            self.tell = self.users.tell
    """,
        ),
    )
    lab.start()
    shop = lab.generation("shop").plugin
    assert (shop.users.tell(), shop.tell()) == (1, 1)
    assert lab.save(("base", plugin("base", 2, body=offering))).success
    assert lab.generation("shop").plugin is shop
    assert (shop.users.tell(), shop.tell()) == (2, 2)
    wait_for(lambda: lab.live("base") == [2], "the end of g1")
    with pytest.raises(ServiceNotFound, match=r"base\.apu") as caught:
        shop.get_service("base.apu")
    assert caught.value.hint == "did you mean 'base.api'?"


def test_a_dependent_gets_the_new_service_while_both_are_reloaded(lab: Lab) -> None:
    offering = """
        def on_load(self, ctx):
            ctx.services.register("users.version", lambda: VERSION)
    """
    lab.write("users", plugin("users", 1, body=offering))
    lab.write(
        "shop",
        plugin(
            "shop",
            top="from plugins.users.plugin import VERSION as V",
            body="""
        def initialize(self):
            self.told = self.get_service("users.version")()
    """,
        ),
    )
    lab.start()
    assert lab.save(("users", plugin("users", 2, body=offering))).success
    assert lab.generation("shop").plugin.told == 2


def test_tasks_run_from_commit_to_replacement(lab: Lab) -> None:
    working = """
        def initialize(self):
            self.ticks = []
            self.create_task(self.work)

        async def work(self):
            import asyncio
            try:
                while True:
                    self.ticks.append(VERSION)
                    await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                self.ticks.append("cancelled")
                raise
    """
    lab.write("users", plugin("users", 1, body=working))
    lab.start()
    old = lab.generation("users").plugin
    wait_for(lambda: len(old.ticks) > 2, "ticks")
    assert not lab.save(
        ("users", plugin("users", 2, body=working + "\n    def health_check(self): return False"))
    ).success
    seen = len(old.ticks)
    wait_for(lambda: len(old.ticks) > seen, "further ticks of the old generation")
    assert lab.save(("users", plugin("users", 3, body=working))).success
    wait_for(lambda: "cancelled" in old.ticks, "the end of the old task")
    new = lab.generation("users").plugin
    wait_for(lambda: 3 in new.ticks, "ticks of the new generation")
    assert 2 not in new.ticks


def test_hooks_on_the_way_out_and_cleanups_run_last_first(lab: Lab) -> None:
    leaving = """
        def initialize(self):
            self.left = __import__("builtins").test_left
            self.on_cleanup(lambda: self.left.append("first"))
            self.on_cleanup(lambda: self.left.append("second"))

        def on_unload(self, ctx):
            self.left.append("on_unload")

        async def shutdown(self):
            self.left.append("shutdown")
    """
    import builtins

    builtins.test_left = left = []
    try:
        lab.write("users", plugin("users", 1, body=leaving))
        lab.start()
        assert lab.save(("users", plugin("users", 2))).success
        wait_for(lambda: len(left) == 4, "the way out")
    finally:
        del builtins.test_left
    assert left == ["on_unload", "shutdown", "second", "first"]


def test_a_patched_name_is_put_back(lab: Lab) -> None:
    import colorsys

    original = colorsys.rgb_to_hsv
    patching = """
        def on_load(self, ctx):
            import colorsys
            ctx.patch(colorsys, "rgb_to_hsv", VERSION)
    """
    lab.write("users", plugin("users", 1, body=patching))
    lab.start()
    assert colorsys.rgb_to_hsv == 1
    assert lab.save(("users", plugin("users", 2))).success
    wait_for(lambda: colorsys.rgb_to_hsv is original, "the original")


def test_commands_take_typed_arguments(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            body="""
        def on_load(self, ctx):
            self.register_command("add", self.add, help="adds")
            self.register_command("later", self.later)

        def add(self, a: int, b: int = 1) -> int:
            return a + b

        async def later(self):
            return VERSION
    """,
        ),
    )
    lab.start()
    control = lab.running.control
    assert control.run_command("users", "add", {"a": "2", "b": "3"}) == 5
    assert control.run_command("users", "later", {}) == 1
    with pytest.raises(DevServerError, match="a: Input should be a valid integer"):
        control.run_command("users", "add", {"a": "x"})
    with pytest.raises(DevServerError, match="missing a required argument: 'a'"):
        control.run_command("users", "add", {})
    with pytest.raises(CommandNotFound):
        control.run_command("users", "subtract", {})
    with pytest.raises(PluginNotFound):
        control.run_command("nobody", "add", {})


def test_health_is_asked_and_never_blocks(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            body="""
        def health_check(self):
            return {"healthy": True, "message": "fine", "components": {"db": "ok"}}
    """,
        ),
    )
    lab.start()
    health = lab.running.control.health("users")
    assert (health["status"], health["message"], health["components"]) == (
        "healthy",
        "fine",
        {"db": "ok"},
    )


def test_permissions_and_metrics_are_told(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            top="from devserver.sdk import Permission",
            body="""
        def register_permissions(self):
            return [Permission(key="users.view", description="View users")]
    """,
        ),
    )
    lab.start()
    lab.json("/users/hit")
    details = lab.running.control.plugin_details("users")
    assert details["permissions"] == [{"key": "users.view", "description": "View users"}]
    assert details["metrics"]["requests"] == 1
    assert details["routes"]["count"] == 2


def test_a_route_of_routes_py_gives_way_to_one_of_register_routes(lab: Lab) -> None:
    lab.write(
        "users/routes.py",
        """
from devserver.sdk import Router

def get_router():
    router = Router()

    @router.get("/version")
    def version():
        return {"version": "of routes.py"}

    @router.get("/other")
    def other():
        return {"other": True}

    return router
""",
    )
    lab.write("users", plugin("users"))
    lab.start()
    assert lab.json("/users/version")["version"] == 1
    assert lab.json("/users/other") == {"other": True}
