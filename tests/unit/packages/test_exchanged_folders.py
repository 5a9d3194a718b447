"""A folder that another one takes the place of, as a switch between versions does."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.core.patterns import PathFilter
from devserver.packages.trees import exchange
from devserver.reload.tree import Tree


@pytest.mark.parametrize("one_folder", [False, True])
def test_a_watch_has_to_be_set_anew_for_it(tmp_path: Path, one_folder: bool) -> None:
    """Its path is the same, so that no list of folders tells of it."""
    for name in ("plugins/a/one.py", "plugins/.new/a/one.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    tree = Tree(tmp_path, PathFilter(["plugins/**/*.py"], ["**/.*"]))
    tree.take_as_known()
    folders = tree.folders
    tree.compare()
    assert not tree.exchanged
    assert exchange(tmp_path / "plugins/a", tmp_path / "plugins/.new/a")
    changed = tree.compare_folder("plugins/a") if one_folder else tree.compare()
    assert changed == {"plugins/a/one.py"}
    assert (tree.exchanged, tree.folders) == (True, folders)
    tree.exchanged = False
    tree.compare()
    assert not tree.exchanged
