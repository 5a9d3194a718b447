"""What mounts and git's lock mean for watching."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.reload.filesystems import IndexLock, mount_without_events

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/export /home/dev nfs4 rw 0 0
/dev/sdb1 /home/dev/local ext4 rw 0 0
C:\\134 /mnt/c 9p rw 0 0
me@host: /media/my\\040disk fuse.sshfs rw 0 0
overlay / overlay rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/project/plugins", None),
        ("/home/dev", "nfs4"),
        ("/home/dev/project/plugins", "nfs4"),
        ("/home/developer/plugins", None),
        ("/home/dev/local/plugins", None),
        ("/mnt/c/project", "9p"),
        ("/media/my disk/plugins", "fuse.sshfs"),
    ],
)
def test_folder_on_a_mount_without_events_is_known_by_the_mounts_type(
    folder: str, kind: str | None
) -> None:
    assert mount_without_events([folder], MOUNTS) == kind


def test_one_folder_without_events_is_enough() -> None:
    assert mount_without_events(["/srv", "/mnt/c/x"], MOUNTS) == "9p"
    assert mount_without_events([], MOUNTS) is None


def test_this_machines_own_mounts_can_be_read(tmp_path: Path) -> None:
    assert mount_without_events([str(tmp_path)]) is None


def _repository(folder: Path) -> Path:
    (folder / ".git").mkdir(parents=True)
    return folder / ".git/index.lock"


def test_lock_is_held_while_the_file_is_there(tmp_path: Path) -> None:
    file = _repository(tmp_path)
    lock = IndexLock(tmp_path)
    assert not lock.is_held(1.0)
    file.touch()
    assert lock.is_held(2.0)
    file.unlink()
    assert not lock.is_held(3.0)


def test_lock_that_a_crash_left_behind_counts_for_ten_seconds(tmp_path: Path) -> None:
    file = _repository(tmp_path)
    file.touch()
    lock = IndexLock(tmp_path)
    assert lock.is_held(100.0)
    assert lock.is_held(109.9)
    assert not lock.is_held(110.0)
    assert not lock.is_held(5000.0)


def test_next_lock_counts_anew(tmp_path: Path) -> None:
    file = _repository(tmp_path)
    file.touch()
    lock = IndexLock(tmp_path)
    assert lock.is_held(100.0)
    file.unlink()
    assert not lock.is_held(150.0)
    file.touch()
    assert lock.is_held(200.0)


def test_lock_of_the_repository_around_the_project_counts(tmp_path: Path) -> None:
    _repository(tmp_path).touch()
    project = tmp_path / "apps/shop"
    project.mkdir(parents=True)
    assert IndexLock(project).is_held(1.0)


@pytest.mark.parametrize("absolute", [True, False])
def test_lock_of_a_linked_worktree_counts(tmp_path: Path, absolute: bool) -> None:
    folder = tmp_path / "main/.git/worktrees/side"
    folder.mkdir(parents=True)
    project = tmp_path / "side"
    project.mkdir()
    target = str(folder) if absolute else "../main/.git/worktrees/side"
    (project / ".git").write_text(f"gitdir: {target}\n")
    lock = IndexLock(project)
    assert not lock.is_held(1.0)
    (folder / "index.lock").touch()
    assert lock.is_held(2.0)
