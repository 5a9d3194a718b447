"""A fault in any step of ours: before the commit all is as it was, after it nothing is half-way."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from devserver.reload import ending
from devserver.reload.ending import Commit
from devserver.reload.exclusive import Exclusives
from devserver.reload.staging import PeerTables
from devserver.reload.transaction import Transaction
from devserver.runtime.bridge import GenerationHost
from devserver.runtime.lifecycle import Lifecycle
from devserver.runtime.live import LiveGenerations
from devserver.runtime.modules import ModuleTable
from devserver.runtime.patches import PatchBoard
from devserver.runtime.registry import Registry
from devserver.runtime.state import Snapshot
from devserver.runtime.surroundings import Surroundings
from tests.integration.lab import Lab, plugin, wait_for

USERS = """
import json
TICKS = []
"""
BODY = """
def initialize(self):
    self.ctx.patch(json, "patched_by", VERSION)
    self.ctx.events.subscribe("a", lambda event: TICKS.append(event))
    self.register_service("users", self)
    self.create_task(self.rest)

async def rest(self):
    import asyncio
    await asyncio.Event().wait()
"""
ORDERS = plugin("orders", top="from plugins.users.plugin import VERSION as SEEN", routes="""
    @router.get("/users")
    def users():
        return {"users": SEEN}
""")  # fmt: skip

BEFORE: list[tuple[Any, str]] = [
    (Transaction, "_try_out"),
    (Transaction, "_stage"),
    (Transaction, "_quiesce"),
    (Transaction, "_take_snapshot"),
    (Transaction, "_activate"),
    (Transaction, "_activate_one"),
    (Transaction, "_verify"),
    (Lifecycle, "import_modules"),
    (Lifecycle, "construct"),
    (Lifecycle, "restore"),
    (Lifecycle, "register"),
    (Lifecycle, "verify"),
    (Snapshot, "restoring"),
    (Exclusives, "stop"),
    (PatchBoard, "suspend"),
    (Surroundings, "veil"),
    (Commit, "prepare"),
    (Commit, "_record_of"),
    (ModuleTable, "pin"),
]
AFTER: list[tuple[Any, str]] = [
    (Commit, "_show_source"),
    (Commit, "_part"),
    (Snapshot, "hand_over"),
    (Surroundings, "hand_over"),
    (LiveGenerations, "watch"),
    (GenerationHost, "cancel_tasks"),
    (GenerationHost, "go_live"),
    (PeerTables, "settle"),
]
WHILE_ROLLING_BACK: list[tuple[Any, str]] = [
    (Lifecycle, "leave"),
    (LiveGenerations, "let_go"),
    (PatchBoard, "resume"),
    (PeerTables, "settle"),
    (ending, "_start_again"),
]


def users(version: int, *, more: str = "") -> str:
    return plugin("users", version, top=USERS, body=BODY.replace("VERSION)", f"VERSION){more}", 1))


def fails(error: BaseException) -> Callable[..., Any]:
    def fault(*_arguments: Any, **_more: Any) -> Any:
        raise error

    return fault


def picture(lab: Lab) -> dict[str, Any]:
    """What is live, by identity."""
    found: dict[str, Any] = {
        "patched": getattr(json, "patched_by", None),
        "path": list(sys.path),
        "modules": {n: id(m) for n, m in sys.modules.items() if n.startswith("plugins")},
    }
    for name, record in lab.running.registry.view.plugins.items():
        generation = record.generation
        assert generation is not None
        found[name] = (
            id(generation),
            id(generation.plugin),
            {k: id(v) for k, v in vars(generation.plugin).items()},
            generation.subscriptions,
            dict(generation.services),
            [(id(t), t.done()) for t in generation.host.tasks()],
            generation.hold,
            record.status,
        )
    return found


@pytest.fixture
def running(lab: Lab) -> Lab:
    lab.settings("safety:\n  max_reload_attempts: 1\nreload:\n  timeout: 3\n")
    lab.write("users", users(1))
    lab.write("orders", ORDERS)
    lab.start()
    return lab


def saved(lab: Lab, text: str) -> Any:
    outcome = lab.save(("users", text))
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("error", [RuntimeError("ours"), SystemExit(3)], ids=["error", "exit"])
@pytest.mark.parametrize(
    ("owner", "step"), BEFORE, ids=lambda part: getattr(part, "__name__", part)
)
def test_a_fault_before_the_commit_leaves_everything_as_it_was(
    running: Lab, monkeypatch: pytest.MonkeyPatch, owner: Any, step: str, error: BaseException
) -> None:
    before = picture(running)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, fails(error))
        outcome = saved(running, users(2))
    assert outcome.rolled_back
    assert type(error).__name__ in str(outcome.error)
    after = picture(running)
    after["users"] = (*after["users"][:-1], before["users"][-1])
    assert after == before
    assert running.json("/orders/users") == {"users": 1}
    assert saved(running, users(3)).success
    assert running.json("/orders/users") == {"users": 3}


@pytest.mark.parametrize(("owner", "step"), AFTER, ids=lambda part: getattr(part, "__name__", part))
def test_a_fault_after_the_commit_is_told_and_the_commit_is_whole(
    running: Lab, monkeypatch: pytest.MonkeyPatch, owner: Any, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, fails(RuntimeError("ours")))
        outcome = saved(running, users(2))
        assert running.json("/orders/users") == {"users": 2}
        assert running.json("/users/version")["version"] == 2
    assert outcome.success
    assert outcome.reloaded == ("users", "orders")
    assert any("RuntimeError: ours" in note for note in outcome.notes), outcome.notes
    assert saved(running, users(3)).success
    assert running.json("/orders/users") == {"users": 3}
    wait_for(lambda: json.patched_by == 3, "the patch is that of the new version")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("owner", "step"), WHILE_ROLLING_BACK, ids=lambda part: getattr(part, "__name__", part)
)
def test_a_roll_back_that_fails_itself_is_contained_and_told(
    running: Lab, monkeypatch: pytest.MonkeyPatch, owner: Any, step: str
) -> None:
    before = picture(running)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, fails(RuntimeError("ours")))
        outcome = saved(running, users(2, more="\n    1 / 0"))
    assert outcome.rolled_back
    assert "ZeroDivisionError" in str(outcome.error)
    assert any("while rolling back" in n and "RuntimeError: ours" in n for n in outcome.notes)
    after = picture(running)
    assert after["users"][:7] == before["users"][:7]
    assert after["orders"][:7] == before["orders"][:7]
    assert running.json("/orders/users") == {"users": 1}
    assert saved(running, users(3)).success
    assert running.json("/orders/users") == {"users": 3}


def test_a_publication_that_fails_is_rolled_back(
    running: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, failed = Registry.publish, []

    def once(registry: Registry, *records: Any, **more: Any) -> Any:
        if not failed:
            failed.append(True)
            raise RuntimeError("ours")
        return publish(registry, *records, **more)

    before = picture(running)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "publish", once)
        outcome = saved(running, users(2))
    assert failed
    assert outcome.rolled_back
    assert picture(running) == before
    assert running.json("/orders/users") == {"users": 1}
    assert saved(running, users(3)).success
    assert running.json("/orders/users") == {"users": 3}


def test_a_listener_of_the_registry_that_fails_stops_no_commit(running: Lab) -> None:
    running.running.registry.on_publish(fails(RuntimeError("ours")))
    assert saved(running, users(2)).success
    assert running.json("/orders/users") == {"users": 2}
