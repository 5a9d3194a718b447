"""What hangs makes way: no other save, and no word of the operator, waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin, wait_for

FOREVER = 50
"""Seconds that no test waits."""
HANG = """
import pathlib, time
with open({path!r}, "a") as file:
    file.write("x")
while {condition}:
    time.sleep(0.01)
"""
NEEDS = "from plugins.users.plugin import VERSION as THEIRS"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(6) as pool:
        yield pool


@pytest.fixture
def three(lab: Lab) -> Lab:
    """users, orders which imports it, and clock which has nothing to do with them."""
    lab.settings(f"reload:\n  timeout: {FOREVER}\nsafety:\n  cooldown_period: 0.2\n")
    lab.write("users", plugin("users", 1))
    lab.write("orders", plugin("orders", 1, top=NEEDS))
    lab.write("clock", plugin("clock", 1))
    lab.start()
    return lab


def hanging(lab: Lab, version: int, *, condition: str = "True", where: str = "top") -> str:
    text = HANG.format(path=str(lab.root / "hangs"), condition=condition)
    if where == "top":
        return plugin("users", version, top=text)
    body = "def initialize(self):\n" + "".join(f"    {line}\n" for line in text.splitlines())
    return plugin("users", version, body=body)


def hangs(lab: Lab) -> int:
    path = lab.root / "hangs"
    return len(path.read_text()) if path.exists() else 0


def begin(lab: Lab, pool: ThreadPoolExecutor, text: str) -> Future[Any]:
    """Saves what hangs and waits until it does."""
    before = hangs(lab)
    lab.write("users", text)
    outcome = pool.submit(lab.running.changed, lab.path("users"))
    wait_for(lambda: hangs(lab) > before, "the hang")
    return outcome


def version(lab: Lab, name: str) -> Any:
    return lab.json(f"/{name}/version")["version"]


def soon(call: Callable[[], Any]) -> Any:
    """What the call gives, long before anything has timed out."""
    begun = time.monotonic()
    found = call()
    assert time.monotonic() - begun < FOREVER / 4
    return found


@pytest.mark.parametrize("name", ["orders", "clock"])
def test_another_plugin_goes_live_while_an_import_hangs(
    three: Lab, pool: ThreadPoolExecutor, name: str
) -> None:
    top = NEEDS if name == "orders" else ""
    first = begin(three, pool, hanging(three, 2))
    outcome = soon(lambda: three.save((name, plugin(name, 2, top=top))))
    assert outcome.success
    assert outcome.plugins == (name,)
    assert version(three, name) == 2
    assert version(three, "users") == 1
    # The other is tried again by itself, and its fix goes live as soon as it is saved.
    wait_for(lambda: hangs(three) > 1, "the second trial")
    fixed = soon(lambda: three.save(("users", plugin("users", 3))))
    assert fixed.success
    assert first.result(5) is fixed
    assert (version(three, "users"), version(three, name)) == (3, 2)


def test_a_slow_import_goes_live_although_others_are_saved_meanwhile(
    three: Lab, pool: ThreadPoolExecutor
) -> None:
    gate = three.root / "gate"
    slow = hanging(three, 2, condition=f"not pathlib.Path({str(gate)!r}).exists()")
    first = begin(three, pool, slow)
    # More often than anything makes way.
    for number in range(2, 7):
        three.write("clock", plugin("clock", number))
        other = pool.submit(three.running.changed, three.path("clock"))
        if number < 5:
            other.result(FOREVER / 4)
            assert version(three, "clock") == number
            wait_for(lambda number=number: hangs(three) >= number, "the next trial")
    assert not first.done()
    gate.touch()
    assert first.result(FOREVER / 4).success
    wait_for(lambda: version(three, "clock") == 6, "the last save")
    assert version(three, "users") == 2


def test_the_operator_does_not_wait_for_a_hang(three: Lab, pool: ThreadPoolExecutor) -> None:
    first = begin(three, pool, hanging(three, 2))
    soon(lambda: three.running.control.disable("clock"))
    assert three.get("/clock/version").status_code == 503
    wait_for(lambda: hangs(three) > 1, "the second trial")
    soon(lambda: three.running.control.enable("clock"))
    assert version(three, "clock") == 1
    assert not first.done()
    assert soon(lambda: three.save(("users", plugin("users", 3)))).success


@pytest.mark.parametrize("where", ["top", "hook"])
def test_the_fix_of_what_hangs_is_tried_at_once(
    three: Lab, pool: ThreadPoolExecutor, where: str
) -> None:
    first = begin(three, pool, hanging(three, 2, where=where))
    assert soon(lambda: three.save(("users", plugin("users", 3)))).success
    assert (version(three, "users"), version(three, "orders")) == (3, 1)
    outcome = first.result(5)
    if where == "hook":
        # It ran in the live process: that is told.
        assert not outcome.success
        assert "given up" in outcome.error
        assert "something newer" in outcome.error
        assert outcome.diagnostics[0].line is not None


def test_another_plugin_goes_live_while_a_hook_hangs(three: Lab, pool: ThreadPoolExecutor) -> None:
    first = begin(three, pool, hanging(three, 2, where="hook"))
    outcome = soon(lambda: three.save(("clock", plugin("clock", 2))))
    assert outcome.success
    assert version(three, "clock") == 2
    assert any("before it was its turn" in note for note in outcome.notes)
    refused = first.result(5)
    assert "something newer" in refused.error
    # It is tried again as often as if that had not been; each time it makes way.
    for attempt in range(2, 6):
        wait_for(lambda attempt=attempt: hangs(three) >= attempt, "the next attempt")
        saved = soon(lambda attempt=attempt: three.save(("clock", plugin("clock", 10 + attempt))))
        assert saved.success
    assert version(three, "users") == 1
    assert soon(lambda: three.save(("users", plugin("users", 3)))).success
    assert three.json("/users/version")["version"] == 3


@pytest.mark.parametrize("name", ["clock", "orders"])
def test_no_save_waits_for_another_attempt_at_a_hook_that_hangs(
    three: Lab, pool: ThreadPoolExecutor, name: str
) -> None:
    """Two seconds are the time that an attempt gets in any case."""
    three.settings("reload:\n  timeout: 0.5\nsafety:\n  cooldown_period: 0.1\n")
    three.running.changed(three.path("/config/hot-loading.yaml"))
    refused = begin(three, pool, hanging(three, 2, where="hook")).result(20)
    assert not refused.success
    three.settings(f"reload:\n  timeout: {FOREVER}\nsafety:\n  cooldown_period: 0.1\n")
    three.running.changed(three.path("/config/hot-loading.yaml"))
    wait_for(lambda: hangs(three) > 1, "the second attempt")
    top = NEEDS if name == "orders" else ""
    assert soon(lambda: three.save((name, plugin(name, 2, top=top)))).success
    assert version(three, name) == 2
    assert soon(lambda: three.save(("users", plugin("users", 3)))).success


LONG = """
@router.get("/long")
def long():
    (pathlib.Path({root!r}) / "inside").touch()
    while not (pathlib.Path({root!r}) / "gate").exists():
        time.sleep(0.01)
    return {{"version": VERSION}}
"""


def test_no_save_waits_for_a_request_that_goes_on(
    three: Lab, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.reload.overtaking._PATIENCE_WITH_REQUESTS", 0.1)
    monkeypatch.setattr("devserver.reload.overtaking._PATIENCE_WITH_HOOKS", 0.2)
    routes = LONG.format(root=str(three.root))

    def users(version: int) -> str:
        return plugin("users", version, top="import pathlib, time", routes=routes)

    three.save(("users", users(2)))
    asked = pool.submit(three.get, "/users/long")
    wait_for((three.root / "inside").exists, "the request")
    three.write("users", users(3))
    first = pool.submit(three.running.changed, three.path("users"))
    wait_for(lambda: three.generation("users").hold is not None, "the wait for it")
    assert soon(lambda: three.save(("clock", plugin("clock", 2)))).success
    assert version(three, "clock") == 2
    three.write("users", users(4))
    second = pool.submit(three.running.changed, three.path("users"))
    (three.root / "gate").touch()
    assert asked.result(FOREVER / 4).json == {"version": 2}
    assert second.result(FOREVER / 4).success
    assert version(three, "users") == 4
    assert first.done()
