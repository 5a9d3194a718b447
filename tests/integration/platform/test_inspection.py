"""What is told of a running plugin: work, threads, tasks, locks, and the fate of its state."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

from tests.integration.lab import Lab, plugin, wait_for

TOP = """
import asyncio, queue, threading

PERSISTENT = ("cache",)
cache = {}
GATE = threading.RLock()
"""
INIT = """
self.lock = threading.Lock()
self.jobs = queue.Queue()
self.ended = threading.Event()
self._private = []
"""
ROUTES = """
@router.get("/wait")
def wait():
    with self.lock:
        self.ended.wait(20)
    return {}

@router.get("/remember")
def remember():
    cache["x"] = "a secret value"
    return {}
"""
BODY = """
def initialize(self):
    self.thread = threading.Thread(target=self.ended.wait, args=(20,), name="no-frame")
    self.worker = threading.Thread(target=self.run, name="worker-of-odd", daemon=True)
    self.worker.start()
    self.create_task(self.tick, "tick")

def run(self):
    self.ended.wait(20)

async def tick(self):
    self.other = asyncio.create_task(self.inner())
    await asyncio.sleep(20)

async def inner(self):
    await asyncio.sleep(20)

def shutdown(self):
    self.ended.set()
    self.other.cancel()
"""


def inspected(lab: Lab, *, look: bool = False) -> dict[str, Any]:
    control = lab.running.control
    record = control.registry.view.find("odd")
    assert record is not None
    return control.inspection.of(record, look=look)


def fates(found: dict[str, Any]) -> dict[str, str]:
    assert found["state_error"] is None
    return {row["name"]: row["fate"] for row in found["state"]}


def odd(lab: Lab, **more: str) -> None:
    parts = {"top": TOP, "init": INIT, "routes": ROUTES, "body": BODY} | more
    lab.write("odd", plugin("odd", **parts))
    lab.start()


def test_work_threads_tasks_and_taken_locks_are_told_with_their_places(lab: Lab) -> None:
    odd(lab)
    request = threading.Thread(target=lambda: lab.get("/odd/wait"), name="the-request")
    request.start()
    generation = lab.generation("odd")
    wait_for(lambda: generation.plugin.lock.locked())  # type: ignore[union-attr]
    found = wait_for(lambda: (f := inspected(lab)) and len(f["tasks"]) == 2 and f)
    (work,) = found["work"]
    assert (work["label"], work["kind"], work["generation"]) == ("GET /odd/wait", "work", 1)
    assert "self.ended.wait(20)" in work["stack"]
    (thread,) = found["threads"]
    assert (thread["name"], thread["current"], thread["daemon"]) == ("worker-of-odd", True, True)
    assert "in run" in thread["stack"]
    owned, other = found["tasks"]
    assert (owned["name"], owned["owned"], owned["status"]) == ("tick", True, "running")
    assert (other["name"], other["owned"]) == ("Odd.inner", False)
    assert [(one["name"], one["locked"]) for one in found["locks"]] == [
        ("plugin:GATE", False), ("self.lock", True),
    ]  # fmt: skip
    generation.plugin.ended.set()  # type: ignore[union-attr]
    request.join()
    assert inspected(lab)["work"] == []


def test_a_reentrant_lock_is_told_to_be_taken_without_taking_it(lab: Lab) -> None:
    odd(lab)
    gate = lab.generation("odd").table.modules["plugins.odd.plugin"].GATE
    with gate:
        found = {one["name"]: one["locked"] for one in inspected(lab)["locks"]}
    assert found["plugin:GATE"] is True


def test_the_fate_that_is_foretold_is_what_a_reload_does(lab: Lab) -> None:
    odd(lab)
    assert lab.json("/odd/hit") == {"hits": 1}
    lab.get("/odd/remember")
    told = fates(inspected(lab))
    outcome = lab.running.control.reload("odd")
    assert outcome.success
    done = outcome.state.to_json()
    for fate in ("kept", "passed", "merged"):
        named = {name for name, what in told.items() if what == fate}
        assert named == {name.removeprefix("odd.") for name in done[fate]}, fate
    assert told["_private"] == "anew"
    assert {told["hits"], told["plugin:cache"]} == {"kept"}


def test_no_value_of_state_is_told(lab: Lab) -> None:
    odd(lab)
    lab.get("/odd/remember")
    assert "a secret value" not in str(inspected(lab)["state"])


def test_state_that_raises_when_it_is_read_harms_nothing(lab: Lab) -> None:
    lab.write(
        "odd",
        plugin(
            "odd",
            top="""
            import threading
            class Bad:
                def __reduce_ex__(self, protocol):
                    raise SystemExit(3)
            """,
            init="self.bad = None",
            routes="""
            @router.get("/spoil")
            def spoil():
                self.bad = Bad()
                return {}
            """,
        ),
    )
    lab.start()
    lab.get("/odd/spoil")
    assert fates(inspected(lab))["bad"] == "passed"
    assert lab.json("/odd/hit") == {"hits": 1}


def test_looking_keeps_no_version_alive_and_names_who_does(lab: Lab) -> None:
    odd(lab)
    inspected(lab)
    assert lab.running.control.reload("odd").success
    wait_for(lambda: gc.collect() is not None and lab.live("odd") == [2])
    held = lab.generation("odd").plugin
    assert lab.running.control.reload("odd").success
    wait_for(lambda: inspected(lab, look=True)["leaks"])
    found = inspected(lab, look=True)
    assert [leak["generation"] for leak in found["leaks"]] == [2]
    assert found["live_generations"] == [2, 3]
    del held


def test_a_plugin_that_does_not_run_has_nothing_inside(lab: Lab, tmp_path: Path) -> None:
    lab.write("odd", "raise RuntimeError('no')\n")
    lab.start()
    found = inspected(lab)
    assert (found["work"], found["threads"], found["state"]) == ([], [], [])


def test_modules_and_hooks_of_a_load_are_measured_and_later_calls_are_not(lab: Lab) -> None:
    lab.write("odd", plugin("odd", top="from . import part", body="def initialize(self): pass"))
    lab.write("odd/part.py", "x = 1\n")
    lab.start()
    parts = lab.generation("odd").table.times.parts()
    names = [(part.kind, part.name) for part in parts]
    assert {
        ("module", "plugins.odd.part"),
        ("module", "plugins.odd.plugin"),
        ("hook", "initialize"),
        ("hook", "register_routes"),
    } <= set(names)
    assert names.index(("module", "plugins.odd.part")) < names.index(
        ("module", "plugins.odd.plugin")
    )
    first = lab.generation("odd")
    assert lab.running.control.reload("odd").success
    assert [(p.kind, p.name) for p in first.table.times.parts()] == names
