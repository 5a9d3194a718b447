"""Folders as wholes: written, compared, swapped and taken away."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_LEFT_OUT = "__pycache__"
_AT_CWD, _EXCHANGE = -100, 2
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_NEW |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_NOT_KNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder by relative path, bytecode left out; what is no regular file counts
    as the bytes that say what it is. Empty for a folder that is not there."""
    return dict(_walk(folder, ""))


def _walk(folder: Path, below: str) -> Iterator[tuple[str, bytes]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if entry.name != _LEFT_OUT:
                yield from _walk(Path(entry.path), f"{path}/")
        else:
            yield path, contents_of_file(Path(entry.path))


def contents_of_file(path: Path) -> bytes:
    """Its bytes; those that say what it is where it is no regular file."""
    if path.is_symlink():
        return b"link to " + os.fsencode(os.readlink(path))
    return path.read_bytes() if path.is_file() else b"special file"


def digest_of(files: Mapping[str, bytes]) -> str:
    """One SHA-256 for the files of a folder."""
    return digest_of_digests(digests_of(files))


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file."""
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def digests_of_folder(folder: Path) -> dict[str, str]:
    """The same for a folder on disk."""
    return digests_of(files_of(folder))


def digest_of_digests(digests: Mapping[str, str]) -> str:
    """What `digest_of` gives for the files themselves."""
    lines = (f"{path}\0{digest}" for path, digest in sorted(digests.items()))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def digest_of_folder(folder: Path) -> str:
    """The same for a folder on disk; that of a link to one is another."""
    if folder.is_symlink():
        return digest_of({"": b"link to " + os.fsencode(os.readlink(folder))})
    if folder.is_file():
        return digest_of({folder.name: folder.read_bytes()})
    return digest_of(files_of(folder))


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    """Makes a folder with these files, all of it on the disk when it returns. The paths have
    been judged; nothing that is there is written over or followed."""
    folder.mkdir(mode=0o755)
    made = {folder}
    for relative, data in files.items():
        path = folder / relative
        for parent in reversed(path.relative_to(folder).parents[:-1]):
            if folder / parent not in made:
                (folder / parent).mkdir(mode=0o755)
                made.add(folder / parent)
        with os.fdopen(os.open(path, _NEW, 0o644), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for made_folder in made:
        sync(made_folder)


def write_file(path: Path, data: bytes) -> None:
    """Writes a new file, all of it on the disk when it returns."""
    with os.fdopen(os.open(path, _NEW, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def sync(folder: Path) -> None:
    """Has the names in a folder on the disk."""
    if sys.platform == "win32":
        return  # folders cannot be opened there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move(source: Path, target: Path) -> None:
    """Renames, durably; `target` must not be there. Raises OSError."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)
    sync(target.parent)
    if source.parent != target.parent:
        sync(source.parent)


def exchange(one: Path, other: Path) -> bool:
    """Has two places change their content in one step; False where the system cannot. Raises
    OSError."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    paths = os.fsencode(one), os.fsencode(other)
    if rename(_AT_CWD, paths[0], _AT_CWD, paths[1], _EXCHANGE) == 0:
        sync(one.parent)
        sync(other.parent)
        return True
    number = ctypes.get_errno()
    if number in _NOT_KNOWN:
        return False
    raise OSError(number, os.strerror(number), str(one))


def swap(one: Path, other: Path) -> None:
    """As `exchange`, in three steps where the system cannot do it in one."""
    if not exchange(one, other):
        between = one.with_name(f"{one.name}.between")
        move(other, between)
        move(one, other)
        move(between, one)


def remove(path: Path) -> None:
    """Takes away a folder, a file or a link, whatever is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
