"""What holds a generation that was let go is named, with the chain that holds it."""

from __future__ import annotations

import atexit
import copyreg
import logging
import sys
import threading
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.guarantees.g07_nothing_leaks.deeds import wait_disposed
from tests.integration.lab import Lab, plugin, wait_for

ITEM = "class Item:\n    def __init__(self):\n        self.tags = []\n"
PLAIN = plugin("users", 2, top=ITEM)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that is no plugin."""
    module = types.ModuleType("lent_library")
    monkeypatch.setitem(sys.modules, "lent_library", module)
    return module


@pytest.fixture
def held(lab: Lab) -> Iterator[Any]:
    """Saves a successor and gives the one leak that is found then."""

    def found(top: str = ITEM, *, routes: str = "", body: str = "", ask: str = "") -> Any:
        lab.write("users", plugin("users", 1, top=top, routes=routes, body=body))
        host = lab.start()
        host.leaks.quiet = 0.02
        if ask:
            assert lab.get(ask).status_code == 200
        outcome = lab.save(("users", PLAIN))
        assert outcome is not None
        assert outcome.success
        wait_disposed(lab)
        leaks = wait_for(lambda: host.control.leaks("users"), "the leak")
        assert len(leaks) == 1
        return leaks[0]

    return found


def test_a_global_of_another_plugin_is_named_with_its_key(lab: Lab, held: Any) -> None:
    lab.write("orders", plugin("orders", top="CACHE = {}\n"))
    routes = """
    @router.get("/keep")
    def keep():
        import plugins.orders.plugin as orders
        orders.CACHE["x"] = [Item()]
        return {}
    """
    lab.write("users", plugin("users", 1, top=ITEM, routes=routes))
    # The dependent is not reloaded: it does not import users, users imports it.
    leak = held(routes=routes, ask="/users/keep")
    assert leak["kind"] == "reference"
    assert leak["generation"] == 1
    assert leak["holder"] == "plugins.orders.plugin.CACHE['x']"
    assert leak["chain"] == (
        "plugins.orders.plugin.CACHE['x'] -> list -> Item instance"
        " -> class plugins.users.plugin.Item (g1)"
    )


def test_the_journal_tells_of_it_once_and_the_answers_of_the_api_have_it(
    lab: Lab, held: Any, library: Any
) -> None:
    from devserver.web.shapes import reload_info

    library.kept = []
    routes = """
    @router.get("/keep")
    def keep():
        import lent_library
        lent_library.kept.append(Item)
        return {}
    """
    leak = held(routes=routes, ask="/users/keep")
    host = lab.running
    for version in (3, 4):
        lab.save(("users", plugin("users", version)))
        wait_disposed(lab)
        host.control.leaks("users", look=True)
    notices = [
        e.payload
        for e in host.journal.events_after(0, 0)
        if e.kind == "notice" and e.payload["level"] == "warning"
    ]
    assert [n["message"] for n in notices] == [
        "users g1 is still in memory, held by "
        "lent_library.kept -> list -> class plugins.users.plugin.Item (g1)"
    ]
    assert notices[0]["plugin"] == "users"
    record = host.registry.view.find("users")
    assert record is not None
    assert reload_info(host.control, record)["leaks"] == [leak]
    assert host.control.live_generations("users") == [1, 4]
    library.kept.clear()
    assert host.control.leaks("users", look=True) == []
    assert host.control.live_generations("users") == [4]


def test_a_thread_that_still_runs_is_named_with_its_stack(lab: Lab, held: Any) -> None:
    top = """
    import threading
    STOP = threading.Event()
    def poll():
        wait_here()
    def wait_here():
        STOP.wait()
    threading.Thread(target=poll, name="poller", daemon=True).start()
    """
    lab.write("users", plugin("users", 1))
    stop = threading.Event
    try:
        leak = held(top=top)
        thread = next(t for t in threading.enumerate() if t.name == "poller")
        stop = thread._target.__globals__["STOP"]  # type: ignore[attr-defined]
        assert leak["kind"] == "thread"
        assert leak["holder"] == "thread 'poller'"
        assert leak["chain"] == (
            "thread 'poller': poll (plugins/users/plugin.py:8)"
            " -> wait_here (plugins/users/plugin.py:10)"
        )
    finally:
        stop.set()  # type: ignore[call-arg]
    wait_for(lambda: lab.running.control.leaks("users", look=True) == [], "the end of the leak")


def test_a_timer_that_waits_is_named(lab: Lab, held: Any) -> None:
    top = """
    import threading
    def later():
        pass
    TIMER = threading.Timer(3600, later)
    TIMER.start()
    """
    try:
        leak = held(top=top)
        assert leak["kind"] == "thread"
        assert "later (g1)" in leak["chain"]
    finally:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()


def test_a_task_that_ignores_that_it_is_cancelled_is_named_with_its_place(
    lab: Lab, held: Any, library: Any
) -> None:
    library.go_on = True
    body = """
    def initialize(self):
        self.create_task(self.stubborn)

    async def stubborn(self):
        import asyncio, lent_library
        lent_library.began.set()  # before that it is cancelled without a chance to ignore it
        while lent_library.go_on:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                lent_library.ignored = getattr(lent_library, "ignored", 0) + 1
    """
    library.began = threading.Event()
    routes = """
    @router.get("/begun")
    def begun():
        import lent_library
        return {"begun": lent_library.began.wait(20)}
    """
    try:
        leak = held(body=body, routes=routes, ask="/users/begun")
        assert leak["kind"] == "task"
        assert leak["holder"] == "task 'Users.stubborn'"
        assert "plugin.py:" in leak["chain"]
        assert library.ignored >= 2  # it was asked twice
    finally:
        library.go_on = False
    wait_for(lambda: lab.running.control.leaks("users", look=True) == [], "the end of the leak")


def test_a_task_that_nobody_was_told_of_is_cancelled(lab: Lab) -> None:
    body = """
    async def initialize(self):
        import asyncio
        self.left = asyncio.create_task(self.on_its_own())

    async def on_its_own(self):
        import asyncio
        await asyncio.sleep(3600)
    """
    lab.write("users", plugin("users", 1, body=body))
    host = lab.start()
    host.leaks.quiet = 0.02
    task = lab.generation("users").plugin.left
    assert lab.save(("users", PLAIN)).success  # type: ignore[union-attr]
    wait_for(task.done, "the task's end")
    assert task.cancelled()


def test_a_handler_at_the_root_logger_that_came_in_behind_our_back(held: Any) -> None:
    routes = """
    @router.get("/listen")
    def listen():
        import logging
        class Own(logging.NullHandler):
            def emit(self, record):
                pass
        logging.getLogger().handlers.append(Own())
        return {}
    """
    try:
        leak = held(routes=routes, ask="/users/listen")
        assert leak["kind"] == "log handler"
        assert leak["holder"].startswith("logging."), leak
        assert "handlers" in leak["chain"]
        assert "Own" in leak["chain"]
    finally:
        root = logging.getLogger()
        for handler in list(root.handlers):
            if type(handler).__qualname__.endswith("Own"):
                root.removeHandler(handler)
                handler.close()


def test_a_closure_that_somebody_else_put_into_atexit(held: Any, library: Any) -> None:
    def register(function: Any) -> None:
        def run() -> None:
            function()

        atexit.register(run)
        library.run = weakref.ref(run)

    library.register = register
    routes = """
    @router.get("/exit")
    def at_exit():
        import lent_library
        item = Item()
        lent_library.register(lambda: item.tags)
        return {}
    """
    try:
        leak = held(routes=routes, ask="/users/exit")
        assert leak["kind"] == "atexit"
        assert leak["holder"].startswith("atexit")
        assert "at_exit.<locals>.<lambda> (g1)" in leak["chain"]
    finally:
        atexit.unregister(library.run())


def test_a_registry_of_the_standard_library(held: Any) -> None:
    top = f"import copyreg\n{ITEM}\ncopyreg.pickle(Item, lambda item: (Item, ()))"
    try:
        leak = held(top=top)
        assert leak["kind"] == "reference"
        assert leak["holder"] == "copyreg.dispatch_table (as a key)"
        assert "(g1)" in leak["chain"]
    finally:
        for kind in [k for k in copyreg.dispatch_table if k.__module__ == "plugins.users.plugin"]:
            del copyreg.dispatch_table[kind]


def test_a_single_dispatch_function_of_a_third_module(held: Any, library: Any) -> None:
    import functools

    library.show = functools.singledispatch(repr)
    top = f"import lent_library\n{ITEM}\n@lent_library.show.register(Item)\ndef _(item):\n    pass"
    leak = held(top=top)
    assert leak["holder"].startswith("lent_library.show")
    assert "(g1)" in leak["chain"]


def test_a_patched_attribute_of_another_module(held: Any, library: Any) -> None:
    library.Client = type("Client", (), {})
    top = "import lent_library\ndef send(self):\n    pass\nlent_library.Client.send = send"
    leak = held(top=top)
    assert leak["holder"] == "lent_library.Client"
    assert "function plugins.users.plugin.send (g1)" in leak["chain"]
    assert ".send" in leak["chain"]


def test_an_object_that_the_consumer_of_a_service_keeps(lab: Lab, held: Any) -> None:
    routes = """
    @router.get("/take")
    def take():
        self._kept = self.get_service("users.items")()[0]
        return {}
    """
    lab.write("orders", plugin("orders", routes=routes))
    serves = """
    def initialize(self):
        self.register_service("users.items", lambda: [Item()])
    """
    leak = held(body=serves, ask="/orders/take")
    assert leak["holder"] == "plugin orders (g1)._kept"
    assert leak["chain"] == (
        "plugin orders (g1)._kept -> Item instance -> class plugins.users.plugin.Item (g1)"
    )
    assert leak["hint"].startswith("what 'orders' keeps of 'users' is made new with it")


def test_a_candidate_that_was_rolled_back_is_named_too(lab: Lab, library: Any) -> None:
    library.kept = []
    lab.write("users", plugin("users", 1))
    host = lab.start()
    host.leaks.quiet = 0.02
    top = f"import lent_library\n{ITEM}\nlent_library.kept.append(Item())"
    refused = plugin("users", 2, top=top, body="def initialize(self):\n    return False")
    assert not lab.save(("users", refused)).success  # type: ignore[union-attr]
    leak = wait_for(lambda: host.control.leaks("users"), "the leak")[0]
    assert leak["rolled_back"]
    assert leak["generation"] == 2
    assert leak["chain"].startswith("lent_library.kept -> list -> Item instance")
    assert host.control.live_generations("users") == [1]


def test_a_finalizer_of_a_foreign_object_is_named(held: Any, library: Any) -> None:
    library.thing = type("Thing", (), {})()
    top = """
    import weakref, lent_library
    def end():
        pass
    weakref.finalize(lent_library.thing, end)
    """
    leak = held(top=top)
    assert leak["holder"].startswith("weakref.finalize")
    assert "function plugins.users.plugin.end (g1)" in leak["chain"]
    del library.thing


def test_objects_are_not_asked_who_they_are(held: Any, library: Any) -> None:
    library.kept = []
    top = f"""
    import lent_library
    {ITEM.replace(chr(10), chr(10) + "    ")}
    def refuse(*_):
        raise SystemExit("nobody asks")
    class Disguised:
        __class__ = property(refuse)
        __getattr__ = __eq__ = __repr__ = __bool__ = __len__ = __iter__ = refuse
        __hash__ = object.__hash__
    class Outer:
        pass
    OUTER = Outer()
    OUTER.inner = Disguised()
    object.__setattr__(OUTER.inner, "item", Item())
    lent_library.kept.append(OUTER)
    """
    leak = held(top=top)
    assert leak["kind"] == "reference"
    assert leak["holder"] == "lent_library.kept"
