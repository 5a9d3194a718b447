"""Changes that no event told of, and systems that give no events at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devserver.reload import observer as observer_module
from devserver.reload import watcher as watcher_module
from devserver.reload.notify import FileEvents
from tests.guarantees.g01_no_save_is_lost.watched import PATIENCE, Project


class DeafEvents(FileEvents):
    """A source that reports only what `hears` lets through, as after an overflow."""

    hears: Callable[[str], bool] = staticmethod(lambda _: False)

    def wait(self, timeout: float) -> set[str]:
        return {path for path in super().wait(timeout) if self.hears(path)}


def test_changes_without_an_event_are_told_once_things_have_settled(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeafEvents, "hears", staticmethod(lambda path: path.endswith("models.py")))
    monkeypatch.setattr(observer_module, "FileEvents", DeafEvents)
    project.start()
    project.write("plugins/users/models.py", "v1")
    project.wait_for("plugins/users/models.py")
    project.write("plugins/users/plugin.py", "v1")
    assert project.next() == {"plugins/users/plugin.py"}


def test_changes_without_any_event_are_told_by_the_regular_comparison(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer_module, "FileEvents", DeafEvents)
    monkeypatch.setattr(watcher_module, "IDLE_COMPARE_SECONDS", 0.2)
    monkeypatch.setattr(watcher_module, "SETTLE_SECONDS", 2 * PATIENCE)
    project.start()
    for version in range(1, 4):
        project.write("plugins/users/plugin.py", f"v{version}")
        assert project.next() == {"plugins/users/plugin.py"}


def test_comparison_tells_nothing_that_was_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "IDLE_COMPARE_SECONDS", 0.01)
    monkeypatch.setattr(watcher_module, "SETTLE_SECONDS", 0.01)
    project.start()
    for version in range(1, 6):
        project.write("plugins/users/plugin.py", f"v{version}")
        assert project.next() == {"plugins/users/plugin.py"}
    assert project.told_until("plugins/users/models.py") == set()


def test_limit_of_watches_is_reported_and_polling_takes_over(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoEvents(FileEvents):
        def __init__(self, *_: Any, **__: Any) -> None:
            raise OSError('OS file watch limit reached. about ["/x"]')

    monkeypatch.setattr(observer_module, "FileEvents", NoEvents)
    watcher = project.start()
    message, hint = project.problems.get(timeout=PATIENCE)
    assert "(OS file watch limit reached)" in message
    assert "max_user_watches" in (hint or "")
    assert "force_polling" in (hint or "")
    assert watcher.mode == "polling"
    project.write("plugins/users/plugin.py", "v1")
    assert project.next() == {"plugins/users/plugin.py"}


def test_source_that_keeps_failing_is_given_up_for_polling(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BrokenEvents(FileEvents):
        def wait(self, timeout: float) -> set[str]:
            raise RuntimeError("queue is gone")

    monkeypatch.setattr(observer_module, "FileEvents", BrokenEvents)
    watcher = project.start()
    message, _ = project.problems.get(timeout=PATIENCE)
    assert "queue is gone" in message
    assert watcher.mode == "polling"
    project.write("plugins/users/plugin.py", "v1")
    assert project.next() == {"plugins/users/plugin.py"}
    assert project.problems.empty()
