"""Finding changes by comparison."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devserver.core.patterns import PathFilter
from devserver.reload.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name in ("plugins/a/one.py", "plugins/a/two.py", "plugins/b/one.py", "plugins/b/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    tree = Tree(tmp_path, PathFilter(["plugins/**/*.py", "extra/*.py"], ["**/.*"]))
    tree.take_as_known()
    return tree


def _save(tmp_path: Path, name: str, text: str, mtime_ns: int) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    os.utime(tmp_path / name, ns=(mtime_ns, mtime_ns))


def test_nothing_differs_while_nothing_changes(tree: Tree) -> None:
    assert tree.compare() == set()
    assert not tree.has_moved()


def test_new_changed_and_deleted_files_differ_until_they_are_noted(
    tree: Tree, tmp_path: Path
) -> None:
    _save(tmp_path, "plugins/a/one.py", "next", 5)
    _save(tmp_path, "plugins/new/one.py", "text", 5)
    (tmp_path / "plugins/b/one.py").unlink()
    changed = {"plugins/a/one.py", "plugins/b/one.py", "plugins/new/one.py"}
    assert tree.compare() == changed
    assert tree.compare() == changed
    tree.note(changed)
    assert tree.compare() == set()


def test_same_size_and_time_of_another_file_differ(tree: Tree, tmp_path: Path) -> None:
    before = (tmp_path / "plugins/a/one.py").stat()
    _save(tmp_path, "plugins/a/new", "next", before.st_mtime_ns)
    os.replace(tmp_path / "plugins/a/new", tmp_path / "plugins/a/one.py")
    assert tree.compare() == {"plugins/a/one.py"}


def test_one_folder_is_compared_without_the_others(tree: Tree, tmp_path: Path) -> None:
    _save(tmp_path, "plugins/a/one.py", "next", 5)
    _save(tmp_path, "plugins/b/one.py", "next", 5)
    assert tree.compare_folder("plugins/b") == {"plugins/b/one.py"}
    assert tree.compare_folder("plugins/gone") == set()


def test_real_path_is_known_by_the_folder_it_lies_in(tree: Tree, tmp_path: Path) -> None:
    real = os.path.realpath(tmp_path)
    assert tree.spellings(f"{real}/plugins/a/one.py") == ["plugins/a/one.py"]
    assert tree.spellings(f"{real}/plugins/a") == ["plugins/a", "plugins/a"]
    assert tree.spellings(f"{real}/elsewhere/one.py") == []


def test_folder_where_a_pattern_begins_moves_when_it_appears_or_is_another(
    tree: Tree, tmp_path: Path
) -> None:
    (tmp_path / "extra").mkdir()
    assert tree.has_moved()
    tree.compare()
    assert not tree.has_moved()
    (tmp_path / "plugins").rename(tmp_path / "old")
    assert tree.has_moved()
    (tmp_path / "plugins").mkdir()
    assert tree.has_moved()


def test_save_of_a_moment_ago_is_not_trusted_without_events(tree: Tree, tmp_path: Path) -> None:
    soon = time.time_ns() + 15_000_000
    _save(tmp_path, "plugins/a/one.py", "next", soon)
    tree.note(["plugins/a/one.py"], doubt_fresh=True)
    assert tree.compare() == {"plugins/a/one.py"}
    os.utime(tmp_path / "plugins/a/one.py", ns=(5, 5))
    tree.note(["plugins/a/one.py"], doubt_fresh=True)
    assert tree.compare() == set()


def test_file_system_that_knows_whole_seconds_only_is_compared_by_content(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_stat = os.stat

    def coarse_stat(path: str | Path) -> os.stat_result:
        found = real_stat(path)
        times = {"st_mtime_ns": 7_000_000_000, "st_ctime_ns": 7_000_000_000}
        return os.stat_result(tuple(found), {**{n: getattr(found, n) for n in times}, **times})

    monkeypatch.setattr("devserver.reload.tree.os.stat", coarse_stat)
    tree.note(["plugins/a/one.py"])
    before = tree._known["plugins/a/one.py"]
    (tmp_path / "plugins/a/one.py").write_text("next")
    tree.note(["plugins/a/one.py"])
    assert tree._known["plugins/a/one.py"] != before


def test_files_that_newly_count_differ(tree: Tree) -> None:
    tree.adopt(PathFilter(["plugins/**/*.{py,txt}"]))
    assert tree.compare() == {"plugins/b/x.txt"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_read_is_left_out(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "plugins/b").chmod(0)
    try:
        assert tree.compare() == {"plugins/b/one.py"}
        assert os.path.realpath(tmp_path / "plugins/b") not in tree.folders
    finally:
        (tmp_path / "plugins/b").chmod(0o700)
