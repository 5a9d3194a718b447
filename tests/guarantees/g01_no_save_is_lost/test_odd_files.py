"""Files that are no ordinary ones, and edits that change none."""

from __future__ import annotations

import os
import shutil

import pytest

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


def warnings_of(lab: Lab) -> list[str]:
    return [
        str(e.payload["message"])
        for e in lab.running.journal.events_after(0, 0)
        if e.kind == "notice" and e.payload["level"] == "warning"
    ]


def test_a_folder_beside_a_single_file_takes_its_place_and_that_is_told(lab: Lab) -> None:
    (lab.root / "plugins" / "users.py").write_text(plugin("users"))
    lab.start()
    outcome = lab.save(("users", plugin("users", 2)))
    assert outcome is not None
    assert lab.json("/users/version")["version"] == 2
    told = [d.message for d in outcome.diagnostics if d.code == "STR019"]
    assert len(told) == 1
    assert "plugins/users.py is the plugin 'users' too" in told[0]
    assert told[0].endswith("plugins/users is: a folder comes before a file")
    lab.stop()
    lab.start()
    assert lab.json("/users/version")["version"] == 2


@pytest.mark.parametrize("validation", ["true", "false"])
def test_a_single_file_beside_a_folder_is_told_once_and_not_used(lab: Lab, validation: str) -> None:
    lab.settings(f"reload:\n  validation: {validation}\n")
    lab.write("users", plugin("users"))
    lab.start()
    single = lab.write("users.py", plugin("users", 2))
    assert lab.running.changed(single) is None
    assert lab.json("/users/version")["version"] == 1
    told = warnings_of(lab)
    assert told == [
        "plugins/users.py is the plugin 'users' too, and is not used: "
        "plugins/users is: a folder comes before a file"
    ]
    assert lab.running.changed(single) is None
    assert warnings_of(lab) == told
    single.unlink()
    lab.running.changed(single)
    lab.write("users.py", plugin("users", 3))
    lab.running.changed(single)
    assert warnings_of(lab) == told * 2


def test_two_spellings_of_one_name_are_told(lab: Lab) -> None:
    lab.write("my_users", plugin("my_users"))
    lab.start()
    outcome = lab.save(("my-users", plugin("my_users", 2)))
    assert outcome is not None
    assert lab.json("/my_users/version")["version"] == 2
    (told,) = [d.message for d in outcome.diagnostics if d.code == "STR019"]
    assert told.startswith("plugins/my_users is the plugin 'my-users' too")


def test_the_spelling_of_the_folder_is_told_also_of_what_never_ran(lab: Lab) -> None:
    lab.write("-x", plugin("x"))
    lab.write("my-users", "def x(:")
    lab.start()
    told = {o.plugin: o for o in lab.running.journal.outcomes()}
    assert set(told) == {"-x", "my-users"}
    assert told["my-users"].plugins == ("my-users",)
    assert "Plugin my-users was not reloaded" in told["my-users"].message
    saved = lab.save(("your-users", "def x(:"))
    assert saved is not None
    assert saved.plugin == "your-users"


def test_the_spelling_of_the_folder_is_told_by_what_needs_it(lab: Lab) -> None:
    lab.write("my-users", plugin("my_users"))
    lab.write("orders", plugin("orders", top="from plugins.my_users.plugin import VERSION as V"))
    lab.start()
    lab.running.control.disable("my-users", force=True)
    outcome = lab.running.control.enable("orders")
    assert not outcome.success
    assert "plugin 'my-users' is disabled" in [d.message for d in outcome.diagnostics]


def test_the_spelling_of_the_folder_is_told_when_what_is_needed_did_not_start(lab: Lab) -> None:
    lab.write("my-users", plugin("my_users", body="def initialize(self): 1 / 0"))
    lab.write("or-ders", plugin("or_ders", top="from plugins.my_users.plugin import VERSION as V"))
    lab.start()
    (told,) = lab.running.registry.view.plugins["or_ders"].diagnostics
    assert told.message == "it needs 'my-users', which is not active"
    assert told.hint == "as soon as 'my-users' is loaded, 'or-ders' is tried again"


def test_the_spelling_of_the_folders_is_told_of_a_circle(lab: Lab) -> None:
    lab.write("my-users", plugin("my_users"))
    lab.write("or-ders", plugin("or_ders", top="from plugins.my_users.plugin import VERSION as V"))
    lab.start()
    outcome = lab.save(("my-users", plugin("my_users", 2, top="import plugins.or_ders.plugin")))
    assert outcome is not None
    (told,) = [d for d in outcome.diagnostics if d.code == "DEP005"]
    assert told.message == "dependency cycle: my-users → or-ders → my-users"
