"""Locks of git: which count, and for how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devserver.reload.repositories import Repositories


class Repository:
    """Asks at moments that the test names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / ".git/index.lock"
        self.lock.parent.mkdir(parents=True)
        self.told: list[str] = []
        self.repositories = Repositories(lambda message, hint: self.told.append(message))

    def is_busy(
        self, now: float, path: str = "plugins/users/plugin.py", *, last: float = 0
    ) -> bool:
        return self.repositories.are_busy([self.root / path], now=now, last_change=last)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


def test_files_of_no_repository_wait_for_nothing(tmp_path: Path) -> None:
    repositories = Repositories(lambda *_: None)
    assert not repositories.are_busy([tmp_path / "x.py"], now=1.0, last_change=0.0)


def test_lock_counts_while_the_file_is_there(repository: Repository) -> None:
    assert not repository.is_busy(1.0)
    repository.lock.touch()
    assert repository.is_busy(2.0)
    repository.lock.unlink()
    assert not repository.is_busy(3.0)
    assert repository.told == []


def test_lock_that_a_crash_left_behind_counts_for_ten_quiet_seconds_and_is_told_once(
    repository: Repository,
) -> None:
    repository.lock.touch()
    assert repository.is_busy(100.0)
    assert repository.is_busy(109.9)
    assert not repository.is_busy(110.0)
    assert not repository.is_busy(5000.0, last=5000.0)
    (message,) = repository.told
    assert str(repository.lock) in message


def test_changes_keep_a_lock_alive_for_a_minute_at_most(repository: Repository) -> None:
    repository.lock.touch()
    for now in range(100, 160):
        assert repository.is_busy(now, last=now)
    assert not repository.is_busy(160.0, last=160.0)
    assert len(repository.told) == 1


def test_lock_of_last_week_holds_nothing_up(repository: Repository) -> None:
    repository.lock.touch()
    week_ago = time.time() - 7 * 86400
    os.utime(repository.lock, (week_ago, week_ago))
    assert not repository.is_busy(100.0, last=100.0)
    assert len(repository.told) == 1


def test_next_lock_counts_anew(repository: Repository) -> None:
    repository.lock.touch()
    assert repository.is_busy(100.0)
    assert not repository.is_busy(110.0)
    repository.lock.unlink()
    assert not repository.is_busy(150.0)
    repository.lock.touch()
    assert repository.is_busy(200.0)


def test_lock_of_the_repository_around_the_project_counts(repository: Repository) -> None:
    repository.lock.touch()
    assert repository.is_busy(1.0, "apps/shop/plugins/gone/plugin.py")


def test_plugin_that_is_a_repository_of_its_own_has_its_own_lock(repository: Repository) -> None:
    inner = repository.root / "plugins/users/.git"
    inner.mkdir(parents=True)
    (inner / "index.lock").touch()
    assert repository.is_busy(1.0, "plugins/users/plugin.py")
    assert not repository.is_busy(1.0, "plugins/orders/plugin.py")


@pytest.mark.parametrize("absolute", [True, False])
def test_lock_of_a_worktree_or_submodule_counts(repository: Repository, absolute: bool) -> None:
    folder = repository.root / ".git/worktrees/side"
    folder.mkdir(parents=True)
    (repository.root / "side").mkdir()
    target = str(folder) if absolute else "../.git/worktrees/side"
    (repository.root / "side/.git").write_text(f"gitdir: {target}\n")
    assert not repository.is_busy(1.0, "side/plugins/x.py")
    (folder / "index.lock").touch()
    assert repository.is_busy(2.0, "side/plugins/x.py")
    assert not repository.is_busy(2.0, "plugins/x.py")


@pytest.mark.parametrize("kind", ["rebase-merge", "rebase-apply", "sequencer"])
def test_next_commit_of_a_rebase_is_waited_for_a_second(repository: Repository, kind: str) -> None:
    steps = repository.root / ".git" / kind
    steps.mkdir()
    assert repository.is_busy(1.0)
    (steps / "done").touch()
    assert repository.is_busy(1.0)
    before = time.time() - 2  # it stopped for a conflict
    for path in (steps / "done", steps):
        os.utime(path, (before, before))
    assert not repository.is_busy(1.0)
