"""Commands: what they take, how they end, and that they follow reloads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.core.errors import CommandNotFound, PluginHookFailed
from devserver.runtime.arguments import BadArguments
from devserver.runtime.gate import CURRENT
from tests.integration.lab import Lab, plugin, wait_for

COMMANDS = """
    def on_load(self, ctx):
        for name in ("add", "hang", "hang_async", "leave", "fail", "odd"):
            self.register_command(name, getattr(self, name))
        self.ended = []

    def add(self, first: int, *more: int, scale: float = 1, tags: list[str] = ()):
        '''Adds up.

        All of them.
        '''
        return [VERSION, (first + sum(more)) * scale, list(tags)]

    def hang(self):
        try:
            while True:
                pass
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise

    async def hang_async(self):
        try:
            await asyncio.sleep(3600)
        finally:
            self.ended.append("cancelled")

    def leave(self):
        raise SystemExit(3)

    async def fail(self):
        raise ValueError("boom")

    def odd(self, way: never_ends()):
        pass
"""
TOP = """
import asyncio

def never_ends():
    while not CALM:
        pass

CALM = True
"""


@pytest.fixture
def users(lab: Lab) -> Lab:
    lab.write("users", plugin("users", 1, top=TOP, body=COMMANDS))
    lab.start()
    return lab


def test_arguments_come_as_text_or_json(users: Lab) -> None:
    run = users.running.control.run_command
    assert run("users", "add", {"first": "1"}) == [1, 1, []]
    assert run("users", "add", {"first": 1, "more": ["2", 3], "scale": "2"}) == [1, 12, []]
    assert run("users", "add", {"first": 1, "more": 2, "tags": "a"}) == [1, 3, ["a"]]


def test_all_that_is_wrong_is_told_at_once(users: Lab) -> None:
    with pytest.raises(BadArguments) as caught:
        users.running.control.run_command("users", "add", {"more": ["x"], "scalf": 1})
    assert [(e["loc"][0], e["type"]) for e in caught.value.errors] == [
        ("first", "missing"),
        ("more", "int_parsing"),
        ("scalf", "unexpected"),
    ]
    assert "'scalf', not 'scale'" in caught.value.message


def test_commands_follow_a_reload(users: Lab) -> None:
    control = users.running.control
    newer = COMMANDS.replace('"add", ', "").replace("first: int", "first: str")
    assert control.describe_commands("users")[0]["name"] == "add"
    assert users.save(("users", plugin("users", 2, top=TOP, body=newer))).success
    assert "add" not in [c["name"] for c in control.describe_commands("users")]
    with pytest.raises(CommandNotFound, match="has no command 'add'"):
        control.run_command("users", "add", {"first": 1})


@pytest.mark.parametrize(
    ("command", "end"), [("hang", "HookInterrupted"), ("hang_async", "cancelled")]
)
def test_a_command_whose_caller_has_left_is_ended(users: Lab, command: str, end: str) -> None:
    left = threading.Event()
    plugin = users.generation("users").plugin
    with ThreadPoolExecutor(1) as pool:
        control = users.running.control
        running = pool.submit(control.run_command, "users", command, {}, caller_left=left.is_set)
        wait_for(lambda: users.generation("users").flights, "the command")
        (flight,) = users.generation("users").flights.values()
        wait_for(lambda: "plugins/users/plugin.py" in flight.told(), "its place")
        left.set()
        with pytest.raises(PluginHookFailed, match="whoever asked for it has left"):
            running.result(20)
    assert plugin.ended == [end]
    assert not users.generation("users").flights


def test_a_command_that_tries_to_end_the_process_fails(users: Lab) -> None:
    with pytest.raises(PluginHookFailed, match="raised SystemExit: 3"):
        users.running.control.run_command("users", "leave", {})


def test_what_a_command_raises_comes_out(users: Lab) -> None:
    with pytest.raises(ValueError, match="boom"):
        users.running.control.run_command("users", "fail", {})
    assert CURRENT.get() is None


def test_a_signature_that_hangs_is_told_and_hides_no_other(users: Lab) -> None:
    module = users.generation("users").table.modules["plugins.users.plugin"]
    late = COMMANDS.replace("way: never_ends()", "way: 'never_ends()'")
    assert users.save(("users", plugin("users", 2, top=TOP, body=late))).success
    module = users.generation("users").table.modules["plugins.users.plugin"]
    module.CALM = False
    told = {c["name"]: c for c in users.running.control.describe_commands("users")}
    assert "did not finish within 2 s" in told["odd"]["problem"]
    assert told["add"]["help"] == "Adds up.\n\nAll of them."
    assert [p["name"] for p in told["add"]["parameters"]] == ["first", "more", "scale", "tags"]
