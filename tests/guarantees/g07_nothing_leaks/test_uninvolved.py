"""Whoever has nothing to do with what is left behind is neither kept nor blamed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devserver.core.outcome import Outcome
from tests.guarantees.g07_nothing_leaks.deeds import wait_disposed
from tests.guarantees.g08_survives_any_plugin.gates import Gates, give_up_soon
from tests.integration.lab import Lab, plugin, wait_for

SETTINGS = """
reload:
  timeout: 1
safety:
  max_reload_attempts: 1
  trial_process: false
"""
LEFT_THREAD = """
import threading
threading.Thread(target=lambda: test_gates.block(), name="left", daemon=True).start()
"""


@pytest.fixture
def blamed(lab: Lab, gates: Gates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Looks for leaks only when it is asked to."""
    give_up_soon(monkeypatch)
    lab.settings(SETTINGS)
    yield lab
    gates.open()
    known = lab.running.registry.view.plugins
    wait_for(lambda: not any(_leaks(lab, n) for n in known), "the end of what was left behind")


def _leaks(lab: Lab, name: str) -> list[str]:
    """Who is named, at the second look: the first gives what is just ending its time."""
    lab.running.control.leaks(name, look=True)
    return [leak["chain"] for leak in lab.running.control.leaks(name, look=True)]


def _reload(lab: Lab, *edits: tuple[str, str]) -> Outcome:
    outcome = lab.save(*edits)
    assert outcome is not None
    wait_disposed(lab)
    return outcome


HANGS = {
    "in a thread": "def initialize(self):\n    test_gates.block()",
    "in a coroutine": "async def initialize(self):\n    test_gates.block()",
    "in a coroutine that swallows its cancellation": """
        async def initialize(self):
            import asyncio
            while not test_gates.is_open:
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue
    """,
    "in a service of another plugin": """
        def initialize(self):
            self.get_service("lent")()
    """,
}


@pytest.mark.parametrize("how", HANGS)
def test_an_abandoned_hook_keeps_no_other_plugin(blamed: Lab, gates: Gates, how: str) -> None:
    lent = "def initialize(self):\n    self.register_service('lent', lambda: test_gates.block())"
    blamed.write("lender", plugin("lender", 1, body=lent))
    blamed.write("users", plugin("users", 1))
    blamed.write("orders", plugin("orders", 1))
    blamed.start()
    assert not _reload(blamed, ("users", plugin("users", 2, body=HANGS[how]))).success
    for version in (2, 3):
        assert _reload(blamed, ("orders", plugin("orders", version))).success
    assert _leaks(blamed, "orders") == []
    assert blamed.live("orders") == [3]


def test_what_a_hook_leaves_running_keeps_no_other_plugin(blamed: Lab) -> None:
    """A task that the plugin itself began in its hook has the hook's context."""
    body = """
    async def initialize(self):
        import asyncio
        self._left = asyncio.get_running_loop().create_task(self.go_on())

    async def go_on(self):
        import asyncio
        await asyncio.get_running_loop().create_future()
    """
    blamed.write("users", plugin("users", 1, body=body))
    blamed.write("orders", plugin("orders", 1))
    blamed.start()
    for version in (2, 3):
        assert _reload(blamed, ("orders", plugin("orders", version))).success
    assert _leaks(blamed, "orders") == []
    assert blamed.live("orders") == [3]


def test_a_task_that_a_request_began_keeps_no_other_plugin(blamed: Lab) -> None:
    routes = """
    @router.post("/begin")
    def begin():
        self.create_task(self.go_on)
        return {}
    """
    body = """
    async def go_on(self):
        import asyncio
        await asyncio.get_running_loop().create_future()
    """
    blamed.write("users", plugin("users", 1, routes=routes, body=body))
    blamed.write("orders", plugin("orders", 1))
    blamed.start()
    assert blamed.ask("POST", "/users/begin").status_code == 200
    for version in (2, 3):
        assert _reload(blamed, ("orders", plugin("orders", version))).success
    assert _leaks(blamed, "orders") == []
    assert blamed.live("orders") == [3]


def test_a_thread_that_a_provider_left_keeps_no_dependent(blamed: Lab, gates: Gates) -> None:
    def base(version: int, top: str = "") -> str:
        return plugin("base", version, top=f"def f():\n    return {version}\n{top}")

    dependent = plugin("orders", 1, top="from plugins.base.plugin import Base, f")
    blamed.write("base", base(1, LEFT_THREAD))
    blamed.write("orders", dependent)
    blamed.start()
    wait_for(lambda: gates.entered, "the thread")
    outcome = _reload(blamed, ("base", base(2)))
    assert outcome.success
    assert set(outcome.reloaded) == {"base", "orders"}
    assert _leaks(blamed, "orders") == []
    assert blamed.live("orders") == [2]
    (chain,) = _leaks(blamed, "base")
    assert chain.startswith("thread 'left'")
    assert "orders" not in chain


LATE = "from plugins.base.plugin import VERSION"
COMPUTED = "VERSION = __import__('importlib').import_module('plugins.' + 'orders.plugin').VERSION"


def _looks_late(line: str) -> str:
    """Imports in a thread, once it may, and tells what it finds."""
    return f"""
    import threading
    def look():
        test_gates.block()
        {line}
        test_gates.found.append(VERSION)
    threading.Thread(target=look, daemon=True).start()
    """


@pytest.mark.parametrize("threads", [{"orders": LATE}, {"orders": LATE, "base": COMPUTED}])
def test_what_a_thread_has_not_imported_yet_it_finds_as_it_was(
    blamed: Lab, gates: Gates, threads: dict[str, str]
) -> None:
    """A dependency is kept for who imports it late; a dependent is found while it exists."""
    gates.found = []  # type: ignore[attr-defined]
    for name in ("base", "orders"):
        top = _looks_late(threads[name]) if name in threads else ""
        blamed.write(name, plugin(name, 1, top=top))
    blamed.start()
    wait_for(lambda: gates.entered == len(threads), "the threads")
    late = "def later():\n    from plugins.base.plugin import VERSION"
    outcome = _reload(
        blamed, ("base", plugin("base", 2)), ("orders", plugin("orders", 2, top=late))
    )
    assert set(outcome.reloaded) == {"base", "orders"}
    assert blamed.live("orders") == [1, 2]
    gates.open()
    wait_for(lambda: len(gates.found) == len(threads), "what they found")  # type: ignore[attr-defined]
    assert set(gates.found) == {1}  # type: ignore[attr-defined]


FASTAPI = """
def get_api_routes(self):
    from fastapi import APIRouter, Depends
    api = APIRouter()

    def page(number: int = 1):
        yield number

    @api.get("/items")
    async def items(number: int = Depends(page)):
        return [number]

    return [api]
"""


def test_caches_of_fastapi_hold_no_version_that_was_rolled_back(lab: Lab) -> None:
    pytest.importorskip("fastapi")
    lab.write("users", plugin("users", 1, body=FASTAPI))
    lab.start()
    bad = FASTAPI + "\ndef health_check(self):\n    raise RuntimeError('no')\n"
    outcome = lab.save(("users", plugin("users", 2, body=bad)))
    assert outcome is not None
    assert outcome.rolled_back
    assert _leaks(lab, "users") == []
