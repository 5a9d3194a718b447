"""A coroutine that blocks the plugin loop: told, left behind, and nobody else is hurt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from devserver.core.outcome import Outcome, Result
from tests.guarantees.g08_survives_any_plugin.gates import Gates, give_up_soon
from tests.integration.lab import Lab, plugin, wait_for

SETTINGS = """
reload:
  timeout: 0.4
safety:
  max_reload_attempts: 1
  trial_process: false
"""
IN_C = "test_gates.block()"
IN_PYTHON = "while True: PLACE = 1"

BLOCKER = """
async def block(self):
    {how}

async def initialize(self):
    self.register_service("blocker", self)
    self.register_command("block", self.block, "blocks")
    await self.subscribe_to_event("block", self.on_block)

async def on_block(self, event):
    await self.block()
"""
BLOCKER_ROUTES = """
@router.get("/block")
async def block():
    await self.block()

@router.get("/start")
def start():
    self.create_task(self.block)
    return "started"
"""
BYSTANDER = """
def initialize(self):
    self.ticks = []
    self.seen = []
    self.create_task(self.count)

async def count(self):
    import asyncio
    own = 0
    self._queue = asyncio.Queue()
    while True:
        own += 1
        self.ticks.append(own)
        try:
            self.seen.append(await asyncio.wait_for(self._queue.get(), 0.005))
        except TimeoutError:
            pass
"""
BYSTANDER_ROUTES = """
@router.get("/put/<int:n>")
async def put(n):
    await self._queue.put(n)
    return {"ticks": len(self.ticks)}

@router.get("/call")
async def call():
    return await self.get_service("blocker").block()

@router.get("/publish")
def publish():
    self.ctx.events.publish("block", None)
    return "published"
"""


def blocker(how: str, version: int = 1) -> str:
    return plugin("users", version, routes=BLOCKER_ROUTES, body=BLOCKER.replace("{how}", how))


@pytest.fixture
def told(lab: Lab) -> Callable[[], list[dict[str, Any]]]:
    def notices() -> list[dict[str, Any]]:
        events = lab.running.journal.events_after(0, 0)
        found = [e.payload for e in events if e.kind == "notice"]
        return [n for n in found if "the plugin loop" in n["message"]]

    return notices


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def begin(lab: Lab, way: str, pool: ThreadPoolExecutor) -> Future[Any]:
    """Has the blocker's coroutine run in one of the ways that there are."""
    match way:
        case "view":
            return pool.submit(lab.get, "/users/block")
        case "task":
            return pool.submit(lab.get, "/users/start")
        case "event":
            return pool.submit(lab.get, "/orders/publish")
        case "command":
            return pool.submit(lab.running.control.run_command, "users", "block", {})
        case _:
            return pool.submit(lab.get, "/orders/call")


def start(lab: Lab, how: str) -> list[int]:
    """Gives the bystander's ticks."""
    lab.settings(SETTINGS)
    lab.write("users", blocker(how))
    lab.write("orders", plugin("orders", routes=BYSTANDER_ROUTES, body=BYSTANDER))
    lab.start()
    ticks: list[int] = lab.generation("orders").plugin.ticks
    wait_for(lambda: len(ticks) > 3, "ticks")
    return ticks


@pytest.mark.parametrize(
    ("way", "how"),
    [
        ("view", IN_C),
        ("task", IN_C),
        ("event", IN_C),
        ("command", IN_C),
        ("service", IN_C),
        ("view", IN_PYTHON),
    ],
    ids=["view", "task", "event", "command", "service", "view in Python"],
)
def test_the_others_go_on_and_the_one_that_blocks_is_named(
    lab: Lab,
    gates: Gates,
    pool: ThreadPoolExecutor,
    told: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    way: str,
) -> None:
    if how == IN_C:
        give_up_soon(monkeypatch)
    ticks = start(lab, how)
    line = blocker(how).split("\n").index(f"        {how}") + 1
    ended = begin(lab, way, pool)
    (notice,) = wait_for(told, "the notice")
    assert (notice["level"], notice["plugin"]) == ("error", "users")
    assert f"plugins/users/plugin.py:{line}" in notice["message"]
    assert ("was left behind" in notice["message"]) == (how == IN_C)
    if way == "command":
        assert "blocked the plugin loop" in str(ended.exception(10))
    elif way in ("view", "service"):
        assert ended.result(10).status_code == 500
        assert "blocked the plugin loop" in ended.result().text
    else:
        assert ended.result(10).status_code == 200
    seen = len(ticks)
    wait_for(lambda: len(ticks) > seen + 3, "more ticks")
    assert lab.json("/orders/put/7")["ticks"] > seen
    wait_for(lambda: lab.generation("orders").plugin.seen == [7], "what was put")
    # One count all along: it is the same task with the same local variables.
    assert ticks == list(range(1, len(ticks) + 1))
    assert bool(lab.running.system.loop.abandoned) == (how == IN_C)


def test_it_can_be_edited_and_reloaded_while_it_blocks_and_again(
    lab: Lab, gates: Gates, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times; then the calls come back and nothing breaks."""
    give_up_soon(monkeypatch)
    ticks = start(lab, IN_C)
    for version in (2, 3, 4):
        blocked = begin(lab, "view", pool)
        wait_for(lambda version=version: gates.entered == version - 1, "the block")
        outcome = lab.save(("users", blocker(IN_C, version)))
        assert outcome is not None
        assert outcome.success, outcome.error
        assert lab.json("/users/version")["version"] == version
        assert blocked.result(10).status_code == 500
    loop = lab.running.system.loop
    wait_for(lambda: len(loop.abandoned) == 3, "three threads that are named")
    abandoned = loop.abandoned
    assert all("of users" in text for text in abandoned)
    gates.open()
    wait_for(lambda: lab.running.system.loop.abandoned == [], "the end of the threads")
    seen = len(ticks)
    wait_for(lambda: len(ticks) > seen + 3, "more ticks")
    assert ticks == list(range(1, len(ticks) + 1))
    assert lab.save(("users", plugin("users", 5))).success
    wait_for(lambda: lab.live("users") == [5], "the end of the old generations")


@pytest.mark.parametrize("how", [IN_C, IN_PYTHON], ids=["in C", "in Python"])
@pytest.mark.parametrize("hook", ["initialize", "health_check"])
def test_an_async_hook_that_blocks_is_refused_with_its_stack(
    lab: Lab, gates: Gates, monkeypatch: pytest.MonkeyPatch, hook: str, how: str
) -> None:
    if how == IN_C:
        give_up_soon(monkeypatch)
    ticks = start(lab, "pass")
    body = f"async def {hook}(self):\n    await self.deeper()\nasync def deeper(self):\n    {how}"
    text = plugin("users", 2, body=body)
    outcome = lab.save(("users", text))
    assert_hang(outcome, text, hook, how, ["await self.deeper()", how])
    assert ("left behind" in " ".join(outcome.notes)) == (how == IN_C)
    assert lab.json("/users/version")["version"] == 1
    seen = len(ticks)
    wait_for(lambda: len(ticks) > seen + 3, "more ticks")
    assert ticks == list(range(1, len(ticks) + 1))
    assert lab.save(("users", plugin("users", 3))).success


def test_an_async_hook_that_waits_for_ever_is_refused_with_its_stack(lab: Lab) -> None:
    start(lab, "pass")
    body = """
        async def initialize(self):
            await self.connect()

        async def connect(self):
            import asyncio
            await asyncio.create_task(self.handshake())

        async def handshake(self):
            import asyncio
            await asyncio.Event().wait()
    """
    text = plugin("users", 2, body=body)
    outcome = lab.save(("users", text))
    place = "await asyncio.Event().wait()"
    steps = ["await self.connect()", "await asyncio.create_task(self.handshake())", place]
    assert_hang(outcome, text, "initialize", place, steps)
    assert not any("left behind" in note for note in outcome.notes)
    assert lab.json("/users/version")["version"] == 1


def test_a_slow_coroutine_is_told_once_with_its_place(
    lab: Lab,
    gates: Gates,
    pool: ThreadPoolExecutor,
    told: Callable[[], list[dict[str, Any]]],
) -> None:
    start(lab, IN_C)
    lab.settings("reload:\n  timeout: 20\n")
    lab.running.changed(lab.path("/config/hot-loading.yaml"))
    slow = begin(lab, "view", pool)
    (notice,) = wait_for(told, "the warning")
    assert (notice["level"], notice["plugin"]) == ("warning", "users")
    assert "blocks the plugin loop since 1." in notice["message"]
    assert "asyncio.to_thread" in notice["hint"]
    gates.open()
    assert slow.result(10).status_code in (200, 500)  # a view that gives nothing
    assert lab.running.system.loop.abandoned == []
    assert len(told()) == 1
    assert [t.name for t in threading.enumerate() if t.name == "plugin-loop"] == ["plugin-loop"]


def assert_hang(
    outcome: Outcome | None, text: str, hook: str, place: str, steps: list[str]
) -> None:
    """RUN002 with the plugin's own frames, outermost first."""
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    (found,) = (d for d in outcome.diagnostics if d.is_error)
    assert found.code == "RUN002"
    assert found.message.startswith(f"{hook!r} of 'users' did not finish within 0.4 s")
    assert found.file == "plugins/users/plugin.py"
    lines = [line.strip() for line in text.split("\n")]
    assert found.line == lines.index(place) + 1
    assert found.source_lines[0].strip() == place
    assert found.traceback is not None
    positions = [found.traceback.index(f"    {step}\n") for step in steps]
    assert positions == sorted(positions)
