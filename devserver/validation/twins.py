"""Two places on disk that stand for one plugin: the host uses the first alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from devserver.core.diagnostics import Diagnostic
from devserver.validation.candidate import Candidate
from devserver.validation.findings import warning

_ENTRIES = ("plugin.py", "__init__.py")


def twin_findings(candidate: Candidate) -> Iterator[Diagnostic]:
    """`my-plugin/` beside `my_plugin/`, and `users.py` beside `users/`."""
    source = candidate.source
    folder = str(source.root if source.single_file else source.root.parent)
    own = f"{source.name}.py" if source.single_file else source.name
    for spelling in sorted({source.name, candidate.key, candidate.key.replace("_", "-")}):
        for name in (spelling, f"{spelling}.py"):
            if name == own or not _is_plugin(f"{folder}/{name}"):
                continue
            shown = Path(folder).relative_to(source.base).as_posix()
            yield warning(
                candidate,
                "STR019",
                f"{shown}/{name} is the plugin {candidate.key!r} too, and is not used: "
                f"{shown}/{own} is",
                file=f"{shown}/{name}",
                hint="rename one of them, or remove it; `-` and `_` are alike in names",
            )


def _is_plugin(place: str) -> bool:
    # Text, not Path: this asks the disk at every save, and most of the time nothing is there.
    if place.endswith(".py"):
        return os.path.isfile(place)
    return os.path.isdir(place) and any(os.path.isfile(f"{place}/{e}") for e in _ENTRIES)
