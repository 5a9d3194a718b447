"""A plain hook that hangs: interrupted where that ends it, else left behind and named."""

from __future__ import annotations

import threading

import pytest

from devserver.core.outcome import Outcome, Result
from tests.guarantees.g08_survives_any_plugin.gates import Gates, give_up_soon
from tests.integration.lab import Lab, plugin, wait_for

SETTINGS = """
reload:
  timeout: 0.2
safety:
  max_reload_attempts: 1
  trial_process: false
"""
IN_PYTHON = "while True: PLACE = 1"
SWALLOWS = """
def swallow():
    while not test_gates.is_open:
        try:
            test_gates.nap()
        except BaseException:
            continue
"""
HANGS = {
    "in Python": IN_PYTHON,
    "in C": "test_gates.block()",
    "swallows": "swallow()",
}


@pytest.fixture
def users(lab: Lab) -> Lab:
    lab.settings(SETTINGS)
    lab.write("users", plugin("users", 1))
    lab.start()
    return lab


def hanging(version: int, hook: str, how: str) -> str:
    """`deeper` hangs, which the hook calls."""
    deeper = f"def deeper():\n    {how}"
    top = f"{SWALLOWS}\n{deeper}"
    match hook:
        case "import":
            return plugin("users", version, top=f"{top}\ndeeper()")
        case "construct":
            return plugin("users", version, top=top, init="deeper()")
        case "on_load":
            return plugin("users", version, top=top, body="def on_load(self, ctx):\n    deeper()")
        case "register_routes":
            return plugin("users", version, top=top, routes="deeper()")
        case _:
            return plugin("users", version, top=top, body=f"def {hook}(self):\n    deeper()")


def hook_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "hook"]


@pytest.mark.parametrize(
    ("hook", "how"),
    [
        *((hook, how) for hook in ("import", "initialize") for how in HANGS),
        *((hook, "in Python") for hook in ("construct", "on_load", "register_routes")),
        ("health_check", "in C"),
    ],
)
def test_a_hook_that_hangs_is_refused_with_its_stack(
    users: Lab, gates: Gates, monkeypatch: pytest.MonkeyPatch, hook: str, how: str
) -> None:
    if how != "in Python":
        give_up_soon(monkeypatch)
    generation = users.generation("users")
    text = hanging(2, hook, HANGS[how])
    outcome = users.save(("users", text))
    assert_hang(outcome, text, hook, how)
    assert users.generation("users") is generation
    assert users.json("/users/version")["version"] == 1
    assert users.save(("users", plugin("users", 3))).success
    assert users.json("/users/version")["version"] == 3
    gates.open()
    wait_for(lambda: len(hook_threads()) <= 1, "the end of what was left behind")


def assert_hang(outcome: Outcome | None, text: str, hook: str, how: str) -> None:
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    (found,) = outcome.diagnostics
    assert found.code == "RUN002"
    assert "did not finish within 0.2 s" in found.message
    assert found.file == "plugins/users/plugin.py"
    lines = text.split("\n")
    place = lines[(found.line or 0) - 1].strip()
    assert found.source_lines[0].strip() == place
    expected = {"in Python": HANGS[how], "in C": HANGS[how], "swallows": "test_gates.nap()"}[how]
    assert expected in place
    # Outermost first: the hook's own call, then what it called.
    assert found.traceback is not None
    assert found.traceback.index("    deeper()\n") < found.traceback.index(f"    {place}\n")
    left = [
        note for note in outcome.notes if note.startswith("left behind: thread 'hook' in users")
    ]
    assert len(left) == (how != "in Python")
    assert ("could not be ended" in found.message) == (how != "in Python")


FINALIZER = """
class Last:
    def __del__(self):
        while True: pass

def initialize():
    Last()
    while True: pass
"""


def test_a_hook_that_hangs_in_a_finalizer_and_then_again_is_ended(users: Lab) -> None:
    body = "def initialize(self):\n    initialize()"
    outcome = users.save(("users", plugin("users", 2, top=FINALIZER, body=body)))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert not [note for note in outcome.notes if "left behind" in note]
    assert "could not be ended" not in (outcome.error or "")
    assert users.save(("users", plugin("users", 3))).success


def test_each_attempt_leaves_one_thread_at_most(users: Lab, gates: Gates) -> None:
    before = threading.active_count()
    for version in range(2, 6):
        users.save(("users", hanging(version, "initialize", HANGS["in C"])))
    # What the hook hangs in, the worker for the next hook, and no more.
    assert len(hook_threads()) <= 5
    assert threading.active_count() - before <= 5
    for version in range(7, 10):
        users.save(("users", hanging(version, "initialize", IN_PYTHON)))
    assert threading.active_count() - before <= 5
    gates.open()
    wait_for(lambda: threading.active_count() <= before + 1, "the end of those left behind")
    assert users.save(("users", plugin("users", 20))).success


@pytest.mark.parametrize("hook", ["shutdown", "on_unload"])
def test_a_hook_on_the_way_out_that_hangs_delays_nobody(
    users: Lab, gates: Gates, hook: str
) -> None:
    arguments = "self, ctx" if hook == "on_unload" else "self"
    body = f"def {hook}({arguments}):\n    test_gates.block()"
    assert users.save(("users", plugin("users", 2, body=body))).success
    outcome = users.save(("users", plugin("users", 3)))
    assert outcome is not None
    assert outcome.success
    assert users.json("/users/version")["version"] == 3

    def notes() -> list[str]:
        known = users.running.journal.outcomes()
        return [n for o in known if o.id == outcome.id for n in o.notes if "left behind" in n]

    (note,) = wait_for(notes, "the note")
    assert f"in users.{hook}" in note


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_health_check_that_hangs_leaves_one_thread_however_often_it_is_asked(
    users: Lab, gates: Gates, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("devserver.reload.probe._FRESH", 0.0)
    monkeypatch.setattr(users.running.control._probe, "_timeout", 0.2)
    body = f"""
        asked = 0

        {kind} health_check(self):
            type(self).asked += 1
            if self.asked > 1:  # the first is that of the reload
                test_gates.block()
            return True
    """
    assert users.save(("users", plugin("users", 2, body=body))).success
    control = users.running.control
    wait_for(lambda: control.health("users")["status"] == "unhealthy", "the hang")
    threads = _threads()
    for _ in range(20):
        assert "did not finish within" in control.health("users")["message"]
    assert _threads() <= threads
    asked = type(users.generation("users").plugin).asked
    assert asked == 2
    gates.open()
    wait_for(lambda: control.health("users") and _asked(users) > asked, "the next question")


def _threads() -> int:
    """All but the pool's, which come as they are needed."""
    return len([t for t in threading.enumerate() if not t.name.startswith("health_")])


def _asked(users: Lab) -> int:
    asked: int = type(users.generation("users").plugin).asked
    return asked
