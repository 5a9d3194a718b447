"""Files that are no ordinary ones, and edits that change none."""

from __future__ import annotations

import os
import shutil

from tests.integration.lab import Lab, plugin, wait_for


def test_mode_and_time_alone_change_nothing(lab: Lab) -> None:
    path = lab.write("users", plugin("users"))
    lab.start(hot_reload=True)
    generation = lab.generation("users")
    path.chmod(0o600)
    os.utime(path, (1, 1))
    path.touch()
    assert lab.running.changed(path) is None
    assert lab.generation("users") is generation
    assert lab.running.journal.outcomes(None, 5) == []


def test_a_plugin_turns_from_a_file_into_a_folder_and_back(lab: Lab) -> None:
    single = lab.root / "plugins" / "users.py"
    single.write_text(plugin("users"))
    lab.start(hot_reload=True)
    assert lab.json("/users/hit") == {"hits": 1}
    single.unlink()
    lab.write("users", plugin("users", 2))
    wait_for(lambda: lab.get("/users/version").json == {"version": 2, "greeting": "hello"})
    shutil.rmtree(lab.root / "plugins" / "users")
    single.write_text(plugin("users", 3))
    wait_for(lambda: lab.get("/users/version").json == {"version": 3, "greeting": "hello"})


def test_a_rename_that_changes_only_the_case_is_followed(lab: Lab) -> None:
    first = lab.root / "plugins" / "users.py"
    first.write_text(plugin("users"))
    lab.start(hot_reload=True)
    assert lab.json("/users/version")["version"] == 1
    first.rename(first.with_name("Users.py"))
    wait_for(
        lambda: any(r.name == "Users" for r in lab.running.registry.view.plugins.values()),
        "the plugin has its new spelling",
    )


def test_a_pipe_with_the_name_of_a_module_stops_nobody(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    os.mkfifo(lab.root / "plugins" / "users" / "pipe.py")
    os.mkfifo(lab.root / "plugins" / "alone.py")
    lab.start(hot_reload=True)
    os.mkfifo(lab.root / "plugins" / "users" / "later.py")
    lab.write("users", plugin("users", 2))
    wait_for(lambda: lab.json("/users/version")["version"] == 2, "the save is live")


def test_a_hard_link_and_a_link_that_is_mended_are_followed(lab: Lab) -> None:
    outside = lab.root.parent / "outside.py"
    lab.write("users", plugin("users", top="from .part import PART"))
    link = lab.root / "plugins" / "users" / "part.py"
    outside.write_text("PART = 1\n")
    os.link(outside, link)
    lab.start(hot_reload=True)
    link.unlink()
    link.symlink_to(lab.root.parent / "nowhere.py")
    assert lab.json("/users/version")["version"] == 1
    new = lab.root.parent / "new.py"
    new.write_text("PART = 2\n")
    link.unlink()
    link.symlink_to(new)
    wait_for(
        lambda: lab.generation("users").table.modules["plugins.users.part"].PART == 2,
        "what the link leads to is live",
    )


def test_folders_that_are_made_in_one_go_are_seen(lab: Lab) -> None:
    lab.write("users", plugin("users", top="VALUE = 1"))
    lab.start(hot_reload=True)
    deep = lab.root / "plugins" / "users" / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "leaf.py").write_text("VALUE = 7\n")
    lab.write("users", plugin("users", 2, top="from .a.b.c.leaf import VALUE"))
    wait_for(lambda: lab.json("/users/version")["version"] == 2, "the save is live")
    (deep / "leaf.py").write_text("VALUE = 8\n")
    wait_for(
        lambda: lab.generation("users").table.modules["plugins.users.plugin"].VALUE == 8,
        "a save deep down is live",
    )


def test_the_folder_of_all_plugins_vanishes_and_comes_back(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start(hot_reload=True)
    folder = lab.root / "plugins"
    away = lab.root / "away"
    folder.rename(away)
    wait_for(lambda: lab.get("/users/version").status_code == 404, "the plugin is gone")
    away.rename(folder)
    wait_for(lambda: lab.get("/users/version").status_code == 200, "it is back")
    lab.write("users", plugin("users", 2))
    wait_for(lambda: lab.json("/users/version")["version"] == 2, "it is watched again")
