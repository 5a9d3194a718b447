"""git writes many files one by one: what runs is a commit, never half of one."""

from __future__ import annotations

import queue
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from devserver.core.outcome import Outcome
from devserver.reload import repositories as repositories_module
from devserver.reload.journal import FeedEvent
from devserver.reload.repositories import Repositories
from tests.guarantees.g01_no_save_is_lost.saving import (
    EDITORS,
    as_editor,
    results_of,
    run,
    settle,
    version_of,
    wait_until_live,
)
from tests.integration.lab import Lab, plugin, wait_for

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

PARTS = 100
SLOW_PARTS = 8


class Repository:
    """A project under git whose plugins fit one another within a commit only.

    `users` imports all its parts and asserts that they are of its own version, so that any mix
    of two commits is refused; `orders` asserts the same of `users`.
    """

    def __init__(self, lab: Lab, root: Path, parts: int = PARTS) -> None:
        self.lab = lab
        self.root = root
        self.parts = parts
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str | Path, at: Path | None = None) -> str:
        fixed = ["-c", "user.name=D", "-c", "user.email=d@example.org", "-c", "core.pager=cat"]
        return run("git", *fixed, "-c", "protocol.file.allow=always", *words, cwd=at or self.root)

    def write(self, version: int) -> None:
        """A version of everything, on disk only."""
        names = [f"part_{n:03}" for n in range(self.parts)]
        top = f"from . import {', '.join(names)}\n" + "".join(
            f"assert {n}.VERSION == VERSION, '{n} is of another commit'\n" for n in names
        )
        self.lab.write("users", plugin("users", version, top=top))
        for name in names:
            self.lab.write(f"users/{name}.py", f"VERSION = {version}\n")
        top = "from plugins.users.plugin import VERSION as V\nassert V == VERSION, 'half a commit'"
        self.lab.write("orders", plugin("orders", version, top=top))

    def commit(self, version: int, at: Path | None = None) -> None:
        self.write(version)
        self.git("add", "-A", at=at)
        self.git("commit", "-q", "-m", f"version {version}", at=at)

    def branches(self, *versions: int) -> None:
        """A branch `vN` for every version, each upon the one before; the first is checked out."""
        for version in versions:
            self.git("switch", "-q", "-c", f"v{version}")
            self.commit(version)
        self.git("switch", "-q", f"v{versions[0]}")

    def slow_down(self) -> None:
        """Checkouts take some 30 ms a file from now on."""
        self.lab.write("/.gitattributes", "*.py filter=slow\n")
        self.git("config", "filter.slow.smudge", "sleep 0.03; cat")
        self.git("config", "filter.slow.clean", "cat")


@pytest.fixture
def repository(lab: Lab) -> Repository:
    return Repository(lab, lab.root)


def live(lab: Lab, version: int) -> None:
    for name in ("users", "orders"):
        wait_until_live(lab, name, version)


def nothing_failed(lab: Lab) -> None:
    failed = [o for o in lab.running.journal.outcomes() if not o.success]
    assert not failed, [(o.changes, o.error, o.diagnostics) for o in failed]


@pytest.mark.parametrize("polling", [False, True], ids=["events", "polling"])
def test_a_switch_of_100_files_is_one_transaction(
    lab: Lab, repository: Repository, polling: bool
) -> None:
    lab.settings(f"watch:\n  force_polling: {str(polling).lower()}\n")
    repository.branches(1, 2, 3)
    lab.start(hot_reload=True)
    for version in (2, 3, 1):
        repository.git("switch", "-q", f"v{version}")
        live(lab, version)
    settle(lab)
    nothing_failed(lab)
    changed = [o for o in lab.running.journal.outcomes() if "users" in o.plugins]
    assert [len(o.changes) for o in changed] == [PARTS + 2] * 3
    assert all({"users", "orders"} <= set(o.reloaded) for o in changed)


@pytest.mark.parametrize("polling", [False, True], ids=["events", "polling"])
def test_a_slow_checkout_is_waited_for(lab: Lab, polling: bool) -> None:
    repository = Repository(lab, lab.root, SLOW_PARTS)
    lab.settings(f"watch:\n  force_polling: {str(polling).lower()}\n")
    repository.branches(1, 2)
    repository.slow_down()
    lab.start(hot_reload=True)
    for version in (2, 1):
        repository.git("switch", "-q", f"v{version}")
        live(lab, version)
    settle(lab)
    nothing_failed(lab)
    assert results_of(lab, "users") == ["reloaded"] * 2


def test_a_stash_and_its_pop_are_a_transaction_each(lab: Lab, repository: Repository) -> None:
    repository.branches(1)
    lab.start(hot_reload=True)
    repository.write(2)
    live(lab, 2)
    repository.git("stash", "-q")
    live(lab, 1)
    repository.git("stash", "pop", "-q")
    live(lab, 2)
    repository.git("checkout", "-q", "--", ".")
    live(lab, 1)
    repository.git("reset", "-q", "--hard", "HEAD")
    settle(lab)
    nothing_failed(lab)
    assert version_of(lab, "users") == 1


def test_a_rebase_with_commands_between_its_commits_is_one_step(
    lab: Lab, repository: Repository
) -> None:
    repository.branches(1, 2, 3)
    repository.git("switch", "-q", "-c", "other", "v1")
    lab.write("/notes.txt", "another commit to rebase onto")
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "notes")
    repository.git("switch", "-q", "v3")
    lab.start(hot_reload=True)
    repository.git("rebase", "-q", "-x", "git status", "-x", "true", "other")
    settle(lab)
    live(lab, 3)
    nothing_failed(lab)
    assert "notes" in repository.git("log", "--oneline")
    repository.git("switch", "-q", "--detach", "v1")
    live(lab, 1)
    repository.git("cherry-pick", "v2", "v3")
    live(lab, 3)
    settle(lab)
    nothing_failed(lab)


def test_an_editor_saves_while_git_switches(lab: Lab) -> None:
    repository = Repository(lab, lab.root, SLOW_PARTS)
    repository.branches(1, 2)
    repository.slow_down()
    lab.write("own", plugin("own", 100))
    lab.start(hot_reload=True)
    saves = iter(range(101, 400))
    save = as_editor(EDITORS["vim backupcopy=no"])
    saved = 100
    for version in (2, 1, 2):
        switching = _begin(repository, "switch", "-q", f"v{version}")
        for saved in saves:
            save(lab.path("own"), plugin("own", saved))
            if switching.poll() is not None or saved % 40 == 0:
                break
        assert switching.wait(30) == 0
        live(lab, version)
    wait_until_live(lab, "own", saved)
    settle(lab)
    nothing_failed(lab)


def _begin(repository: Repository, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["git", *words], cwd=repository.root, stderr=subprocess.DEVNULL)


def test_a_linked_worktree_has_its_own_lock(tmp_path: Path) -> None:
    main = Lab(tmp_path / "main")
    repository = Repository(main, main.root, SLOW_PARTS)
    repository.branches(1, 2)
    repository.slow_down()
    repository.git("worktree", "add", "-q", "-b", "side", tmp_path / "side", "v1")
    shutil.copy(main.root / ".gitattributes", tmp_path / "side")
    _switch_twice(Lab(tmp_path / "side"), repository)


def test_a_submodule_has_its_own_lock(tmp_path: Path) -> None:
    main = Lab(tmp_path / "main")
    repository = Repository(main, main.root, SLOW_PARTS)
    repository.branches(1, 2)
    around = Repository(Lab(tmp_path / "around"), tmp_path / "around")
    around.git("submodule", "--quiet", "add", main.root, "apps/shop")
    shop = Lab(around.root / "apps/shop")
    assert (shop.root / ".git").is_file()
    inner = Repository(shop, shop.root, SLOW_PARTS)
    inner.git("branch", "-q", "v2", "origin/v2")
    inner.slow_down()
    _switch_twice(shop, inner)


def _switch_twice(lab: Lab, repository: Repository) -> None:
    lab.start(hot_reload=True)
    try:
        for version in (2, 1):
            repository.git("checkout", "-q", "--detach", f"v{version}", at=lab.root)
            live(lab, version)
        settle(lab)
        nothing_failed(lab)
        assert results_of(lab, "users") == ["reloaded"] * 2
    finally:
        lab.stop()


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize("repository_at", ["", "plugins/users"], ids=["project", "plugin"])
def test_nothing_is_judged_while_the_lock_is_there(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, files: int, repository_at: str
) -> None:
    asked: queue.Queue[bool] = queue.Queue()

    def are_busy(
        self: Repositories, paths: Iterable[Path], ask: Any = Repositories.are_busy, **times: float
    ) -> bool:
        answer = bool(ask(self, paths, **times))
        asked.put(answer)
        return answer

    monkeypatch.setattr(Repositories, "are_busy", are_busy)
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    lock = lab.root / repository_at / ".git/index.lock"
    lock.parent.mkdir()
    lock.touch()
    lab.write("users", "def half(:\n")
    if files > 1:
        lab.write("users/models.py", "def half(:\n")
    for _ in range(20):  # a second, by the pauses between two looks
        assert asked.get(timeout=20)
    lab.write("users", plugin("users", 2))
    if files > 1:
        lab.write("users/models.py", "VALUE = 1\n")
    assert lab.running.journal.outcomes() == []
    lock.unlink()
    wait_until_live(lab, "users", 2)
    settle(lab)
    nothing_failed(lab)
    assert results_of(lab, "users") == ["reloaded"]


def test_a_lock_that_a_crash_left_behind_is_told_and_holds_nothing_up_for_ever(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories_module, "_QUIET_SECONDS", 0.3)
    lab.write("users", plugin("users", 1))
    (lab.root / ".git").mkdir()
    (lab.root / ".git/index.lock").touch()
    lab.start(hot_reload=True)
    told: list[str] = []

    def listen(event: FeedEvent, _outcome: Outcome | None) -> None:
        if event.kind == "notice":
            told.append(str(event.payload))

    lab.running.journal.listen(listen)
    for version in (2, 3, 4):
        lab.write("users", plugin("users", version))
        wait_until_live(lab, "users", version)
    wait_for(lambda: told, "the notice")
    assert len([t for t in told if "index.lock" in t]) == 1
    assert results_of(lab, "users") == ["reloaded"] * 3
