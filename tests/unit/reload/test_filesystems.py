"""What mounts and git's lock mean for watching."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.reload.filesystems import mount_without_events

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
