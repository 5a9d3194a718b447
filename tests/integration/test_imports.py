"""What plugin code gets when it imports, in every way there is."""

from __future__ import annotations

import builtins
import importlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin

SEEN = """
    @router.get("/seen")
    def seen():
        import importlib
        from plugins.users import plugin as stated
        module = importlib.import_module("plugins.users.plugin")
        relative = importlib.import_module(".plugin", "plugins.users")
        versions = {VERSION, stated.VERSION, module.VERSION, relative.VERSION}
        return sorted(versions)
"""
GATED = """
import builtins
gates = builtins.test_gates
gates[0].set()
gates[1].wait(20)
"""


@pytest.fixture
def gates() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Set by a candidate when it is in the middle of it, and by the test to let it go on."""
    builtins.test_gates = gates = (threading.Event(), threading.Event())
    yield gates
    gates[1].set()
    del builtins.test_gates


def candidate(ending: str) -> str:
    return plugin("users", 2, routes=SEEN) + GATED + ending


@pytest.mark.parametrize(
    ("ending", "result"),
    [("", Result.RELOADED), ("raise ValueError('no')\n", Result.ROLLED_BACK)],
)
def test_import_module_gives_the_callers_own_generation_at_any_time(
    lab: Lab, gates: tuple[threading.Event, threading.Event], ending: str, result: Result
) -> None:
    lab.settings("safety:\n  trial_process: false\n  max_reload_attempts: 1\n")
    lab.write("users", plugin("users", 1, routes=SEEN))
    lab.start()
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(lab.save, ("users", candidate(ending)))
        assert gates[0].wait(10)
        assert lab.json("/users/seen") == [1]
        assert lab.json("/users/seen") == [1]
        gates[1].set()
        assert reload.result(20).result is result
    assert lab.json("/users/seen") == [2 if result is Result.RELOADED else 1]


STATIC = """
import importlib
NAME = "base"
models = {expression}
"""


@pytest.mark.parametrize(
    "expression",
    [
        'importlib.import_module(f"plugins.{NAME}.models")',
        'importlib.import_module(f"..{NAME}.models", __package__)',
        'importlib.import_module(name=f".{NAME}.models", package="plugins")',
        '__import__(f"plugins.{NAME}.models", fromlist=["RATE"])',
        'getattr(__import__(f"plugins.{NAME}.models"), NAME).models',
        '__import__(f"{NAME}.models", globals(), fromlist=["RATE"], level=2)',
    ],
)
def test_who_is_imported_by_a_call_becomes_a_dependency(lab: Lab, expression: str) -> None:
    lab.write("base", plugin("base"))
    lab.write("base/models.py", "RATE = 1\n")
    route = '@router.get("/rate")\ndef rate():\n    return {"rate": models.RATE}'
    top = STATIC.format(expression=expression)
    lab.write("orders", plugin("orders", top=top, routes=route))
    lab.start()
    assert lab.generation("orders").table.imported == {"base"}
    outcome = lab.save(("base/models.py", "RATE = 2\n"))
    assert outcome is not None
    assert list(outcome.reloaded) == ["base", "orders"]
    assert lab.json("/orders/rate") == {"rate": 2}


def test_import_module_of_anything_else_is_the_standard_one(lab: Lab) -> None:
    before = importlib.import_module
    routes = """
        @router.get("/others")
        def others():
            import importlib, json
            faults = []
            for arguments in [("nowhere_at_all",), (".models",), (5,), ("plugins.nobody",)]:
                try:
                    importlib.import_module(*arguments)
                except Exception as error:
                    faults.append(type(error).__name__)
            return {"same": importlib.import_module("json") is json, "faults": faults}
    """
    lab.write("users", plugin("users", routes=routes))
    lab.start()
    assert lab.json("/users/others") == {
        "same": True,
        "faults": ["ModuleNotFoundError", "TypeError", "AttributeError", "ModuleNotFoundError"],
    }
    assert importlib.import_module("plugins.users.plugin") is sys.modules["plugins.users.plugin"]
    lab.stop()
    assert importlib.import_module is before


def test_the_files_of_a_package_are_found_as_resources(lab: Lab) -> None:
    routes = """
        @router.get("/files")
        def files():
            import importlib.resources, pkgutil
            own = importlib.resources.files(__package__)
            return {
                "own": own.joinpath("hello.txt").read_text(),
                "named": importlib.resources.files("plugins.users").joinpath("hello.txt").name,
                "below": importlib.resources.files("plugins.users.data").joinpath("a").read_text(),
                "get_data": pkgutil.get_data("plugins.users", "hello.txt").decode(),
                "relative": __loader__.get_data("hello.txt").decode(),
            }
    """
    lab.write("users/__init__.py", "")
    lab.write("users/hello.txt", "hello")
    lab.write("users/data/code.py", "")
    (lab.root / "plugins/users/data/a").write_text("below")
    lab.write("users", plugin("users", routes=routes))
    lab.start()
    assert lab.json("/users/files") == {
        "own": "hello",
        "named": "hello.txt",
        "below": "below",
        "get_data": "hello",
        "relative": "hello",
    }


def test_a_module_is_no_place_for_resources(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    module: Any = sys.modules["plugins.users.plugin"]
    assert module.__loader__.get_resource_reader("plugins.users.plugin") is None
    assert module.__loader__.get_resource_reader("plugins.users") is not None


def test_a_module_that_another_thread_is_still_executing_is_waited_for(lab: Lab) -> None:
    started, go_on = threading.Event(), threading.Event()
    builtins.STARTED, builtins.GO_ON = started, go_on  # type: ignore[attr-defined]
    routes = """
        @router.get("/late")
        def late():
            from .late import VALUE
            return {"value": VALUE}
    """
    lab.write("users", plugin("users", routes=routes))
    lab.write("users/late.py", "STARTED.set()\nGO_ON.wait(10)\nVALUE = 1\n")
    lab.start()
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(lab.json, "/users/late")
            assert started.wait(10)
            second = pool.submit(lab.json, "/users/late")
            with pytest.raises(TimeoutError):
                second.result(0.2)
            go_on.set()
            assert first.result(10) == second.result(10) == {"value": 1}
    finally:
        go_on.set()
        del builtins.STARTED, builtins.GO_ON  # type: ignore[attr-defined]
