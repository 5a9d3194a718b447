"""What does not end in time is named with the lines that it is at, and let go."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from devserver.cli.plain import PlainView
from devserver.cli.rich_view import RichView
from devserver.core.outcome import Outcome, Result
from tests.integration.lab import Lab, plugin, wait_for

TOP = """
import asyncio
import threading

ENTERED = threading.Event()
GO_ON = threading.Event()

def deep():
    ENTERED.set()
    deeper()

def deeper():
    GO_ON.wait(20)

async def far():
    ENTERED.set()
    await farther()

async def farther():
    await asyncio.to_thread(GO_ON.wait, 20)
"""
ROUTES = """
@router.get("/plain")
def plain():
    deep()
    return {"version": VERSION}

@router.get("/later")
async def later():
    await far()
    return {"version": VERSION}

@router.get("/parts")
def parts():
    def each():
        deep()
        yield str(VERSION)
    return each()
"""
BODY = """
def on_load(self, ctx):
    self.register_command("wait", self.waits, "waits")
    ctx.services.register("users.far", far)

async def initialize(self):
    await self.subscribe_to_event("ring", self.rung)

async def waits(self):
    await far()

async def rung(self, event):
    await far()
"""


def users(version: int) -> str:
    return plugin("users", version, top=TOP, routes=ROUTES, body=BODY)


@pytest.fixture
def started(lab: Lab) -> Lab:
    lab.settings("reload:\n  timeout: 5\n  drain_timeout: 0.2\nsafety:\n  trial_process: false\n")
    lab.write("users", users(1))
    lab.write("asking", plugin("asking", routes="""
        @router.get("/far")
        async def asks():
            await self.get_service("users.far")()
            return {}
    """))  # fmt: skip
    lab.start()
    return lab


def module_of(lab: Lab) -> object:
    return lab.generation("users").table.modules["plugins.users.plugin"]


def let_go(lab: Lab) -> str:
    """Reloads while something is inside; the note about it."""
    outcome = lab.save(("users", users(2)))
    assert outcome is not None
    assert outcome.success
    (note,) = [n for n in outcome.notes if n.startswith("let go while still running: ")]
    return note


@pytest.mark.parametrize(
    ("path", "frames"),
    [
        ("plain", ["in plain", "in deep", "in deeper", "GO_ON.wait(20)"]),
        ("later", ["in later", "in far", "in farther", "asyncio.to_thread(GO_ON.wait, 20)"]),
        ("parts", ["in each", "in deep", "in deeper", "GO_ON.wait(20)"]),
    ],
)
def test_a_request_is_named_with_its_stack_and_still_answers_on_its_generation(
    started: Lab, path: str, frames: list[str]
) -> None:
    module = module_of(started)
    with ThreadPoolExecutor(1) as pool:
        in_flight = pool.submit(started.get, f"/users/{path}")
        assert module.ENTERED.wait(10)  # type: ignore[attr-defined]
        note = let_go(started)
        assert started.json("/users/version")["version"] == 2
        module.GO_ON.set()  # type: ignore[attr-defined]
        answer = in_flight.result(20)
    assert (answer.status_code, answer.text.strip()[-2:]) in ((200, "1}"), (200, "1"))
    first, *stack = note.splitlines()
    assert f"GET /users/{path}, running for 0." in first
    places = [next(n for n, line in enumerate(stack) if frame in line) for frame in frames]
    assert places == sorted(places)
    assert "plugins/users/plugin.py" in stack[0]


def test_a_command_an_event_and_a_call_of_a_service_are_named_with_the_stack_of_their_task(
    started: Lab,
) -> None:
    module = module_of(started)
    host = started.running
    ways = {
        "command wait": lambda: host.control.run_command("users", "wait", {}),
        "event ring": lambda: host.system.bus.publish("ring", None, "test"),
        "service users.far": lambda: started.get("/asking/far"),
    }
    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(way) for way in ways.values()]
        wait_for(lambda: len(started.generation("users").flights) == 3, "all inside")
        wait_for(lambda: len(_at_rest(started)) == 3, "all waiting")
        outcome = started.save(("users", users(2)))
        module.GO_ON.set()  # type: ignore[attr-defined]
        for work in working:
            work.result(20)
    assert outcome is not None
    notes = {label: n for label in ways for n in outcome.notes if label in n.splitlines()[0]}
    assert notes.keys() == ways.keys()
    for note in notes.values():
        assert "in farther" in note
        assert "asyncio.to_thread(GO_ON.wait, 20)" in note


def _at_rest(lab: Lab) -> list[str]:
    """The stacks of those that have got as far as they come."""
    told = [flight.told() for flight in list(lab.generation("users").flights.values())]
    return [text for text in told if "in farther" in text]


def test_past_the_wait_of_others_the_reload_is_rolled_back_and_names_the_stack(lab: Lab) -> None:
    lab.settings("reload:\n  timeout: 0.3\nsafety:\n  max_reload_attempts: 1\n")
    lab.write("users", users(1))
    lab.start()
    module = module_of(lab)
    with ThreadPoolExecutor(4) as pool:
        in_flight = pool.submit(lab.json, "/users/later")
        assert module.ENTERED.wait(10)  # type: ignore[attr-defined]
        reload = pool.submit(lab.save, ("users", users(2)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        waiting = pool.submit(lab.json, "/users/version")
        outcome = reload.result(20)
        assert waiting.result(20)["version"] == 1
        module.GO_ON.set()  # type: ignore[attr-defined]
        assert in_flight.result(20) == {"version": 1}
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    (found,) = outcome.diagnostics
    assert "GET /users/later at " in found.message
    assert found.traceback is not None
    assert "in farther" in found.traceback


def test_the_terminal_shows_the_stack_line_by_line() -> None:
    note = 'let go while still running: GET /users/slow\n  File "plugin.py", line 3, in slow\n    x'
    outcome = Outcome(
        plugin="users",
        plugins=("users",),
        result=Result.RELOADED,
        message="",
        reloaded=("users",),
        notes=(note,),
    )
    rich, plain = io.StringIO(), io.StringIO()
    RichView(Console(file=rich, width=200)).outcome(outcome)
    PlainView(plain).outcome(outcome, 0.0)
    assert '\n      File "plugin.py", line 3, in slow\n' in rich.getvalue()
    assert r'line="  File \"plugin.py\", line 3, in slow"' in plain.getvalue()


def test_what_an_event_in_flight_publishes_reaches_the_next_generation(lab: Lab) -> None:
    """A request that is drained publishes: the old answers it, the new one hears the event."""
    top = "import threading\nENTERED, GO_ON, HEARD = threading.Event(), threading.Event(), []\n"
    routes = """
        @router.get("/ring")
        def ring():
            ENTERED.set()
            GO_ON.wait(20)
            self.ctx.events.publish("ring", None)
            return {"version": VERSION}
    """
    body = """
        def on_load(self, ctx):
            ctx.events.subscribe("ring", lambda event: HEARD.append(VERSION))
    """
    lab.write("users", plugin("users", 1, top=top, routes=routes, body=body))
    lab.start()
    old = module_of(lab)
    new = plugin("users", 2, top=top, routes=routes, body=body)
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, "/users/ring")
        assert old.ENTERED.wait(10)  # type: ignore[attr-defined]
        reload = pool.submit(lab.save, ("users", new))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        old.GO_ON.set()  # type: ignore[attr-defined]
        assert in_flight.result(20) == {"version": 1}
        assert reload.result(20).success  # type: ignore[union-attr]
    wait_for(lambda: module_of(lab).HEARD == [2], "the event")  # type: ignore[attr-defined]
    assert old.HEARD == []  # type: ignore[attr-defined]


def test_a_thread_that_a_view_waits_for_is_not_held(lab: Lab) -> None:
    """Nobody can tell that it is part of the view: it calls a service that is being swapped."""
    top = "import threading\nENTERED, GO_ON, TOLD = threading.Event(), threading.Event(), []\n"
    routes = """
        @router.get("/ask")
        def ask():
            ENTERED.set()
            GO_ON.wait(20)
            service = self.get_service("users.version")
            asking = threading.Thread(target=lambda: TOLD.append(service()))
            asking.start()
            asking.join()
            return {"told": TOLD}
    """
    body = """
        def on_load(self, ctx):
            ctx.services.register("users.version", lambda: VERSION)
    """
    lab.write("users", plugin("users", 1, top=top, routes=routes, body=body))
    lab.start()
    old = module_of(lab)
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, "/users/ask")
        assert old.ENTERED.wait(10)  # type: ignore[attr-defined]
        new = plugin("users", 2, top=top, routes=routes, body=body)
        reload = pool.submit(lab.save, ("users", new))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        old.GO_ON.set()  # type: ignore[attr-defined]
        assert in_flight.result(20) == {"told": [1]}
        assert reload.result(20).success  # type: ignore[union-attr]
