"""What a user saved into a package's content while that was tried, and then was taken back."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from devserver.packages.shelf import Shelf
from devserver.packages.trees import contents_of_file, digests_of_folder

Saves = Callable[[str], bool]
"""True for a path below plugins/ that is watched: a change of it is a save."""


def edited_files(edited: Path, package: Mapping[str, str]) -> list[str]:
    """The files of a folder that differ from the package that it was: changed, new, or gone.
    `package` has their SHA-256."""
    there = digests_of_folder(edited)
    return [p for p in sorted(there.keys() | package.keys()) if there.get(p) != package.get(p)]


def carry(paths: list[str], edited: Path, place: Path, name: str, shelf: Shelf) -> Path | None:
    """Makes these files in `place` what they are in `edited`; what they replace there and no
    package has is kept aside, and its place given. Doing it again changes nothing more.

    Raises OSError; nothing of `edited` is touched.
    """
    changed = [p for p in paths if _content(place / p) != _content(edited / p)]
    lost = [p for p in changed if os.path.lexists(place / p)]
    kept = None
    if lost and shelf.holding(name, place) is None:
        kept = shelf.keep_copies(place, lost, name)
    for path in changed:
        _put(edited / path, place / path)
    return kept


def _content(path: Path) -> bytes | None:
    return contents_of_file(path) if os.path.lexists(path) else None


def _put(source: Path, target: Path) -> None:
    """In one step, as careful editors save."""
    if not os.path.lexists(source):
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    try:
        shutil.copy2(source, beside, follow_symlinks=False)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
