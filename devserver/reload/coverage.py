"""Which files of plugins no pattern watches."""

from __future__ import annotations

from devserver.core.patterns import PathFilter
from devserver.runtime.discovery import SourceUnreadable, discover, read_source
from devserver.runtime.project import Project


def missed_files(project: Project, accepts: PathFilter) -> list[str]:
    """Files that plugins in plugins/ are made of and whose saves go unnoticed, relative to the
    project. Plugins that cannot be read are left out."""
    missed: list[str] = []
    for location in discover(project).values():
        try:
            source = read_source(project, location)
        except SourceUnreadable:
            continue
        names = () if source is None else map(source.project_path, source.files)
        missed += [name for name in names if not accepts.accepts(name)]
    return sorted(missed)
