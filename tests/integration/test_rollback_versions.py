"""An earlier version of a plugin is put into service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from devserver.assembly.past import roll_back_on_disk
from devserver.core.errors import (
    DatabaseUnavailable,
    PluginNotFound,
    PluginUnavailable,
    VersionNotFound,
)
from devserver.core.outcome import Outcome, Result
from devserver.reload.queue import Rescan
from devserver.reload.rollbacks import Rollbacks
from devserver.reload.versions import Restored
from devserver.runtime.project import Project
from devserver.runtime.registry import PluginRecord
from tests.integration.lab import Lab, plugin, wait_for
from tests.integration.store.conftest import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]  # fixtures

ORDERS = plugin("orders", top="from plugins.users.plugin import VERSION as USERS", routes="""
@router.get("/users")
def users():
    return {"users": USERS}
""")  # fmt: skip


TELLING = (
    """
async def initialize(self):
    raise ValueError("bad key " + await self.get_config("key"))
""",
    """
def health_check(self):
    return {"healthy": False, "message": "no " + self.config["key"]}
""",
)
"""Code that tells a value of the configuration."""


@pytest.fixture(params=["sqlite", "postgresql"])
def lab(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Lab]:
    """Each test runs on both databases."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        lab.write("/config/main.yaml", f"database: {{url: '{url}'}}\n")
    yield lab
    lab.stop()  # before the database is dropped


def rollbacks(lab: Lab) -> Rollbacks:
    found = lab.running.control.rollbacks
    assert found is not None
    return found


def roll_back(lab: Lab, name: str = "users", **options: Any) -> Restored:
    return rollbacks(lab).roll_back(name, **options)


def numbers(lab: Lab, name: str = "users") -> list[int]:
    return [v.number for v in rollbacks(lab).versions(name)]


def record(lab: Lab, name: str = "users") -> PluginRecord:
    return lab.running.registry.view.plugins[name]


def rescan(lab: Lab) -> Any:
    return lab.running.queue.put(Rescan()).result()


def save_versions(lab: Lab, last: int) -> None:
    lab.write("users", plugin("users", 1))
    lab.start()
    for number in range(2, last + 1):
        outcome = lab.save(("users", plugin("users", number)))
        assert outcome is not None
        assert outcome.success


def test_a_version_serves_again_with_the_state(lab: Lab) -> None:
    save_versions(lab, 5)
    assert numbers(lab) == [1, 2, 3, 4, 5]
    for _ in range(3):
        lab.get("/users/hit")
    restored = roll_back(lab, to=2)
    assert restored.outcome.success
    assert restored.outcome.trigger == "rollback"
    assert "version 2 of its source" in restored.outcome.notes[0]
    assert lab.json("/users/version")["version"] == 2
    assert lab.json("/users/hit")["hits"] == 4
    assert (record(lab).reason, record(lab).pending) == (
        "version 2 serves; what is on disk is newer", True,
    )  # fmt: skip
    assert lab.running.control.pending() == ["users"]
    assert "VERSION = 5" in lab.path("users").read_text()


def test_what_is_on_disk_is_not_loaded_until_it_changes(lab: Lab) -> None:
    lab.write("orders", ORDERS)
    save_versions(lab, 3)
    roll_back(lab, to=1)
    assert lab.json("/orders/users") == {"users": 1}
    before = lab.generation("users")
    assert rescan(lab) is None
    assert lab.save(("users", plugin("users", 3))) is None  # the same content
    other = lab.save(("orders", ORDERS.replace("hello", "changed")))
    assert other is not None
    assert other.success
    assert lab.generation("users") is before
    assert record(lab).pending
    outcome = lab.save(("users", plugin("users", 4)))
    assert outcome is not None
    assert outcome.success
    assert lab.json("/users/version")["version"] == 4
    assert (record(lab).reason, record(lab).pending) == ("reloaded from g4", False)
    assert lab.running.control.pending() == []
    assert lab.json("/orders/users") == {"users": 4}


def test_it_comes_along_with_what_it_needs_and_is_still_held(lab: Lab) -> None:
    lab.write("base", plugin("base"))
    needing = plugin("users", 1, top="import plugins.base.plugin")
    lab.write("users", needing)
    lab.start()
    lab.save(("users", needing.replace("VERSION = 1", "VERSION = 2")))
    roll_back(lab)
    number = lab.generation("users").number
    outcome = lab.save(("base", plugin("base", 2)))
    assert outcome is not None
    assert outcome.reloaded == ("base", "users")
    assert lab.generation("users").number == number + 1
    assert lab.json("/users/version")["version"] == 1
    assert record(lab).reason == "version 1 serves; what is on disk is newer"
    assert lab.running.control.pending() == ["users"]
    assert numbers(lab) == [1, 2, 3]


def test_a_configuration_edit_is_applied_to_the_version_that_serves(lab: Lab) -> None:
    lab.write("users", plugin("users", 1, init="self.seen = None", body="""
        async def initialize(self):
            self.greeting = await self.get_config("greeting", "none")
            return True
    """))  # fmt: skip
    lab.start()
    lab.save(("users", lab.path("users").read_text().replace("VERSION = 1", "VERSION = 2")))
    roll_back(lab)
    lab.save(("/config/plugins.yaml", "users: {greeting: from the file}\n"))
    assert lab.json("/users/version") == {"version": 1, "greeting": "from the file"}
    assert record(lab).pending


def test_going_back_twice_goes_back_further(lab: Lab) -> None:
    save_versions(lab, 4)
    assert roll_back(lab).number == 3
    assert numbers(lab) == [1, 2, 3, 4, 5]
    assert rollbacks(lab).versions("users")[-1].restores == 3
    assert roll_back(lab).number == 2
    assert lab.json("/users/version")["version"] == 2
    assert roll_back(lab).number == 1
    with pytest.raises(VersionNotFound, match="no earlier version") as refused:
        roll_back(lab)
    assert refused.value.versions == (1, 2, 3, 4, 5, 6, 7)


def test_an_unknown_version_or_plugin_is_told(lab: Lab) -> None:
    save_versions(lab, 2)
    with pytest.raises(VersionNotFound, match="no version 9") as refused:
        roll_back(lab, to=9)
    assert refused.value.versions == (1, 2)
    assert refused.value.hint == "kept are: 1, 2"
    with pytest.raises(PluginNotFound):
        roll_back(lab, "nobody")
    lab.running.control.disable("users")
    with pytest.raises(PluginUnavailable, match="disabled"):
        roll_back(lab)


def test_a_refused_version_leaves_everything_as_it_was(lab: Lab) -> None:
    lab.write("base", plugin("base", top="NAME = 1"))
    needing = plugin("users", 1, top="from plugins.base.plugin import NAME")
    lab.write("users", needing)
    lab.start()
    lab.save(("users", plugin("users", 2)))
    lab.save(("base", plugin("base")))
    refused = lab.save(("users", "this is no Python"))
    assert refused is not None
    before = record(lab)
    restored = roll_back(lab, to=1)
    assert restored.outcome.result is Result.REJECTED
    assert restored.outcome.notes == ()
    assert lab.json("/users/version")["version"] == 2
    after = record(lab)
    assert (after.reason, after.pending, after.diagnostics) == (
        before.reason, before.pending, before.diagnostics,
    )  # fmt: skip
    assert rescan(lab) is None
    outcome = lab.save(("users", plugin("users", 3)))
    assert outcome is not None
    assert outcome.success
    assert lab.running.control.pending() == []


def test_a_version_that_fails_in_a_hook_is_rolled_back(lab: Lab) -> None:
    marker = lab.root / "marker"
    failing = plugin("users", 1, body=f"""
        def initialize(self):
            import os
            return not os.path.exists({str(marker)!r})
    """)  # fmt: skip
    lab.write("users", failing)
    lab.start()
    lab.save(("users", plugin("users", 2)))
    marker.touch()
    restored = roll_back(lab)
    assert restored.outcome.result is Result.ROLLED_BACK
    assert lab.json("/users/version")["version"] == 2
    assert lab.running.control.pending() == []
    assert not record(lab).pending
    marker.unlink()
    assert roll_back(lab).outcome.success


def test_broken_content_on_disk_is_left_behind_by_a_rollback(lab: Lab) -> None:
    save_versions(lab, 2)
    broken = lab.save(("users", plugin("users", 3, top="1 / 0")))
    assert broken is not None
    assert not broken.success
    assert roll_back(lab).number == 1
    assert record(lab).diagnostics == ()
    assert rescan(lab) is None
    assert record(lab).reason == "version 1 serves; what is on disk is newer"
    outcome = lab.save(("users", plugin("users", 4)))
    assert outcome is not None
    assert outcome.success


def test_a_reload_that_is_asked_for_loads_what_is_on_disk(lab: Lab) -> None:
    save_versions(lab, 3)
    roll_back(lab, to=1)
    assert lab.running.control.reload("users").success
    assert lab.json("/users/version")["version"] == 3
    assert lab.running.control.pending() == []


def test_disk_content_that_returns_to_what_serves_ends_it(lab: Lab) -> None:
    save_versions(lab, 3)
    roll_back(lab, to=1)
    before = lab.generation("users")
    assert lab.save(("users", plugin("users", 1))) is None
    assert lab.generation("users") is before
    assert not record(lab).pending
    assert lab.running.control.pending() == []
    outcome = lab.save(("users", plugin("users", 3)))
    assert outcome is not None
    assert outcome.success


def test_a_start_loads_what_is_on_disk(lab: Lab) -> None:
    save_versions(lab, 3)
    roll_back(lab, to=1)
    lab.stop()
    lab.start()
    assert lab.json("/users/version")["version"] == 3
    assert numbers(lab) == [1, 2, 3, 4, 5]
    assert roll_back(lab).number == 4
    assert lab.json("/users/version")["version"] == 1


def test_a_plugin_that_failed_at_the_start_comes_back_with_its_last_good_version(lab: Lab) -> None:
    save_versions(lab, 2)
    lab.stop()
    lab.write("users", "this is no Python")
    lab.start()
    assert lab.get("/users/version").status_code == 503
    restored = roll_back(lab)
    assert (restored.number, restored.outcome.success) == (2, True)
    assert lab.json("/users/version")["version"] == 2
    assert rescan(lab) is None


def test_a_single_file_and_several_files_go_back(lab: Lab) -> None:
    lab.write("single.py", plugin("single", 1))
    lab.write("users", plugin("users", 1, top="from .models import NAME").replace(
        '"greeting": self.greeting', '"greeting": NAME'))  # fmt: skip
    lab.write("users/models.py", "NAME = 'ann'")
    lab.start()
    lab.save(("single.py", plugin("single", 2)))
    lab.save(("users", plugin("users", 2)), ("users/models.py", None))
    assert roll_back(lab, "single").outcome.success
    assert lab.json("/single/version")["version"] == 1
    assert roll_back(lab).outcome.success
    assert lab.json("/users/version") == {"version": 1, "greeting": "ann"}


# -- on disk too --------------------------------------------------------------------------------


def test_the_version_is_put_on_disk_without_a_second_reload(lab: Lab) -> None:
    lab.write("users", plugin("users", 1, top="from . import models"))
    lab.write("users/models.py", "NAME = 'ann'")
    lab.start(hot_reload=True)
    lab.running.changed(lab.write("users", plugin("users", 2)))
    lab.path("users/models.py").unlink()
    extra = lab.write("users/extra/more.py", "MORE = 1")
    lab.running.changed(extra, lab.path("users/models.py"))
    lab.write("users/notes.log", "never a part of it")
    wait_for(lambda: len(numbers(lab)) >= 2)
    restored = roll_back(lab, to=1, write=True)
    assert restored.outcome.success
    done = restored.on_disk
    assert done is not None
    assert (done.written, done.removed, done.left, done.problem) == (
        ("models.py", "plugin.py"), ("extra/more.py",), (), None,
    )  # fmt: skip
    assert "VERSION = 1" in lab.path("users").read_text()
    assert not lab.path("users/extra").exists()
    assert lab.path("users/notes.log").read_text() == "never a part of it"
    generation = lab.generation("users")
    lab.write("hello.py", plugin("hello"))  # what the watcher tells after all that was written
    wait_for(lambda: lab.get("/hello/version").status_code == 200)
    assert rescan(lab) is None
    assert lab.generation("users") is generation
    assert record(lab).reason == "version 1 serves; it is on disk too"
    assert not record(lab).pending


def test_what_was_never_live_is_not_lost(lab: Lab) -> None:
    save_versions(lab, 2)
    lab.save(("users", "this is my work"), ("users/data.json", "{}"))
    restored = roll_back(lab, to=1, write=True)
    assert restored.on_disk is not None
    assert restored.on_disk.left == ("data.json",)
    assert lab.path("users/data.json").read_text() == "{}"
    saved = restored.on_disk.saved
    assert saved is not None
    assert (saved / "plugin.py").read_text() == "this is my work"
    assert (saved / "plugin.py").stat().st_mode & 0o077 == 0
    assert rescan(lab) is None
    assert lab.running.control.pending() == []
    outcome = lab.save(("users", plugin("users", 3)))
    assert outcome is not None
    assert outcome.success


def test_links_and_modes_stay(lab: Lab, tmp_path: Path) -> None:
    save_versions(lab, 1)
    real = tmp_path / "elsewhere.py"
    lab.path("users").rename(real)
    lab.path("users").symlink_to(real)
    real.chmod(0o750)
    lab.save(("users", plugin("users", 2)))
    assert roll_back(lab, write=True).outcome.success
    assert lab.path("users").is_symlink()
    assert "VERSION = 1" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o750


def test_a_disk_that_cannot_be_written_is_told_and_the_version_serves(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_versions(lab, 2)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("devserver.reload.put_back.os.fsync", full)
    restored = roll_back(lab, write=True)
    assert restored.outcome.success
    assert restored.on_disk is not None
    assert "No space left" in str(restored.on_disk.problem)
    assert lab.json("/users/version")["version"] == 1
    assert "VERSION = 2" in lab.path("users").read_text()
    assert [p.name for p in lab.path("users").parent.iterdir() if p.is_file()] == ["plugin.py"]
    assert record(lab).pending


# -- what is kept -------------------------------------------------------------------------------


def test_refused_versions_and_what_only_came_along_are_not_kept(lab: Lab) -> None:
    lab.write("orders", ORDERS)
    save_versions(lab, 2)
    lab.save(("users", plugin("users", 3, top="1 / 0")))
    lab.save(("users", "no Python"))
    assert numbers(lab) == [1, 2]
    assert numbers(lab, "orders") == [1]


def test_a_version_that_fails_its_probation_is_not_kept(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.settings("safety: {probation_ms: 200}\nreload: {timeout: 5}\n")
    lab.start()
    sick = plugin("users", 2, init="self.asked = 0", body="""
        def health_check(self):
            self.asked += 1
            return {"healthy": self.asked < 2}
    """)  # fmt: skip
    lab.save(("users", sick))
    wait_for(lambda: lab.json("/users/version")["version"] == 1)
    assert numbers(lab) == [1]
    lab.save(("users", plugin("users", 3)))
    wait_for(lambda: numbers(lab) == [1, 2])


def test_outcomes_of_earlier_runs_are_told_and_numbers_go_on(lab: Lab) -> None:
    save_versions(lab, 3)
    first = lab.running.instance
    lab.stop()
    lab.start()
    assert lab.running.instance != first
    outcome = lab.save(("users", plugin("users", 4)))
    assert outcome is not None
    assert outcome.id == 3
    for flushed in (False, True):
        if flushed:
            numbers(lab)
        found = lab.running.journal.documents("users")
        assert [(d["id"], d["instance"]) for d in found] == [
            (3, lab.running.instance), (2, first), (1, first),
        ]  # fmt: skip
    steps = {s["name"] for s in found[-1]["steps"]}
    assert {"validate", "commit", "dispose"} <= steps
    assert [d["id"] for d in lab.running.journal.documents(limit=2)] == [3, 2]


def test_a_reload_does_not_wait_for_the_history(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write("users", plugin("users", 1))
    lab.start()
    assert numbers(lab) == [1]
    writing, gate = threading.Event(), threading.Event()
    history = lab.running.store.history
    record_now = history.record

    def slow(instance: str, outcomes: Any) -> None:
        writing.set()
        gate.wait(20)
        record_now(instance, outcomes)

    monkeypatch.setattr(history, "record", slow)
    first = lab.save(("users", plugin("users", 2)))
    assert writing.wait(20)
    second = lab.save(("users", plugin("users", 3)))
    assert first is not None
    assert second is not None
    assert second.success
    assert [d["id"] for d in lab.running.journal.documents()] == [2, 1]
    gate.set()
    assert numbers(lab) == [1, 2, 3]
    assert [d["id"] for d in history.find()] == [2, 1]


def test_what_is_saved_during_a_rollback_goes_live_after_it(lab: Lab) -> None:
    slow = plugin("users", 1, top="import time\ntime.sleep(0.8)")
    lab.write("users", slow)
    lab.start()
    lab.save(("users", plugin("users", 2)))
    events = lab.running.journal
    seen = events.last_event_id
    with ThreadPoolExecutor(1) as pool:
        rolling = pool.submit(roll_back, lab)
        wait_for(lambda: any(
            e.kind == "started" and e.payload["trigger"] == "rollback"
            for e in events.events_after(seen, 1)
        ))  # fmt: skip
        outcome = lab.save(("users", plugin("users", 3)))
        assert rolling.result(20).outcome.success
    assert outcome is not None
    assert outcome.success
    assert lab.json("/users/version")["version"] == 3
    assert [o.trigger for o in events.outcomes()] == ["file", "rollback", "file"]


def test_without_a_database_it_is_said(lab: Lab) -> None:
    lab.write("/config/main.yaml", "database: {url: 'sqlite:////proc/nowhere/x.sqlite'}\n")
    save_versions(lab, 2)
    with pytest.raises(DatabaseUnavailable):
        roll_back(lab)
    assert [d["id"] for d in lab.running.journal.documents()] == [1]
    assert lab.json("/users/version")["version"] == 2


def test_many_roll_back_and_save_at_once(lab: Lab) -> None:
    save_versions(lab, 4)

    def one(number: int) -> Outcome:
        return roll_back(lab, to=number % 4 + 1).outcome

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(one, n) for n in range(12)]
        for number in range(5, 9):
            lab.save(("users", plugin("users", number)))
        assert all(w.result(60).success for w in waiting)
    lab.save(("users", plugin("users", 9)))
    assert lab.json("/users/version")["version"] == 9
    kept = numbers(lab)
    assert kept == sorted(set(kept))
    assert lab.running.control.pending() == []
    assert lab.running.queue.put(Rescan()).result() is None


def test_the_outcome_has_no_values_of_the_configuration(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.write("users/manifest.json", json.dumps({
        "name": "users", "version": "1.0.0",
        "configuration": {"key": {"type": "string", "secret": True}},
    }))  # fmt: skip
    lab.write("/config/plugins.yaml", "users: {key: hunter2secret}\n")
    lab.start()
    lab.save(("users", plugin("users", 2)))
    roll_back(lab)
    for body in TELLING:
        outcome = lab.save(("users", plugin("users", 3, body=body)))
        assert outcome is not None
        assert outcome.result is Result.ROLLED_BACK
        assert "***" in str(outcome.error)
        assert "hunter2secret" not in record(lab).reason
    numbers(lab)
    told = lab.running.journal.documents()
    assert len(told) >= 2 + len(TELLING)
    assert "hunter2secret" not in json.dumps(told)
    assert "hunter2secret" not in json.dumps(lab.running.store.history.find())


def test_a_deleted_plugin_comes_back_with_its_files(lab: Lab) -> None:
    lab.write("other", plugin("other"))
    lab.write("odd-name", plugin("odd_name"))
    lab.start()
    assert numbers(lab, "odd_name") == [1]
    lab.save(("odd-name", None))
    lab.path("odd-name").parent.rmdir()
    rescan(lab)
    assert "odd_name" not in lab.running.registry.view.plugins
    assert numbers(lab, "odd_name") == [1]
    assert rollbacks(lab).serving("odd_name") is None
    with pytest.raises(PluginUnavailable, match="not in plugins/ any more") as refused:
        roll_back(lab, "odd_name")
    assert "--write" in str(refused.value.hint)
    restored = roll_back(lab, "odd_name", write=True)
    assert restored.outcome.success
    assert restored.on_disk is not None
    assert restored.on_disk.written == ("plugin.py",)
    assert lab.path("odd-name").is_file()
    assert lab.json("/odd_name/version")["version"] == 1
    assert not record(lab, "odd_name").pending
    assert rescan(lab) is None
    outcome = lab.save(("odd-name", plugin("odd_name", 2)))
    assert outcome is not None
    assert outcome.success


def test_a_deleted_plugin_that_cannot_come_back_stays_away(lab: Lab) -> None:
    lab.write("base", plugin("base"))
    lab.write("users", plugin("users", top="import plugins.base.plugin"))
    lab.start()
    assert numbers(lab) == [1]
    lab.save(("users", None))
    lab.save(("base", None))
    assert not roll_back(lab, write=True).outcome.success
    assert "users" not in lab.running.registry.view.plugins
    assert not lab.path("users").exists()
    assert rescan(lab) is None
    with pytest.raises(PluginNotFound):
        roll_back(lab, "nobody", write=True)


def test_a_deleted_plugin_that_was_disabled_is_not_served_by_a_rollback(lab: Lab) -> None:
    save_versions(lab, 1)
    assert numbers(lab) == [1]
    lab.running.control.disable("users")
    lab.save(("users", None))
    with pytest.raises(PluginUnavailable, match="was disabled before"):
        roll_back(lab, write=True)
    lab.stop()
    number, done = roll_back_on_disk(Project(lab.root), "users", None)
    assert (number, done.written) == (1, ("plugin.py",))
    lab.start()
    assert record(lab).status == "disabled"
