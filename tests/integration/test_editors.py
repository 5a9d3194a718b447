"""Saves as editors make them, seen through the real watcher."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.lab import Lab, plugin, wait_for


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def truncate_then_write(path: Path, text: str) -> None:
    """nano, and many a script: the file is empty for a moment."""
    with path.open("w") as file:
        file.flush()
        os.fsync(file.fileno())
        file.write(text)


def atomic(path: Path, text: str) -> None:
    """VS Code extensions, formatters: a new file is renamed over the old one."""
    new = path.with_name(f"{path.name}.tmp.1234")
    new.write_text(text)
    os.replace(new, path)


def vim(path: Path, text: str) -> None:
    """A probe file, the old file renamed to a backup, a new one, the backup deleted."""
    probe = path.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_text(text)
    backup.unlink()


def vim_copying(path: Path, text: str) -> None:
    """backupcopy=yes: the backup is a copy, the file is overwritten; a swap file beside it."""
    swap = path.with_name(f".{path.name}.swp")
    swap.write_text("swap")
    backup = path.with_name(path.name + "~")
    shutil.copy2(path, backup)
    path.write_text(text)
    backup.unlink()
    swap.unlink()


def emacs(path: Path, text: str) -> None:
    """A lock link, an auto-save file, the old file renamed to a backup that stays."""
    lock = path.with_name(f".#{path.name}")
    lock.symlink_to("user@host.1:2")
    auto = path.with_name(f"#{path.name}#")
    auto.write_text(text)
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_text(text)
    auto.unlink()
    lock.unlink()


def jetbrains(path: Path, text: str) -> None:
    """Safe write: a new file, the old one out of the way, the new one in, the old one gone."""
    new = path.with_name(path.name + "___jb_tmp___")
    old = path.with_name(path.name + "___jb_old___")
    new.write_text(text)
    path.rename(old)
    new.rename(path)
    old.unlink()


def delete_and_create(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def recreated_folder(path: Path, text: str) -> None:
    """What a checkout may do: the whole folder goes and comes back."""
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text(text)


SAVES = [
    in_place,
    truncate_then_write,
    atomic,
    vim,
    vim_copying,
    emacs,
    jetbrains,
    delete_and_create,
    recreated_folder,
]


@pytest.mark.parametrize("save", SAVES, ids=lambda s: s.__name__)
def test_a_save_goes_live_once(lab: Lab, save: Callable[[Path, str], None]) -> None:
    lab.write("users", plugin("users", 1))
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION as V"))
    lab.start(hot_reload=True)
    lab.json("/users/hit")
    for version in range(2, 6):  # of equal size, far within a second
        save(lab.path("users"), plugin("users", version))
        wait_for(lambda v=version: lab.json("/users/version")["version"] == v, f"version {version}")
    assert lab.json("/users/hit") == {"hits": 2}
    assert lab.generation("orders").number == lab.generation("users").number
    results = [str(o.result) for o in lab.running.journal.outcomes()]
    assert set(results) == {"reloaded"}, results


@pytest.mark.parametrize("save", SAVES, ids=lambda s: s.__name__)
def test_of_several_quick_saves_the_last_runs(lab: Lab, save: Callable[[Path, str], None]) -> None:
    lab.write("users", plugin("users", 100))
    lab.start(hot_reload=True)
    for version in range(101, 121):
        save(lab.path("users"), plugin("users", version))
    wait_for(lambda: lab.json("/users/version")["version"] == 120, "the last version")


def test_200_files_changed_at_once_are_one_batch(lab: Lab) -> None:
    lab.write("users", plugin("users", top="from . import part_000"))
    for n in range(200):
        lab.write(f"users/part_{n:03}.py", "VALUE = 1\n")
    lab.start(hot_reload=True)
    for n in range(200):
        lab.write(f"users/part_{n:03}.py", "VALUE = 2\n")
    wait_for(lambda: lab.running.journal.outcomes(), "the outcome")
    wait_for(lambda: lab.running.queue.take(0) is None)
    (outcome,) = lab.running.journal.outcomes()
    assert len(outcome.changes) == 200
    assert lab.generation("users").number == 2


def test_a_folder_that_appears_and_vanishes_while_it_runs(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start(hot_reload=True)
    staged = lab.root / "new"
    (staged / "deep").mkdir(parents=True)
    (staged / "deep" / "part.py").write_text("VALUE = 5\n")
    (staged / "plugin.py").write_text(plugin("fresh", 5, top="from .deep.part import VALUE"))
    staged.rename(lab.root / "plugins" / "fresh")
    wait_for(lambda: lab.get("/fresh/version").status_code == 200, "the new plugin")
    shutil.rmtree(lab.root / "plugins" / "fresh")
    wait_for(lambda: lab.get("/fresh/version").status_code == 404, "its end")
    assert lab.json("/users/version")["version"] == 1


def test_a_symlinked_plugin_is_watched(lab: Lab) -> None:
    elsewhere = lab.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plugin.py").write_text(plugin("linked", 1))
    (lab.root / "plugins" / "linked").symlink_to(elsewhere)
    lab.start(hot_reload=True)
    atomic(elsewhere / "plugin.py", plugin("linked", 2))
    wait_for(lambda: lab.json("/linked/version")["version"] == 2, "the edit")
