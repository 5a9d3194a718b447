"""Saves as editors and other programs make them, seen through the real watcher."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.guarantees.g01_no_save_is_lost.saving import (
    EDITORS,
    PROGRAMS,
    Save,
    as_editor,
    results_of,
    run,
    settle,
    version_of,
    wait_until_live,
)
from tests.integration.lab import Lab, plugin, wait_for

SAVES: dict[str, Save] = {name: as_editor(steps) for name, steps in EDITORS.items()}
SOME = ("in place", "vim backupcopy=no", "JetBrains safe write", "rsync")


def edit(lab: Lab, save: Save, versions: range) -> None:
    """Saves each version when the one before is live; every save is one reload, none fails."""
    for version in versions:  # of equal size, far within a second
        save(lab.path("users"), plugin("users", version))
        wait_until_live(lab, "users", version)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"] * len(versions)
    assert version_of(lab, "users") == versions[-1]
    assert {o.plugin for o in lab.running.journal.outcomes() if not o.success} == set()
    assert not [p for p in lab.running.registry.view.plugins if p not in {"users", "orders"}
                and not p.startswith("settled")]  # fmt: skip


@pytest.mark.parametrize("editor", EDITORS)
def test_every_save_of_an_editor_is_one_reload(lab: Lab, editor: str) -> None:
    lab.write("users", plugin("users", 1))
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION as V"))
    lab.start(hot_reload=True)
    lab.json("/users/hit")
    edit(lab, SAVES[editor], range(2, 5))
    assert lab.json("/users/hit") == {"hits": 2}
    assert lab.generation("orders").number == lab.generation("users").number


@pytest.mark.parametrize(
    "editor", ["in place", "vim backupcopy=no", "JetBrains safe write", "rsync"]
)
def test_every_save_of_an_editor_is_one_reload_without_events(lab: Lab, editor: str) -> None:
    lab.settings("watch:\n  force_polling: true\n")
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    edit(lab, SAVES[editor], range(2, 4))


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_save_of_a_real_program_is_one_reload(lab: Lab, program: str) -> None:
    if shutil.which(program.partition(" ")[0]) is None:
        pytest.skip(f"{program} is not installed")
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    edit(lab, PROGRAMS[program], range(2, 5))


def test_a_single_file_plugin_is_saved_by_an_editor_too(lab: Lab) -> None:
    path = lab.write("users.py", plugin("users", 1))
    lab.start(hot_reload=True)
    for version, editor in enumerate(("vim backupcopy=no", "emacs", "JetBrains safe write"), 2):
        SAVES[editor](path, plugin("users", version))
        wait_until_live(lab, "users", version)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"] * 3
    keys = set(lab.running.registry.view.plugins)
    assert {k for k in keys if not k.startswith("settled")} == {"users"}


def test_a_formatter_after_the_save_ends_with_the_formatted_text(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    lab.write("users", plugin("users", 2).replace("VERSION = ", "VERSION    =   "))
    run(sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "-q", lab.path("users"))
    settle(lab)
    assert version_of(lab, "users") == 2
    assert "VERSION = 2" in lab.path("users").read_text()
    text = lab.path("users").read_bytes()
    files = lab.generation("users").source.files.values()
    assert [f.content for f in files if f.path.name == "plugin.py"] == [text]
    assert set(results_of(lab, "users")) == {"reloaded"}


@pytest.mark.parametrize("editor", [*SOME, "emacs", "delete and create"])
def test_of_50_rapid_saves_the_last_runs_and_none_fails(lab: Lab, editor: str) -> None:
    lab.write("users", plugin("users", 100))
    lab.start(hot_reload=True)
    for version in range(101, 151):
        SAVES[editor](lab.path("users"), plugin("users", version))
    wait_until_live(lab, "users", 150)
    settle(lab)
    assert version_of(lab, "users") == 150
    assert set(results_of(lab, "users")) == {"reloaded"}


def test_two_editors_at_once_on_two_plugins(lab: Lab) -> None:
    names = ("users", "orders")
    for name in names:
        lab.write(name, plugin(name, 100))
    lab.start(hot_reload=True)
    for version in range(101, 121):
        SAVES["vim backupcopy=no"](lab.path("users"), plugin("users", version))
        SAVES["emacs"](lab.path("orders"), plugin("orders", version))
    for name in names:
        wait_until_live(lab, name, 120)
    settle(lab)
    for name in names:
        assert set(results_of(lab, name)) == {"reloaded"}
        assert version_of(lab, name) == 120


JUNK = [
    ".plugin.py.swp", "plugin.py~", "#plugin.py#", "4913", "plugin.py___jb_tmp___",
    "plugin.py___jb_old___", ".goutputstream-XY12", "plugin.py.orig", "plugin.py.rej",
    "plugin.py.bak", ".plugin.py.a1B2c3", "sedAb12Cd", "plugin.py.XyZabc", ".nfs0000012",
]  # fmt: skip


def test_files_that_editors_leave_behind_lead_to_nothing(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    for name in JUNK:
        (lab.path("users").with_name(name)).write_text("no )( Python")
        (lab.root / "plugins" / name).write_text("no )( Python")
    (lab.path("users").with_name(".#plugin.py")).symlink_to("user@host.1:2")
    settle(lab)
    assert results_of(lab, "users") == []
    assert all(o.success for o in lab.running.journal.outcomes())


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


def test_a_folder_that_goes_and_comes_back_is_one_reload(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    folder = lab.path("users").parent
    for version in range(2, 5):
        shutil.rmtree(folder)
        lab.write("users", plugin("users", version))
        wait_until_live(lab, "users", version)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"] * 3


def test_a_symlinked_plugin_is_watched(lab: Lab) -> None:
    elsewhere = lab.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plugin.py").write_text(plugin("linked", 1))
    (lab.root / "plugins" / "linked").symlink_to(elsewhere)
    lab.start(hot_reload=True)
    new = elsewhere / "new"
    new.write_text(plugin("linked", 2))
    os.replace(new, Path(elsewhere, "plugin.py"))
    wait_until_live(lab, "linked", 2)
