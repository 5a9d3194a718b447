"""The watcher on a real disk: every way to save is told, whatever the system reports of it."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from devserver.core.changes import ChangeBatch
from devserver.core.settings import WatchSettings
from devserver.reload.watcher import Watcher
from tests.guarantees.g01_no_save_is_lost.watched import PATIENCE, Project


def test_save_is_told_with_its_absolute_path(project: Project, polling: bool) -> None:
    watcher = project.start(force_polling=polling)
    assert watcher.watching
    assert (watcher.mode == "polling") is polling
    project.write("plugins/users/plugin.py", "v1")
    batch = project.batches.get(timeout=PATIENCE)
    assert batch.paths == {project.root / "plugins/users/plugin.py"}
    assert not batch.complete


def test_every_one_of_several_saves_of_equal_size_is_told(project: Project, polling: bool) -> None:
    project.start(force_polling=polling)
    for version in range(1, 8):
        project.write("plugins/users/plugin.py", f"v{version}")
        assert "plugins/users/plugin.py" in project.next()


def test_atomic_replace_is_told_as_the_file_alone(project: Project, polling: bool) -> None:
    project.start(force_polling=polling)
    project.replace("plugins/users/plugin.py", "v1")
    assert project.next() == {"plugins/users/plugin.py"}


def test_save_the_way_vim_does_is_told_as_the_file_alone(project: Project) -> None:
    project.start()
    folder = project.root / "plugins/users"
    (folder / "4913").touch()
    (folder / "4913").unlink()
    (folder / "plugin.py").rename(folder / "plugin.py~")
    (folder / "plugin.py").write_text("v1")
    (folder / "plugin.py~").unlink()
    assert project.next() == {"plugins/users/plugin.py"}


def test_save_the_way_jetbrains_does_is_told_as_the_file_alone(project: Project) -> None:
    project.start()
    folder = project.root / "plugins/users"
    (folder / "plugin.py___jb_tmp___").write_text("v1")
    (folder / "plugin.py").rename(folder / "plugin.py___jb_old___")
    (folder / "plugin.py___jb_tmp___").rename(folder / "plugin.py")
    (folder / "plugin.py___jb_old___").unlink()
    assert project.next() == {"plugins/users/plugin.py"}


def test_new_folder_is_told_with_all_its_files(project: Project, polling: bool) -> None:
    project.start(force_polling=polling)
    project.write("plugins/orders/plugin.py")
    project.write("plugins/orders/deep/er/models.py")
    project.wait_for("plugins/orders/plugin.py", "plugins/orders/deep/er/models.py")
    project.write("plugins/orders/deep/er/models.py", "another text")
    project.wait_for("plugins/orders/deep/er/models.py")


def test_folder_that_is_moved_in_and_out_is_told_by_its_files(
    project: Project, polling: bool
) -> None:
    project.write("elsewhere/orders/plugin.py")
    project.write("elsewhere/orders/deep/models.py")
    files = {"plugins/orders/plugin.py", "plugins/orders/deep/models.py"}
    project.start(force_polling=polling)
    os.rename(project.root / "elsewhere/orders", project.root / "plugins/orders")
    assert project.wait_for(*files) == files
    project.write("plugins/orders/deep/models.py", "another text")
    project.wait_for("plugins/orders/deep/models.py")
    os.rename(project.root / "plugins/orders", project.root / "elsewhere/orders")
    assert project.wait_for(*files) == files


def test_deleted_folder_is_told_by_its_files(project: Project, polling: bool) -> None:
    project.start(force_polling=polling)
    shutil.rmtree(project.root / "plugins/users")
    expected = {"plugins/users/plugin.py", "plugins/users/models.py"}
    assert project.wait_for(*expected) == expected


def test_200_files_at_once_are_one_batch(project: Project) -> None:
    paths = [f"plugins/p{n % 20}/m{n}.py" for n in range(200)]
    for path in paths:
        project.write(path)
        project.write(f"new/{path}", "another text")
    project.start()
    for path in paths:
        os.replace(project.root / "new" / path, project.root / path)
    assert project.next() == set(paths)


def test_burst_on_one_file_gives_few_batches_and_the_last_comes_after_the_last_save(
    project: Project,
) -> None:
    seen: list[str] = []
    done = threading.Event()
    file = project.root / "plugins/users/plugin.py"

    def read(_: ChangeBatch) -> None:
        seen.append(file.read_text())
        if seen[-1] == "save 149":
            done.set()

    project.watcher = Watcher(project.root, WatchSettings(), read, lambda *_: None)
    project.watcher.start()
    for save in range(150):
        project.write("plugins/users/plugin.py", f"save {save}")
    assert done.wait(PATIENCE)
    assert len(seen) < 15


def test_watched_folder_that_is_made_after_the_start_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path)
    watcher = project.start()
    try:
        project.write("plugins/users/plugin.py")
        project.wait_for("plugins/users/plugin.py")
        project.write("plugins/users/plugin.py", "another text")
        project.wait_for("plugins/users/plugin.py")
        project.write("config/hot-loading.yaml")
        project.wait_for("config/hot-loading.yaml")
    finally:
        watcher.stop()


def test_watched_folder_that_is_replaced_as_a_whole_is_told(project: Project) -> None:
    project.start()
    project.write("new/users/plugin.py", "v1")
    os.rename(project.root / "plugins", project.root / "old")
    os.rename(project.root / "new", project.root / "plugins")
    project.wait_for("plugins/users/plugin.py", "plugins/users/models.py")
    project.write("plugins/users/plugin.py", "v2")
    assert project.next() == {"plugins/users/plugin.py"}


def test_what_is_ignored_or_matches_nothing_is_not_told(project: Project, polling: bool) -> None:
    project.start(force_polling=polling)
    project.write("plugins/users/__pycache__/plugin.cpython-311.pyc")
    project.write("plugins/users/__pycache__/odd.py")
    project.write("plugins/users/.plugin.py.swp")
    project.write("plugins/.git/hooks/x.py")
    project.write("plugins/users/notes.txt")
    project.write("node_modules/x.py")
    project.write("README.md")
    assert project.told_until("plugins/users/plugin.py") == set()


def test_settings_file_is_watched_when_nothing_else_is(project: Project) -> None:
    watcher = project.start(enabled=False)
    assert not watcher.watching
    project.write("plugins/users/plugin.py", "v1")
    project.write("config/main.yaml")
    assert project.told_until("config/hot-loading.yaml") == set()


def test_pattern_without_a_fixed_folder_reaches_the_root_but_no_environment(
    project: Project,
) -> None:
    project.start(patterns=("*.py",))
    project.write("venv/lib/x.py")
    project.write("instance/x.py")
    project.write(".venv/x.py")
    project.write("top.py")
    project.write("tools/deep/x.py")
    assert project.wait_for("top.py", "tools/deep/x.py") == {"top.py", "tools/deep/x.py"}
    project.write("tools/deep/x.py", "another text")
    project.wait_for("tools/deep/x.py")


def test_name_that_is_no_text_does_not_end_the_events(project: Project) -> None:
    watcher = project.start()
    folder = os.fsencode(project.root / "plugins/users")
    with open(folder + b"/\xff.py", "w") as file:
        file.write("1")
    assert project.told_until("plugins/users/plugin.py") == set()
    assert watcher.mode != "polling"
    project.write("plugins/users/models.py", "v1")
    assert project.next() == {"plugins/users/models.py"}


def test_new_patterns_apply_and_what_newly_counts_is_told(project: Project) -> None:
    project.write("plugins/users/notes.txt")
    watcher = project.start()
    watcher.apply(WatchSettings(patterns=("plugins/**/*.txt", "extra/*.py")))
    assert project.wait_for("plugins/users/notes.txt") == {"plugins/users/notes.txt"}
    project.write("plugins/users/plugin.py", "v1")
    project.write("extra/tool.py")
    assert project.wait_for("extra/tool.py") == {"extra/tool.py"}


def test_switch_between_events_and_polling_loses_no_save(project: Project) -> None:
    watcher = project.start()
    for version in range(1, 7):
        watcher.apply(WatchSettings(force_polling=version % 2 == 1))
        project.write("plugins/users/plugin.py", f"v{version}")
        assert project.wait_for("plugins/users/plugin.py")
        assert (watcher.mode == "polling") is (version % 2 == 1)
    assert project.problems.empty()


def test_watching_can_be_switched_off_and_on_and_what_was_saved_meanwhile_is_told(
    project: Project,
) -> None:
    watcher = project.start()
    watcher.apply(WatchSettings(enabled=False))
    assert project.told_until("config/hot-loading.yaml") == set()
    assert not watcher.watching
    project.write("plugins/users/plugin.py", "v1")
    watcher.apply(WatchSettings())
    project.wait_for("plugins/users/plugin.py")
    assert watcher.watching


def test_long_debounce_does_not_delay_the_stop(project: Project) -> None:
    watcher = project.start(debounce_ms=10_000)
    project.write("plugins/users/plugin.py", "v1")
    watcher.stop()
    assert not watcher.watching
    assert project.batches.empty()


def test_watcher_can_be_stopped_by_who_receives_a_batch(project: Project) -> None:
    stopped = threading.Event()

    def stop(_: ChangeBatch) -> None:
        assert project.watcher is not None
        project.watcher.stop()
        stopped.set()

    project.watcher = Watcher(project.root, WatchSettings(), stop, lambda *_: None)
    project.watcher.start()
    project.write("plugins/users/plugin.py", "v1")
    assert stopped.wait(PATIENCE)
