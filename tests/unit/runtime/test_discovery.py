"""What belongs to a plugin's source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devserver.core.settings import WatchSettings
from devserver.core.source import PluginSource
from devserver.runtime.discovery import SourceUnreadable, discover, read_source
from devserver.runtime.project import Project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a plugin with nothing but its entry module."""
    folder = tmp_path / "plugins" / "users"
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text("x = 1\n")
    return folder


def read(folder: Path) -> PluginSource:
    source = read_source(Project(folder.parent.parent), folder)
    assert source is not None
    return source


def test_a_named_pipe_is_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    os.mkfifo(folder / "code.py")
    (folder / "link.json").symlink_to("pipe.txt")
    assert list(read(folder).files) == ["plugin.py"]


def test_a_named_pipe_in_the_place_of_a_single_file_plugin_is_named(folder: Path) -> None:
    pipe = folder.parent / "my-pipe.py"
    os.mkfifo(pipe)
    project = Project(folder.parent.parent)
    with pytest.raises(SourceUnreadable) as caught:
        read_source(project, discover(project)["my_pipe"])
    found = caught.value.diagnostic
    assert (found.plugin, found.file) == ("my-pipe", "plugins/my-pipe.py")
    assert found.message == "the file cannot be read: it is a named pipe"


def test_code_that_is_no_ordinary_file_is_noted_and_part_of_what_is_compared(folder: Path) -> None:
    before = read(folder)
    os.mkfifo(folder / "pipe.txt")
    assert read(folder).digest == before.digest
    os.mkfifo(folder / "models.py")
    (folder / "nowhere.py").symlink_to("away.py")
    source = read(folder)
    assert [(d.file, d.plugin) for d in source.unread] == [
        ("plugins/users/models.py", "users"),
        ("plugins/users/nowhere.py", "users"),
    ]
    assert source.digest != before.digest


def test_symlinks_that_lead_back_are_left_out(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "shared.py").write_text("y = 1\n")
    (outside / "back").symlink_to(folder)
    (outside / "again").symlink_to(outside)
    for name in "abc":
        (folder / name).symlink_to(".")
    (folder / "up").symlink_to(tmp_path)
    (folder / "itself").symlink_to("itself")
    (folder / "lib").symlink_to(outside)
    assert list(read(folder).files) == ["lib/shared.py", "plugin.py"]


def test_a_folder_that_two_symlinks_lead_to_is_read_under_both_names(
    folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "shared.py").write_text("y = 1\n")
    (folder / "one").symlink_to(outside)
    (folder / "two").symlink_to(outside)
    assert list(read(folder).files) == ["one/shared.py", "plugin.py", "two/shared.py"]


def test_large_data_is_no_part_of_the_source(folder: Path) -> None:
    with (folder / "film.bin").open("wb") as file:
        file.truncate(5_000_001)
    with (folder / "table.csv").open("wb") as file:
        file.truncate(5_000_000)
    assert list(read(folder).files) == ["plugin.py", "table.csv"]


def test_code_that_is_too_large_is_refused_by_name(folder: Path) -> None:
    with (folder / "models.py").open("wb") as file:
        file.truncate(25_000_000)
    with pytest.raises(SourceUnreadable) as caught:
        read(folder)
    found = caught.value.diagnostic
    assert (found.file, found.plugin) == ("plugins/users/models.py", "users")
    assert "25.0 MB" in found.message
    assert found.hint


@pytest.mark.parametrize("name", ["a.csv", "README.md", "b", "c.tmpl", "deep/er/d.xml", "e.lua"])
def test_whatever_lies_in_the_folder_belongs_to_it(folder: Path, name: str) -> None:
    before = read(folder).digest
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("1")
    source = read(folder)
    assert name in source.files
    assert source.digest != before


LEFT_BEHIND = (
    *(".hidden", "__pycache__/a.txt", "tests/test_a.py", "node_modules/a/b.js", ".git/config"),
    *("a.pyc", "plugin.py~", "plugin.py.swp", "plugin.py___jb_tmp___", "4913", "#plugin.py#"),
    *("plugin.py.tmp", "plugin.py.tmp.123.456", "users.db", "users.sqlite3-wal", "out.log"),
)


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_editors_and_running_plugins_leave_behind_does_not(folder: Path, name: str) -> None:
    before = read(folder).digest
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("1")
    assert read(folder).digest == before


@pytest.mark.parametrize("name", ["README.md", "notes.txt"])
def test_by_default_a_change_of_text_for_people_reloads_nothing(name: str) -> None:
    assert not WatchSettings().path_filter().accepts(f"plugins/users/{name}")


def closed(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Has folders refuse to be looked into, which they do not to the super-user."""
    scandir, access = os.scandir, os.access

    def look(place: str) -> object:
        if Path(place) in folders:
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    def may(place: Path, mode: int) -> bool:
        return Path(place) not in folders and access(place, mode)

    monkeypatch.setattr(os, "scandir", look)
    monkeypatch.setattr(os, "access", may)


def test_a_plugin_whose_folder_is_closed_is_found_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "plugin.py").unlink()
    closed(monkeypatch, folder)
    project = Project(folder.parent.parent)
    assert discover(project) == {"users": folder}
    with pytest.raises(SourceUnreadable) as caught:
        read_source(project, folder)
    found = caught.value.diagnostic
    assert (found.file, found.message) == ("plugins/users", "the folder cannot be read")
    assert found.hint


def test_a_closed_folder_of_a_plugin_is_noted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data").mkdir()
    closed(monkeypatch, folder / "data")
    source = read(folder)
    assert list(source.files) == ["plugin.py"]
    assert [d.file for d in source.unread] == ["plugins/users/data"]
