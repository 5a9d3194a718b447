"""What the file system of a project means for watching it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

WITHOUT_EVENTS = frozenset(
    {
        "9p", "afs", "ceph", "cifs", "drvfs", "fuse.grpcfuse", "fuse.osxfs", "fuse.rclone",
        "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse", "lustre", "ncpfs", "nfs", "nfs4", "prl_fs",
        "smb3", "smbfs", "v9fs", "vboxsf", "virtiofs", "vmhgfs",
    }
)  # fmt: skip
"""Types of mounts whose changes, made elsewhere, raise no events here."""

_MOUNTS = Path("/proc/mounts")


def mount_without_events(folders: Iterable[str], mounts: str | None = None) -> str | None:
    """The type of the file system, when one of the (resolved) folders lies on one that raises no
    events; else None. `mounts` is the text of /proc/mounts, which is read when not given."""
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    known = [_parse_mount(line) for line in mounts.splitlines() if line.count(" ") >= 2]
    kinds = (_kind_of(folder, known) for folder in folders)
    return next((kind for kind in kinds if kind in WITHOUT_EVENTS), None)


def _parse_mount(line: str) -> tuple[str, str]:
    """Mount point and type; spaces and the like are written as octal escapes."""
    _, point, kind = line.split(" ")[:3]
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point), kind


def _kind_of(folder: str, mounts: list[tuple[str, str]]) -> str:
    """The type of the mount that holds a folder: the longest point, of equals the last."""
    best = ("", "")
    for point, kind in mounts:
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]
