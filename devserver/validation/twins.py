"""Two places on disk that stand for one plugin: the host uses the first alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from devserver.core.diagnostics import Diagnostic
from devserver.core.names import normalise
from devserver.validation.candidate import Candidate
from devserver.validation.findings import warning

TWIN = "STR019"
_ENTRIES = ("plugin.py", "__init__.py")


def twins_of(location: Path) -> list[str]:
    """Names of the files and folders beside a plugin's own that stand for the plugin too:
    `my-plugin` beside `my_plugin`, `users.py` beside `users`."""
    is_file = location.suffix == ".py"
    name = location.stem if is_file else location.name
    key = normalise(name)
    folder = str(location.parent)
    return [
        beside
        for spelling in sorted({name, key, key.replace("_", "-")})
        for beside in (spelling, f"{spelling}.py")
        if beside != location.name and _is_plugin(f"{folder}/{beside}")
    ]


def twin_findings(candidate: Candidate) -> Iterator[Diagnostic]:
    """Those of a plugin: which of two is used, and why."""
    source = candidate.source
    own = source.root / f"{source.name}.py" if source.single_file else source.root
    if not own.is_relative_to(source.base) or own.stem != source.name:
        return  # it stands outside of plugins/, where no name is shared
    shown = own.parent.relative_to(source.base).as_posix()
    for beside in twins_of(own):
        same = beside.endswith(".py") == source.single_file
        why = "the first by name counts" if same else "a folder comes before a file"
        yield warning(
            candidate,
            TWIN,
            f"{shown}/{beside} is the plugin {candidate.name!r} too, and is not used: "
            f"{shown}/{own.name} is: {why}",
            file=f"{shown}/{beside}",
            hint="rename one of them, or remove it; `-` and `_` are alike in names",
        )


def _is_plugin(place: str) -> bool:
    # Text, not Path: this asks the disk at every save, and most of the time nothing is there.
    if place.endswith(".py"):
        return os.path.lexists(place) and not os.path.isdir(place)
    return any(_is_plugin(f"{place}/{entry}") for entry in _ENTRIES)
