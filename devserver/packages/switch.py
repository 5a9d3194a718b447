"""Puts a version in the place of a plugin's folder, so that a kill at any moment leaves either
the old or the new."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devserver.packages.edits import Saves, carry, edited_files
from devserver.packages.shelf import Shelf
from devserver.packages.trees import (
    digest_of_digests,
    digest_of_folder,
    digests_of_folder,
    exchange,
    files_of,
    move,
    remove,
    sync,
    write_file,
    write_tree,
)

UNDECIDED, DECIDED, DONE = ".switch-", ".decided-", ".done-"
"""How far a change is, as its folder's name begins: an undecided one is undone, a decided one is
brought to its end, and what is done may be half deleted."""
_INTENT = "intent.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a switch is about: names in plugins/, None for nothing, the SHA-256 of each file of the
    new content, and the digest of the old one, `before`. A `version` that is not on the shelf
    yet comes there from the folder `staged` when the change is decided."""

    place: str
    old: str | None
    files: Mapping[str, str] | None
    before: str | None = None
    version: str | None = None
    staged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a change leaves that is in no package: `saved` are files that the user saved while it
    was tried and that stand in the plugin's folder, `kept` the places of what was moved aside."""

    name: str
    saved: tuple[str, ...] = ()
    kept: tuple[Path, ...] = field(default=())

    def told(self) -> tuple[str, ...]:
        """A sentence for each."""
        names = ", ".join(self.saved)
        saved = (
            f"what was saved meanwhile stands in plugins/{self.name} and counts as a save of its"
            f" own: {names}",
        )
        kept = tuple(f"what stood there is kept in {place}" for place in self.kept)
        return (*(saved if self.saved else ()), *kept)


class Switch:
    """A change of plugins/NAME. It is prepared in a folder of plugins/ whose name begins with a
    dot: neither the watcher nor discovery look there, and it is on the same file system.

    `put` and `put_back` may follow each other any number of times; `commit` or `undo` is the
    end. Everything raises OSError.
    """

    def __init__(self, folder: Path, intent: Intent) -> None:
        self._folder = folder
        self._intent = intent
        self._place = folder.parent / intent.place
        self._old_place = None if intent.old is None else folder.parent / intent.old
        self._digest = None if intent.files is None else digest_of_digests(intent.files)

    @property
    def _new(self) -> Path:
        return self._folder / "new"

    @property
    def _old(self) -> Path:
        return self._folder / "old"

    @classmethod
    def prepare(
        cls,
        plugins: Path,
        place: str,
        *,
        old: Path | None,
        new: Path | None,
        version: str | None = None,
    ) -> Switch:
        """Copies `new` (None: nothing is to stand there) beside the plugins; `old` is what stands
        there now. With `version` the content is staged, and comes to the shelf as that."""
        plugins.mkdir(exist_ok=True)
        folder = plugins / f"{UNDECIDED}{secrets.token_hex(8)}"
        intent = Intent(
            place=place,
            old=None if old is None else old.name,
            files=None if new is None else digests_of_folder(new),
            before=None if old is None else digest_of_folder(old),
            version=version,
            staged=None if new is None or version is None else new.parent.name,
        )
        folder.mkdir(mode=0o700)
        try:
            if new is not None:
                write_tree(folder / "new", files_of(new))
            write_file(folder / _INTENT, json.dumps(asdict(intent)).encode())
            sync(plugins)
        except BaseException:  # raised again; Ctrl-C leaves nothing behind either
            _discard(folder)
            raise
        return cls(folder, intent)

    def put(self) -> None:
        """The new content stands in its place."""
        if _is_there(self._new):
            if self._is_in_place() and _is_there(self._place):
                if exchange(self._place, self._new):
                    move(self._new, self._old)
                    return
                move(self._place, self._old)
            move(self._new, self._place)
        goes = self._digest is None or not self._is_in_place()
        if goes and self._old_place is not None and _is_there(self._old_place):
            move(self._old_place, self._old)

    def put_back(self) -> None:
        """The old content stands in its place again."""
        comes = self._digest is not None and not _is_there(self._new)
        if comes and _is_there(self._place):
            same = self._is_in_place() and _is_there(self._old)
            if same and exchange(self._place, self._old):
                move(self._old, self._new)
                return
            move(self._place, self._new)
        if self._old_place is not None and _is_there(self._old):
            move(self._old, self._old_place)

    def commit(self, shelf: Shelf) -> Left:
        """The end, after `put`: from now on the version is installed. What stood there before
        and is in no package is moved aside."""
        if not self._folder.name.startswith(DECIDED):
            self._folder = _renamed(self._folder, DECIDED)
        name, version, staged = self._intent.place, self._intent.version, self._intent.staged
        if version is not None and staged is not None:
            shelf.admit(staged, name, version, str(self._digest))
        kept: tuple[Path, ...] = ()
        if _is_there(self._old) and not self._is_in_a_package(self._old, shelf):
            kept = (shelf.keep(self._old, name),)
        _discard(self._folder)
        return Left(name=name, kept=kept)

    def undo(self, shelf: Shelf, is_save: Saves) -> Left:
        """The other end, at whatever step: everything is as before, but for what was saved into
        the new content meanwhile, which is a save of the plugin that stands there."""
        self._end_half_an_exchange()
        self.put_back()
        left = Left(name=self._intent.place)
        if _is_there(self._new) and not self._holds(self._new):
            left = self._leave_edits(shelf, is_save)
        _discard(self._folder)
        return left

    def _end_half_an_exchange(self) -> None:
        """Killed right behind one, a content is where the other was."""
        if self._digest is None:
            return
        new, old = _is_there(self._new), _is_there(self._old)
        if new and not old and not self._holds(self._new):
            if self._was(self._new) or self._holds(self._place):
                move(self._new, self._old)
        elif old and not new and (self._was(self._place) or self._holds(self._old)):
            move(self._old, self._new)

    def _leave_edits(self, shelf: Shelf, is_save: Saves) -> Left:
        name, kept = self._intent.place, []
        edits = edited_files(self._new, self._intent.files or {})
        saved: list[str] = []
        if self._place.is_dir() and not self._place.is_symlink():
            saved = [path for path in edits if is_save(f"{name}/{path}")]
            replaced = carry(saved, self._new, self._place, name, shelf)
            kept = [] if replaced is None else [replaced]
        if len(saved) < len(edits):
            kept.append(shelf.keep_copies(self._new, [*files_of(self._new)], name))
        return Left(name=name, saved=tuple(saved), kept=tuple(kept))

    def _is_in_place(self) -> bool:
        """Whether old and new have the same name."""
        return self._old_place == self._place

    def _is_in_a_package(self, path: Path, shelf: Shelf) -> bool:
        return self._holds(path) or shelf.holding(self._intent.place, path) is not None

    def _was(self, path: Path) -> bool:
        """Whether what stood there before the change stands at `path`."""
        known = _is_there(path) and digest_of_folder(path)
        return known not in (False, self._digest) and known == self._intent.before

    def _holds(self, path: Path) -> bool:
        return _is_there(path) and digest_of_folder(path) == self._digest


def recover(plugins: Path, shelf: Shelf, is_save: Saves) -> list[Left]:
    """Ends what killed processes left. Hold the lock of the shelf."""
    left: list[Left] = []
    for folder in sorted(plugins.glob(f"{UNDECIDED}*")):
        intent = _read_intent(folder)
        if intent is None:  # killed while it was prepared: nothing has been moved
            _discard(folder)
        else:
            left.append(Switch(folder, intent).undo(shelf, is_save))
    for folder in plugins.glob(f"{DECIDED}*"):
        intent = _read_intent(folder)
        if intent is not None:
            left.append(Switch(folder, intent).commit(shelf))
    for folder in plugins.glob(f"{DONE}*"):
        remove(folder)
    shelf.clean()
    return left


def _read_intent(folder: Path) -> Intent | None:
    try:
        return Intent(**json.loads((folder / _INTENT).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _renamed(folder: Path, beginning: str) -> Path:
    """The folder, as far as the beginning says."""
    found = folder.with_name(beginning + folder.name.rpartition("-")[2])
    move(folder, found)
    return found


def _discard(folder: Path) -> None:
    """Nothing in it matters from now on, in one step; then it goes."""
    remove(_renamed(folder, DONE))


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()
