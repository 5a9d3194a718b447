"""What is watched, what was seen, and a file of the server's own to try it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devserver.core.changes import ChangeBatch
from devserver.core.patterns import PathFilter
from devserver.reload import inotify
from devserver.reload.watch_log import WatchLog
from tests.integration.lab import Lab, plugin, wait_for

EVERYTHING = PathFilter(("plugins/**/*.py",), ())
Report = Callable[[], dict[str, Any]]


def files(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if "__pycache__" not in p.parts}


@pytest.mark.parametrize("polling", ["false", "true"])
def test_a_file_of_its_own_is_seen_and_reloads_nothing(lab: Lab, polling: str) -> None:
    lab.settings(f"watch: {{force_polling: {polling}}}")
    lab.write("users", plugin("users"))
    before = files(lab.root / "plugins")
    lab.start(hot_reload=True)
    control = lab.running.control
    last = control.journal.last_event_id
    found = lab.running._watching.test()
    assert found["seen"], found
    assert 0 < found["ms"] < 5000
    assert found["path"].startswith("plugins/_watch_test_")
    assert files(lab.root / "plugins") == before
    wait_for(lambda: control.queued() == 0)
    assert control.journal.last_event_id == last
    assert lab.running._watching.report()["changes"] == []
    lab.replace("users", plugin("users", 2))
    wait_for(lambda: lab.json("/users/version")["version"] == 2)
    changes = lab.running._watching.report()["changes"]
    assert "plugins/users/plugin.py" in changes[0]["paths"]


def test_the_report_follows_the_settings_at_once(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("users/data.csv", "1")
    lab.start(hot_reload=True)
    report: Report = lab.running._watching.report
    status = lab.running.control.watch_status
    assert report()["missed"] == ["plugins/users/data.csv"]
    assert {"plugins", "plugins/users"} <= set(report()["folders"])
    lab.settings("watch: {force_polling: true}")
    wait_for(lambda: status() == {"watching": True, "mode": "polling"})
    assert report()["force_polling"] is True
    lab.settings("watch: {enabled: false}")
    wait_for(lambda: not status()["watching"])
    assert lab.running._watching.test()["path"] is None
    (lab.root / "config" / "hot-loading.yaml").unlink()
    wait_for(lambda: status()["watching"] and status()["mode"] != "polling")


def test_a_host_that_watches_nothing_says_so(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start(hot_reload=False)
    report = lab.running._watching.report()
    assert (report["off"], report["watching"], report["folders"]) == (True, False, [])
    assert lab.running._watching.test()["path"] is None


def test_what_is_not_seen_in_time_is_told_and_taken_away(tmp_path: Path) -> None:
    log = WatchLog(tmp_path, lambda _: None)
    found = log.try_out(EVERYTHING, 0.01)
    assert (found.ms, found.problem) == (None, None)
    assert found.to_json()["seen"] is False
    assert files(tmp_path) == set()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("a file")
    found = WatchLog(tmp_path, lambda _: None).try_out(EVERYTHING, 0.01)
    assert "cannot be written" in str(found.problem)


def test_a_file_of_its_own_goes_where_patterns_allow(tmp_path: Path) -> None:
    log = WatchLog(tmp_path, lambda _: None)
    found = log.try_out(PathFilter(("plugins/*/plugin.py",), ()), 0.01)
    assert str(found.path).endswith("/plugin.py")
    assert files(tmp_path) == set()
    assert log.try_out(PathFilter(("nothing/*",), ()), 0.01).path is None


def test_other_changes_of_the_same_batch_are_passed_on(tmp_path: Path) -> None:
    passed: list[ChangeBatch] = []
    log = WatchLog(tmp_path, passed.append)
    own = tmp_path / str(log.try_out(EVERYTHING, 0.01).path)
    other = tmp_path / "plugins" / "users.py"
    log.pass_on(ChangeBatch(paths=frozenset({own}), first_seen=0.0))
    log.pass_on(ChangeBatch(paths=frozenset({own, other}), first_seen=0.0))
    log.pass_on(ChangeBatch(paths=frozenset(), first_seen=0.0, complete=True))
    assert [batch.paths for batch in passed] == [{other}, frozenset()]
    assert [batch["paths"] for batch in log.recent()] == [[], ["plugins/users.py"]]


def test_the_limits_of_the_system_are_told_or_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "max_user_watches").write_text("17\n")
    monkeypatch.setattr(inotify, "LIMITS", tmp_path)
    monkeypatch.setattr(inotify, "_DESCRIPTORS", tmp_path / "none")
    assert inotify.usage() == {
        "max_user_watches": 17, "max_user_instances": None, "watches": 0, "instances": 0,
    }  # fmt: skip
