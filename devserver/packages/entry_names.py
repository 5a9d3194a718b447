"""What a file of a package may be called: the same on every system, and nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.packages.refusal import problem

LEADS_OUT = "PKG002"
NOT_PORTABLE = "PKG003"
COLLIDES = "PKG005"

_LONGEST_PART = 200
_LONGEST_PATH = 700
_DEEPEST = 24
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$)", re.I)
_FORBIDDEN = frozenset('<>"|?*')
_STEERING = ("..", "/", "\\", ":")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PORTABLE = "use letters, digits, '_', '-' and '.' in the names of files"


def shown(name: str) -> str:
    """A name as it may be printed: what steers or hides is written out."""
    printable = (
        c if c.isprintable() and unicodedata.category(c) not in _INVISIBLE else ascii(c)[1:-1]
        for c in name
    )
    return "".join(printable)[:200]


def problem_with_name(name: str) -> Diagnostic | None:
    """Why an entry may not have that name; None when it may. A folder's ends with `/`."""
    told = _way_out(name)
    if told is not None:
        hint = "pack the files by their paths below the plugin's folder"
        return problem(LEADS_OUT, f"{shown(name)!r} {told}", hint, file=shown(name))
    told = _oddity(name)
    if told is not None:
        return problem(NOT_PORTABLE, f"{shown(name)!r} {told}", _PORTABLE, file=shown(name))
    return None


def _way_out(name: str) -> str | None:
    """How a name may lead out of the folder that it is unpacked into, on any system."""
    if "\\" in name:
        return "has a backslash, which separates folders on Windows"
    if name.startswith("/"):
        return "is an absolute path"
    if ":" in name:
        return "has a colon: a drive, or a hidden stream of a file"
    parts = name.removesuffix("/").split("/")
    if ".." in parts:
        return "leads out of its folder"
    folded = unicodedata.normalize("NFKC", name)
    if any(folded.count(sign) != name.count(sign) for sign in _STEERING):
        return "has characters that some systems read as a path"
    return None


def _oddity(name: str) -> str | None:
    if not name:
        return "is empty"
    if unicodedata.normalize("NFKC", name) != name:
        return "is spelt with characters that stand for others (it is not NFKC)"
    odd = next((c for c in name if unicodedata.category(c) in _INVISIBLE), None)
    if odd is not None:
        return f"has the invisible character U+{ord(odd):04X}"
    if len(name.encode()) > _LONGEST_PATH or name.count("/") > _DEEPEST:
        return "is too long or too deep"
    return next(filter(None, map(_odd_part, name.removesuffix("/").split("/"))), None)


def _odd_part(part: str) -> str | None:
    if part in ("", "."):
        return "has an empty part"
    if len(part.encode()) > _LONGEST_PART:
        return "has a part that is too long"
    if part != part.strip() or part.endswith("."):
        return "has a part that begins or ends with a space, or ends with a dot"
    if _RESERVED.fullmatch(part.partition(".")[0].rstrip()):
        return "has a name that Windows keeps for a device"
    if any(c in _FORBIDDEN for c in part):
        return "has a character that is not allowed in file names everywhere"
    return None


def collisions(names: Iterable[str]) -> Iterator[Diagnostic]:
    """Names that stand for the same file somewhere, or for a file and a folder."""
    hint = "give every file one name that differs from the others in more than its case"
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    files: dict[str, str] = {}
    for name in names:
        path = name.removesuffix("/")
        folded = _folded(path)
        if folded in seen:
            twice = "is there twice" if seen[folded] == name else "is the same as"
            other = "" if seen[folded] == name else f" {shown(seen[folded])!r} on some systems"
            yield problem(COLLIDES, f"{shown(name)!r} {twice}{other}", hint, file=shown(name))
            continue
        seen[folded] = name
        (folders if name.endswith("/") else files)[folded] = path
        for parent in _parents(path):
            known = folders.setdefault(_folded(parent), parent)
            if known != parent:
                told = f"{shown(parent)!r} is the same as {shown(known)!r} on some systems"
                yield problem(COLLIDES, told, hint, file=shown(name))
    for folded in files.keys() & folders.keys():
        told = f"{shown(files[folded])!r} is a file and a folder"
        yield problem(COLLIDES, told, hint, file=shown(files[folded]))


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", path.casefold()).casefold()


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))
