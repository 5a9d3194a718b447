"""Plugins that do what nobody expects: the host keeps its promises all the same."""

from __future__ import annotations

import gc
import json
import logging
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.core.errors import DevServerError
from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin, wait_for

UNSPEAKABLE = """
class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")
"""


@pytest.fixture
def users(lab: Lab) -> Lab:
    lab.settings("reload:\n  timeout: 2\nsafety:\n  max_reload_attempts: 1\n")
    lab.write("users", plugin("users"))
    lab.start()
    return lab


@pytest.mark.parametrize(
    "broken",
    [
        plugin(
            "users",
            2,
            top=UNSPEAKABLE,
            body="def initialize(self):\n    raise Unspeakable",
        ),
        plugin("users", 2, top=UNSPEAKABLE + "\nraise Unspeakable"),
        plugin(
            "users",
            2,
            body="@property\ndef version(self):\n    raise RuntimeError('no version')",
        ),
        plugin(
            "users",
            2,
            init="self.events = 1",
            body="async def initialize(self):\n    self.ctx.events.publish(None)",
        ),
        plugin("users", 2, body="def __setattr__(self, name, value):\n    raise KeyError(name)"),
    ],
    ids=["unspeakable", "unspeakable import", "version", "topic", "setattr"],
)
def test_whatever_is_raised_the_old_version_goes_on(users: Lab, broken: str) -> None:
    users.json("/users/hit")
    generation = users.generation("users")
    outcome = users.save(("users", broken))
    assert outcome is not None
    assert not outcome.success
    assert outcome.error
    assert users.generation("users") is generation
    assert generation.hold is None
    assert users.json("/users/hit") == {"hits": 2}
    assert users.save(("users", plugin("users", 3))).success
    assert users.json("/users/hit") == {"hits": 3}


def test_a_plugin_that_delegates_unknown_attributes_is_reloaded(lab: Lab) -> None:
    delegating = """
        def __getattr__(self, name):
            return self.__dict__["delegate"][name]
    """
    lab.write("users", plugin("users", 1, body=delegating))
    lab.start()
    assert lab.save(("users", plugin("users", 2, body=delegating))).success
    assert lab.json("/users/version")["version"] == 2


def test_a_property_that_hangs_while_state_is_taken_ends_in_time(lab: Lab) -> None:
    lab.settings("reload:\n  timeout: 0.3\nsafety:\n  max_reload_attempts: 1\n")
    hanging = """
        class Kept:
            def __getstate__(self):
                while True:
                    pass
    """
    lab.write("users", plugin("users", 1, top=hanging))
    lab.start()
    lab.generation("users").plugin.kept = sys.modules["plugins.users.plugin"].Kept()
    outcome = lab.save(("users", plugin("users", 2, top=hanging)))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert "did not finish within" in (outcome.error or "")
    assert lab.json("/users/version")["version"] == 1


def test_nobody_waits_longer_than_the_time_limit(lab: Lab) -> None:
    """Three plugins, each with an initialize() that stays below the limit."""
    lab.settings("reload:\n  timeout: 1\nsafety:\n  max_reload_attempts: 1\n")
    slow = """
        def initialize(self):
            if VERSION > 1:
                __import__("builtins").test_slow.wait(0.8)
    """
    lab.write("users", plugin("users", 1, body=slow))
    for name in ("orders", "mailer"):
        top = "from plugins.users.plugin import VERSION"
        lab.write(name, plugin(name, 1, body=slow).replace("VERSION = 1", top))
    lab.start()
    import builtins

    builtins.test_slow = threading.Event()
    try:
        with ThreadPoolExecutor(2) as pool:
            reload = pool.submit(lab.save, ("users", plugin("users", 2, body=slow)))
            wait_for(lambda: lab.generation("users").hold is not None, "the hold")
            waiting = pool.submit(lab.json, "/users/version")
            outcome = reload.result(20)
            assert outcome.result is Result.ROLLED_BACK, outcome.steps
            assert waiting.result(20)["version"] == 1
    finally:
        del builtins.test_slow


def test_what_a_candidate_configures_can_be_changed_later(lab: Lab) -> None:
    body = """
        async def initialize(self):
            await self.set_config("mode", "a")
            await self.set_data("seen", [1])
    """
    lab.write("users", plugin("users", 1, body=body))
    lab.start()
    ctx = lab.generation("users").plugin.ctx
    assert (ctx.config["mode"], ctx.data.get("seen")) == ("a", [1])
    ctx.config.set("mode", "b")
    ctx.data.set("seen", [2])
    assert (ctx.config["mode"], ctx.data.get("seen")) == ("b", [2])


def test_what_a_rolled_back_candidate_configures_is_forgotten(users: Lab) -> None:
    body = """
        async def initialize(self):
            await self.set_config("mode", "a")
            return False
    """
    assert not users.save(("users", plugin("users", 2, body=body))).success
    assert "mode" not in users.generation("users").plugin.ctx.config


def test_patches_do_not_pile_up_and_go_with_the_plugin(lab: Lab) -> None:
    original = json.dumps
    wrapping = """
        def on_load(self, ctx):
            import json
            below = json.dumps
            def dumps(*args, **kwargs):
                return "wrapped " + below(*args, **kwargs)
            ctx.patch(json, "dumps", dumps)
    """
    lab.write("users", plugin("users", 1, body=wrapping))
    lab.start()
    for version in range(2, 8):
        assert lab.save(("users", plugin("users", version, body=wrapping))).success
        assert json.dumps(1) == "wrapped 1"
    patched = json.dumps
    failing = wrapping + "\n        def initialize(self):\n            return False\n"
    assert not lab.save(("users", plugin("users", 9, body=failing))).success
    assert json.dumps is patched
    wait_for(lambda: lab.live("users") == [7], "the end of the old generations")
    assert lab.save(("users", None)).success
    wait_for(lambda: json.dumps is original, "the original")


def test_log_handlers_go_with_their_generation(lab: Lab) -> None:
    adding = """
        def initialize(self):
            import logging
            self.logger.addHandler(logging.NullHandler())
            logging.getLogger(__name__).addHandler(logging.NullHandler())
    """
    lab.write("users", plugin("users", 1, body=adding))
    lab.start()
    own = logging.NullHandler()
    for version in range(2, 7):
        assert lab.save(("users", plugin("users", version, body=adding))).success

    def handlers() -> list[int]:
        names = ("plugins.users", "plugins.users.plugin")
        return [len(logging.getLogger(name).handlers) for name in names]

    wait_for(lambda: handlers() == [1, 1], "one handler each")
    failing = adding + "\n            return False\n"
    assert not lab.save(("users", plugin("users", 8, body=failing))).success
    assert handlers() == [1, 1]
    del own


def test_optional_types_of_a_plugin_hold_no_generation(lab: Lab) -> None:
    top = """
        from typing import Optional, Union

        class Model:
            pass

        MAYBE = Optional[Model]
        EITHER = Union[Model, int]
    """
    lab.write("users", plugin("users", 1, top=top))
    lab.start()
    model = weakref.ref(sys.modules["plugins.users.plugin"].Model)
    assert lab.save(("users", plugin("users", 2, top=top))).success
    wait_for(lambda: gc.collect() is not None and model() is None, "the end of the old class")


def test_a_folder_that_changes_its_spelling_is_reloaded(lab: Lab) -> None:
    lab.write("my-users", plugin("my_users", 1))
    lab.start()
    assert lab.json("/my-users/version")["version"] == 1
    old = lab.root / "plugins" / "my-users"
    new = old.with_name("my_users")
    old.rename(new)
    outcome = lab.running.changed(old / "plugin.py", new / "plugin.py")
    assert outcome is not None
    assert outcome.success
    assert lab.generation("my_users").name == "my_users"
    assert sys.modules["plugins.my_users.plugin"].__file__ == str(new / "plugin.py")


def test_a_plugin_that_never_served_can_be_deleted(lab: Lab) -> None:
    lab.write("users", "broken(")
    lab.start()
    assert lab.get("/users/version").status_code == 503
    assert lab.save(("users", None)) is None
    assert lab.running.registry.view.find("users") is None
    assert lab.get("/users/version").status_code == 404


def test_a_reload_from_the_plugin_loop_is_refused_with_the_way_out(users: Lab) -> None:
    async def reload() -> None:
        users.running.control.reload("users")

    with pytest.raises(DevServerError) as caught:
        users.running.system.loop.submit(reload).result(10)
    assert "asyncio.to_thread" in (caught.value.hint or "")


def test_a_stop_answers_who_waits_for_a_batch_that_was_put_off(users: Lab) -> None:
    users.write("users", "broken(")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(users.running.changed, users.path("users"))
        users.stop()
        assert waiting.exception(10) is not None or waiting.result() is not None
