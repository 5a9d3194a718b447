"""Plugins that call their own server over HTTP while it swaps them: an answer, never a deadlock."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.running import Running
from tests.guarantees.g04_no_request_is_lost.wire import Wire
from tests.integration.lab import Lab, plugin, wait_for

Serve = Callable[..., Running]

# What runs in the trial process or before the server is ready finds nobody to call.
TOP = """
import asyncio
import json
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]

def ask(path, method="GET"):
    place = json.loads((ROOT / "instance" / "server.json").read_text())
    request = urllib.request.Request(place["url"].rstrip("/") + path, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)

def ask_all(place):
    if VERSION == 1 and place not in ("view", "later"):
        return
    told = [ask(path) for path in ("/users/version", "/orders/version", "/other/chain")]
    told.append(ask("/api/plugins/users/commands/tell", "POST"))
    # The threads of two versions may tell at once: each writes a file of its own.
    new = ROOT / f"{place}.{threading.get_native_id()}.new"
    new.write_text(json.dumps(told))
    new.rename(ROOT / f"{place}.json")

def is_held():
    from devserver.runtime.gate import CURRENT
    return CURRENT.get().generation.hold is not None

def wait_until_held():
    (ROOT / "inside").touch()
    pause = threading.Event()
    while not is_held():
        pause.wait(0.01)
"""
BODY = """
def on_load(self, ctx):
    ctx.services.register("users.version", lambda: VERSION)
    self.register_command("tell", lambda: VERSION, "the version")
"""
ROUTES = """
@router.get("/view")
def view():
    wait_until_held()
    ask_all("view")
    return {"version": VERSION}

@router.get("/later")
async def later():
    await asyncio.to_thread(wait_until_held)
    await asyncio.to_thread(ask_all, "later")
    return {"version": VERSION}

@router.get("/reload")
def reload():
    return {"outcome": ask("/api/plugins/users/reload", "POST")["result"], "version": VERSION}
"""
OTHER = plugin(
    "other",
    routes="""
    @router.get("/chain")
    def chain():
        return {"version": self.get_service("users.version")()}
""",
)
PLACES = {
    "initialize": "def initialize(self):\n    ask_all('initialize')",
    "health_check": "def health_check(self):\n    ask_all('health_check')",
    "coroutine": "async def initialize(self):\n    await asyncio.to_thread(ask_all, 'coroutine')",
    "thread": (
        "def initialize(self):\n"
        "    asking = threading.Thread(target=ask_all, args=('thread',))\n"
        "    asking.start()\n"
        "    asking.join()"
    ),
    "shutdown": "def shutdown(self):\n    ask_all('shutdown')",
}
TASK = """
def initialize(self):
    self.create_task(self.ask_on)

async def ask_on(self):
    while True:
        await asyncio.to_thread(ask_all, "task")
        await asyncio.sleep(0)
"""


def users(version: int, body: str = "", top: str = "") -> str:
    return plugin("users", version, top=TOP + top, routes=ROUTES, body=f"{BODY}\n{body}")


@pytest.fixture
def url(project: Lab, serve: Serve) -> str:
    project.settings("reload:\n  automatic: false\n  timeout: 4\n  drain_timeout: 1\n")
    project.write("users", users(1))
    project.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION as V"))
    project.write("other", OTHER)
    server = serve()
    return str(server.wait_for("ready")["url"])


def reload(url: str) -> dict[str, object]:
    with Wire(url) as wire:
        return dict(wire.ask("/api/plugins/users/reload", "POST").json())


def versions(answers: list[dict[str, int]]) -> list[int]:
    """Of users, orders, of users through a service that another calls, and of a command."""
    return [one["result" if "result" in one else "version"] for one in answers]


def told(project: Lab, place: str) -> list[dict[str, int]]:
    wait_for((project.root / f"{place}.json").exists, f"what {place} was told")
    return list(json.loads((project.root / f"{place}.json").read_text()))


def test_hooks_may_call_their_own_server_and_reach_what_still_serves(
    project: Lab, url: str
) -> None:
    serving = 1
    for version, (place, body) in enumerate(PLACES.items(), 2):
        project.replace("users", users(version, body))
        assert reload(url)["success"], place
        if place == "shutdown":  # it runs when the version is let go
            assert reload(url)["success"]
            serving = version
        assert versions(told(project, place)) == [serving, 1, serving, serving], place
        serving = version


def test_a_module_body_may_call_its_own_server(project: Lab, url: str) -> None:
    project.replace("users", users(2).replace("\nclass Users", "\nask_all('body')\n\nclass Users"))
    assert reload(url)["success"]
    assert versions(told(project, "body")) == [1, 1, 1, 1]


@pytest.mark.parametrize("path", ["view", "later"])
def test_a_view_in_flight_reaches_its_own_generation_while_it_is_drained(
    project: Lab, url: str, path: str
) -> None:
    with ThreadPoolExecutor(1) as pool, Wire(url) as wire:
        in_flight = pool.submit(wire.ask, f"/users/{path}")
        wait_for((project.root / "inside").exists, "the view")
        project.replace("users", users(2))
        outcome = reload(url)
        assert outcome["success"]
        assert outcome["notes"] == []  # nobody had to be let go
        assert in_flight.result(10).json() == {"version": 1}
    assert versions(told(project, path)) == [1, 1, 1, 1]


def test_a_task_that_calls_all_the_time_delays_no_reload(project: Lab, url: str) -> None:
    for version in range(2, 12):
        project.replace("users", users(version, TASK))
        outcome = reload(url)
        assert outcome["success"]
        assert float(outcome["duration_ms"]) < 4000  # type: ignore[arg-type]
    told(project, "task")


def test_a_view_may_ask_for_its_own_reload_over_http(project: Lab, url: str) -> None:
    """Nobody can tell that the reload is asked for from within: it is let go like any straggler."""
    project.replace("users", users(2))
    with Wire(url) as wire:
        assert wire.ask("/users/reload").json() == {"outcome": "reloaded", "version": 1}
        assert wire.ask("/users/version").json()["version"] == 2
