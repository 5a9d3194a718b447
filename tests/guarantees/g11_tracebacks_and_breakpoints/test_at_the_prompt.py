"""A developer at a debugger's prompt, and a save meanwhile."""

from __future__ import annotations

import bdb
import io
import pdb
import queue
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.running import fetch
from tests.guarantees.g11_tracebacks_and_breakpoints.terminal import OnTerminal
from tests.integration.lab import Lab, plugin, wait_for

PLUGIN = """
from devserver.sdk import BasePlugin

VERSION = {version}


class Users(BasePlugin):
    name = "users"
    version = "1.0.0"

    def register_routes(self, app, router):
        @router.get("/work")
        def work():
            breakpoint()
            doubled = VERSION * 2
            answer = {{"doubled": doubled}}
            return answer
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[OnTerminal]:
    write(tmp_path, 1)
    terminal = OnTerminal(tmp_path)
    yield terminal
    terminal.close()


def write(project: Path, version: int, lead: str = "") -> str:
    file = project / "plugins" / "users" / "plugin.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(lead + PLUGIN.format(version=version))
    return str(file)


def test_a_breakpoint_set_at_the_prompt_stops_the_next_request_at_its_moved_line(
    terminal: OnTerminal, tmp_path: Path
) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(fetch, terminal.url, "/users/work")
        terminal.wait_match(r"-> doubled = VERSION \* 2[\s\S]*?\(Pdb\) ")
        terminal.type("b 17, VERSION > 0")
        file = write(tmp_path, 1)
        terminal.wait_match(rf"Breakpoint 1 at {file}:17[\s\S]*?\(Pdb\) ")
        # The save goes live while the request stays at the prompt.
        write(tmp_path, 2, lead="# more\n" * 3)
        terminal.wait_match(r"plugin=users generation=1->2")
        assert not first.done()
        terminal.type("p VERSION")
        terminal.wait_match(r"\n1[\s\S]*?\(Pdb\) ")
        terminal.type("c")
        assert first.result(20) == {"doubled": 2}

        second = pool.submit(fetch, terminal.url, "/users/work")
        terminal.wait_match(r"plugin\.py\(18\)work\(\)\n-> doubled = VERSION \* 2[\s\S]*?\(Pdb\) ")
        terminal.type("b")
        terminal.wait_match(r"plugin\.py:20\n\s+stop only if VERSION > 0[\s\S]*?\(Pdb\) ")
        terminal.type("c")
        terminal.wait_match(r"plugin\.py\(20\)work\(\)\n-> return answer[\s\S]*?\(Pdb\) ")
        terminal.type("p answer")
        terminal.wait_match(r"\{'doubled': 4\}[\s\S]*?\(Pdb\) ")
        terminal.type("c")
        assert second.result(20) == {"doubled": 4}
    assert terminal.end() == 130


# -- in this process -------------------------------------------------------------------------------

ROUTES = """
@router.get("/debug")
def debug():
    sys.modules["desk"].stop()
    return {"version": VERSION}

@router.get("/slow")
def slow():
    sys.modules["desk"].entered.put("slow")
    sys.modules["desk"].go.get()
    return {"version": VERSION}
"""
CLOSING = "def shutdown(self):\n    sys.modules['desk'].entered.put('shutdown')"


class Keyboard(io.TextIOBase):
    """What the test types, line by line; `asked` says that a line is wanted."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def readline(self, _size: int | None = -1, /) -> str:  # type: ignore[override]
        self.asked.put(None)
        return self.lines.get(timeout=20) + "\n"


class Desk(types.ModuleType):
    """Where views stop: at a debugger's prompt, or waiting for `go`."""

    def __init__(self) -> None:
        super().__init__("desk")
        self.keyboard = Keyboard()
        self.entered: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.go: queue.SimpleQueue[None] = queue.SimpleQueue()

    def stop(self) -> None:
        debugger = pdb.Pdb(stdin=self.keyboard, stdout=io.StringIO(), nosigint=True)
        debugger.use_rawinput = False
        debugger.set_trace(sys._getframe(1))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    bdb.Breakpoint.clearBreakpoints()
    desk = Desk()
    monkeypatch.setitem(sys.modules, "desk", desk)
    yield desk
    bdb.Breakpoint.clearBreakpoints()


def source(version: int) -> str:
    return plugin("users", version, top="import sys", routes=ROUTES, body=CLOSING)


def test_a_request_at_the_prompt_holds_up_no_reload_and_ends_on_its_generation(
    lab: Lab, desk: Desk
) -> None:
    lab.write("users", source(1))
    lab.start()
    with ThreadPoolExecutor() as pool:
        stopped = pool.submit(lab.json, "/users/debug")
        desk.keyboard.asked.get(timeout=20)
        outcome = lab.save(("users", source(2)))
        assert outcome is not None
        assert outcome.success
        [note] = [note for note in outcome.notes if "let go" in note]
        assert "GET /users/debug" in note
        assert lab.json("/users/version")["version"] == 2
        # Its generation is not shut down below its feet.
        assert desk.entered.empty()
        desk.keyboard.lines.put("c")
        assert stopped.result(20) == {"version": 1}
    assert desk.entered.get(timeout=20) == "shutdown"
    wait_for(lambda: lab.live("users") == [2], "the end of the old generation")


def test_requests_beside_the_one_at_the_prompt_are_waited_for(lab: Lab, desk: Desk) -> None:
    lab.write("users", source(1))
    lab.start()
    old = lab.generation("users")
    with ThreadPoolExecutor() as pool:
        stopped = pool.submit(lab.json, "/users/debug")
        desk.keyboard.asked.get(timeout=20)
        slow = pool.submit(lab.json, "/users/slow")
        assert desk.entered.get(timeout=20) == "slow"
        saved = pool.submit(lab.save, ("users", source(2)))
        wait_for(lambda: old.hold is not None, "the reload to wait for requests")
        assert not saved.done()
        assert lab.running.registry.view.generation("users") is old
        desk.go.put(None)
        outcome = saved.result(20)
        assert outcome is not None
        assert outcome.success
        assert slow.result(20) == {"version": 1}
        assert [note.count("/users/slow") for note in outcome.notes] == [0]
        desk.keyboard.lines.put("c")
        assert stopped.result(20) == {"version": 1}
    assert desk.entered.get(timeout=20) == "shutdown"


def test_a_request_that_is_traced_but_runs_is_waited_for(lab: Lab, desk: Desk) -> None:
    routes = ROUTES.replace("    return", "    sys.modules['desk'].go.get()\n    return", 1)
    lab.write("users", plugin("users", 1, top="import sys", routes=routes))
    lab.start()
    old = lab.generation("users")
    with ThreadPoolExecutor() as pool:
        stopped = pool.submit(lab.json, "/users/debug")
        desk.keyboard.asked.get(timeout=20)
        desk.keyboard.lines.put("n")  # steps into the wait
        wait_for(lambda: not any(f.at_prompt() for f in old.flights.values()), "the step")
        saved = pool.submit(lab.save, ("users", source(2)))
        wait_for(lambda: old.hold is not None, "the reload to wait for requests")
        assert not saved.done()
        desk.go.put(None)
        desk.keyboard.asked.get(timeout=20)
        outcome = saved.result(20)
        assert outcome is not None
        assert outcome.success
        desk.keyboard.lines.put("c")
        assert stopped.result(20) == {"version": 1}
