"""What the files of a plugin tell, without running any of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devserver.assembly import OfflineProject
from devserver.cli.debugging.assignments import MERGED, Assignments, persistent_names
from devserver.cli.findings import Finding, error, ok, told, warning
from devserver.cli.text import count, few
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise
from devserver.core.settings import Settings
from devserver.reload.coverage import missed_files
from devserver.runtime.discovery import discover
from devserver.runtime.project import Project
from devserver.runtime.settings_file import read_settings
from devserver.sdk.plugin import OWN_ATTRIBUTES
from devserver.validation.ancestry import Lineage, lineage
from devserver.validation.entry import find_entry
from devserver.validation.hooks import ARGUMENTS
from devserver.validation.lookup import Lookup

STATE_METHODS = {
    "get_persistent_state": "gives state beyond the attributes",
    "restore_persistent_state": "takes it",
    "migrate_state": "changes kept attributes for the new code",
    "active_connections": "gives connections that are not registered",
    "restore_connections": "takes them",
    "adopt_connection": "takes registered connections",
    "on_unload": "is called on the way out",
    "shutdown": "is called last",
}
"""Methods that have to do with state, and what for."""
_PAIRS = {
    "get_persistent_state": "restore_persistent_state",
    "active_connections": "restore_connections",
}


class PluginOnDisk:
    """A plugin as its files are now. Raises PluginNotFound."""

    def __init__(self, project: Project, name: str) -> None:
        self._project = project
        self.key = normalise(name)
        offline = OfflineProject(project)
        known = offline.candidates()
        candidate = known.get(self.key)
        if candidate is None and self.key not in discover(project):
            raise PluginNotFound(name)
        self.name = name if candidate is None else candidate.name
        # One that cannot be read is among the findings on all, and is no plugin by itself.
        report = offline.validate(None if candidate is None else [name])
        names = (None, self.name, self.key)
        self.found = [d for d in report.diagnostics if d.plugin in names]
        self._source = None if candidate is None else candidate.source
        self._modules = {} if candidate is None else candidate.modules
        self._package = f"plugins.{self.key}"
        lookup = Lookup(known)
        self._entry = None if candidate is None else find_entry(candidate, lookup).found
        self._line: Lineage | None = None if self._entry is None else lineage(lookup, *self._entry)

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the files, and whether saves of them are noticed."""
        yield from told("files", self.found)
        if self._source is None:
            return
        if not any(d.is_error for d in self.found):
            number = count(len(self._source.files), "file")
            yield ok("files", f"{number} in {self._source.location} can be loaded")
        settings = read_settings(self._project.root)[0] or Settings()
        missed = missed_files(self._project, settings.watch.path_filter())
        own = sorted(set(missed) & set(map(self._source.project_path, self._source.files)))
        if own:
            hint = "correct watch.patterns and watch.ignore in config/hot-loading.yaml"
            yield warning("files", f"saves of these go unnoticed: {few(own)}", hint)

    def methods(self) -> list[dict[str, Any]]:
        """Each of STATE_METHODS: `{name, purpose, line, problem}`; `line` is None where the class
        has none of its own, `problem` what does not fit about it."""
        rows = []
        for name, purpose in STATE_METHODS.items():
            where = None if self._line is None else self._line.method(name)
            line = None if where is None else where[1].span.line
            wrong = [
                d.message for d in self.found
                if where is not None and d.file == where[0].file and d.line == line
            ]  # fmt: skip
            place = None if where is None else f"{where[0].file}:{line}"
            problem = wrong[0] if wrong else None
            rows.append({"name": name, "purpose": purpose, "place": place, "problem": problem})
        return rows

    def method_findings(self) -> Iterator[Finding]:
        """What of the methods for state does not fit, or is there alone."""
        rows = {row["name"]: row for row in self.methods()}
        if self._line is None:
            if any(d.is_error for d in self.found):
                return  # told with the files
            hint = "the class is made where the source does not tell which it is"
            yield warning("methods", "what makes the plugin cannot be seen from its files", hint)
            return
        for name, row in rows.items():
            if row["problem"]:
                hint = f"write `def {name}({', '.join(('self', *ARGUMENTS.get(name, ())))})`"
                yield error("methods", row["problem"], hint)
        for one, other in (*_PAIRS.items(), *((b, a) for a, b in _PAIRS.items())):
            if rows[one]["place"] and not rows[other]["place"] and not self._has(other):
                told_alone = f"{one}() is there and {other}() is not: it has no effect"
                yield warning("methods", told_alone, f"write {other}(), or remove {one}()")
        there = [name for name, row in rows.items() if row["place"]]
        yield ok("methods", f"for state it has {few(there, 8) or 'none, and needs none'}")

    def _has(self, name: str) -> bool:
        """Also as an attribute or a property."""
        return self._line is not None and self._line.attribute(name) is not None

    def attributes(self) -> list[dict[str, Any]]:
        """What the class assigns on its instance and what PERSISTENT names, as far as the source
        tells: `{name, type, fate, why}`, in the shape that the server has for what runs."""
        if self._entry is None:
            return []
        analysis, cls = self._entry
        own = Assignments(self._content(analysis.file), cls.name)
        names = {a.name for a in cls.initial} | cls.assigned
        rows = [
            {"name": name, "type": own.made_by.get(name, ""), **own.fate(name)}
            for name in sorted(names - OWN_ATTRIBUTES, key=lambda n: (n.startswith("_"), n))
        ]
        for module, found in sorted(self._modules.items()):
            label = module[len(self._package) + 1 :] or self.name
            rows += [
                {"name": f"{label}:{name}", "type": "", "fate": "kept or merged", "why": MERGED}
                for name in persistent_names(self._content(found.file))
            ]
        return rows

    def _content(self, file: str) -> bytes:
        source = self._source
        files = {} if source is None else source.files
        for relative, found in files.items():
            if source is not None and source.project_path(relative) == file:
                return found.content
        return b""
