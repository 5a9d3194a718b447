"""Killed at any step, a project is as before or as after, and leftovers vanish."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devserver.packages import switch, trees
from devserver.packages.offline import offline_packages
from devserver.packages.service import Packages
from devserver.packages.trees import files_of
from devserver.runtime.project import Project
from tests.integration.packages.zips import Entry, package, plugin_source

_STEPS = frozenset({"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"})
Deed = Callable[[Packages], Any]
OTHER = package(Entry("users/more.txt", b"more"), version="2.0.0")

DEEDS: dict[str, Deed] = {
    "upgrade": lambda packages: packages.install(OTHER),
    "downgrade": lambda packages: packages.load("users", "0.9"),
    "uninstall": lambda packages: packages.uninstall("users"),
    "new plugin": lambda packages: packages.install(package(name="orders")),
    "same version": lambda packages: packages.install(
        package(Entry("users/more.txt", b"more")), force=True
    ),
}


def run_and_die(project: Project, deed: Deed, at: int, *, exchange: bool) -> bool:
    """Runs in a child that is killed at its step number `at`; False when it had fewer."""
    child = os.fork()
    if child == 0:
        try:
            steps = 0

            def step() -> None:
                nonlocal steps
                steps += 1
                if steps == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            def counted(one: Path, other: Path) -> bool:
                step()
                done = real(one, other) if exchange else False
                step()
                return done

            with offline_packages(project) as packages:
                real = trees.exchange
                trees.exchange = switch.exchange = counted
                sys.addaudithook(lambda event, _: step() if event in _STEPS else None)
                deed(packages)
        except BaseException:
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def state(project: Project) -> dict[str, bytes]:
    """What stands in plugins/, leftovers and all."""
    return files_of(project.plugins)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions, to be copied; validation has tests of its own."""
    root = tmp_path_factory.mktemp("prepared")
    project = Project(root)
    project.plugins.mkdir()
    project.config_file.parent.mkdir()
    project.config_file.write_text("hot_loading: {reload: {validation: false}}\n")
    with offline_packages(project) as packages:
        packages.install(package(version="0.9"))
        packages.install(package())
    return root


def copied(prepared: Path, to: Path) -> Project:
    shutil.copytree(prepared, to)
    return Project(to)


@pytest.mark.parametrize(
    ("name", "exchange"),
    [
        *((name, True) for name in DEEDS),
        *((name, False) for name in DEEDS if name != "same version"),
    ],
)
def test_a_kill_leaves_the_old_or_the_new(
    prepared: Path, tmp_path: Path, name: str, exchange: bool
) -> None:
    done = copied(prepared, tmp_path / "done")
    before = state(done)
    assert not run_and_die(done, DEEDS[name], 10**9, exchange=exchange)
    after = state(done)
    assert after != before
    outcomes = set()
    for at in range(1, 10**6):
        project = copied(prepared, tmp_path / str(at))
        if not run_and_die(project, DEEDS[name], at, exchange=exchange):
            break
        with offline_packages(project) as packages:
            found = state(project)
            assert found in (before, after), at
            outcomes.add(found == after)
            if name != "same version":  # whose former content is on no shelf, and kept
                assert leftovers(project) == [], at
                if "users/plugin.py" in found:
                    assert packages.versions("users")["current"] is not None
            if found == before:
                assert DEEDS[name](packages).success
    assert outcomes == {False, True}


def leftovers(project: Project) -> list[str]:
    """What is unfinished, or kept although it is in a package."""
    shelf = project.instance / "packages"
    places = [*project.plugins.glob(".*"), *shelf.glob(".staging-*"), *shelf.glob(".kept/*")]
    return [p.name for p in places]


def killed_with_the_new_in_place(prepared: Path, to: Path) -> Project:
    project = copied(prepared, to)
    for at in range(1, 10**6):
        assert run_and_die(project, DEEDS["upgrade"], at, exchange=True)
        if b"2.0.0" in (project.plugins / "users" / "plugin.py").read_bytes():
            return project
        with offline_packages(project):
            pass
    raise AssertionError("it never was")


def test_what_was_saved_since_the_kill_stands_in_the_old_version(
    prepared: Path, tmp_path: Path
) -> None:
    project = killed_with_the_new_in_place(prepared, tmp_path / "project")
    edited = plugin_source(version="2.0.1")
    (project.plugins / "users" / "plugin.py").write_bytes(edited)
    (project.plugins / "users" / "scratch.bin").write_bytes(b"written by the plugin")
    told: list[str] = []
    with offline_packages(project, tell=told.append) as packages:
        assert packages.versions("users")["versions"] == ["0.9", "1.0.0"]
    assert files_of(project.plugins / "users") == {
        "manifest.json": b'{"name": "users", "version": "1.0.0"}', "plugin.py": edited,
    }  # fmt: skip
    (kept,) = (project.instance / "packages" / ".kept").iterdir()
    assert (kept / "scratch.bin").read_bytes() == b"written by the plugin"
    assert ["plugin.py" in told[0], str(kept) in told[1]] == [True, True]


def test_a_version_that_was_killed_while_it_was_installed_is_not_offered(
    prepared: Path, tmp_path: Path
) -> None:
    project = killed_with_the_new_in_place(prepared, tmp_path / "project")
    with offline_packages(project) as packages:
        assert packages.versions("users")["versions"] == ["0.9", "1.0.0"]


def test_a_kill_while_a_version_is_replaced_loses_neither_of_them(
    prepared: Path, tmp_path: Path
) -> None:
    for at in range(1, 10**6):
        project = copied(prepared, tmp_path / str(at))
        if not run_and_die(project, DEEDS["same version"], at, exchange=True):
            break
        with offline_packages(project):
            found = state(project)
            shelf = files_of(project.instance / "packages" / "users" / "1.0.0" / "plugin")
            assert found == {f"users/{p}": data for p, data in shelf.items()}, at
    assert at > 5
