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

_LOCK_SECONDS = 10.0
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


class IndexLock:
    """git's lock file, which is there while git writes many files.

    It is looked for in the repository that holds `project_root`. One that a crash left behind
    counts for ten seconds only.
    """

    def __init__(self, project_root: Path) -> None:
        self._path = _find_index_lock(project_root)
        self._seen: tuple[int, int] | None = None
        self._since = 0.0

    def is_held(self, now: float) -> bool:
        """True while git is at work; `now` is monotonic seconds."""
        try:
            found = self._path.stat()
        except OSError:
            self._seen = None
            return False
        identity = (found.st_ino, found.st_mtime_ns)
        if identity != self._seen:
            self._seen, self._since = identity, now
        return now - self._since < _LOCK_SECONDS


def _find_index_lock(project_root: Path) -> Path:
    for folder in (project_root, *project_root.parents):
        entry = folder / ".git"
        if entry.is_dir():
            return entry / "index.lock"
        if entry.is_file():  # a linked worktree or a submodule: `gitdir: PATH`
            text = entry.read_text(encoding="utf-8", errors="replace")
            return folder / text.partition(":")[2].strip() / "index.lock"
    return project_root / ".git" / "index.lock"
