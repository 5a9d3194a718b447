"""Validates plugins from their files, once or with every change."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from devserver import __version__
from devserver.assembly import OfflineProject
from devserver.cli.failures import ExitCode
from devserver.cli.frames import draw_frames
from devserver.cli.output import console_for, print_document, print_line
from devserver.cli.text import clean, count, few, one_line
from devserver.cli.watching import watch_project
from devserver.core.changes import ChangeBatch
from devserver.core.diagnostics import Severity
from devserver.core.names import normalise
from devserver.runtime.discovery import plugin_of
from devserver.runtime.project import Project
from devserver.validation.candidate import ValidationReport
from devserver.validation.github import to_commands
from devserver.validation.render import to_document
from devserver.validation.rules import FIXABLE
from devserver.validation.sarif import to_sarif

_FILES = 3


class Validation:
    """Validates `scope` (names in either spelling; None: every plugin) of a project, told in
    `form`: rich, json, github or sarif. Findings go to stdout, and words beside documents to
    stderr."""

    def __init__(
        self, project: Project, *, scope: Collection[str] | None, form: str = "rich"
    ) -> None:
        self.project = project
        self._form = form
        self._offline = OfflineProject(project)
        self._scope = None if scope is None else frozenset(map(normalise, scope))
        self._known = frozenset(self._offline.candidates())
        self._runs = itertools.count(1)
        self._console = console_for()

    def run_once(self) -> ExitCode:
        """Prints the findings. Raises PluginNotFound."""
        found = self._offline.validate(self._scope)
        self._tell(found)
        return _exit_code(found)

    def fix(self, *, only_show: bool) -> ExitCode:
        """Corrects what can be corrected without asking, or shows it as a diff, and prints what
        is left. Raises PluginNotFound."""
        fixed = self._offline.fixes(self._scope)
        files = [file for one in fixed for file in one.files]
        told = [fix for one in fixed for fix in one.fixes]
        late: list[str] = []
        if not only_show:
            late = [file.file for file in files if not file.write()]
        for name in late:
            print(f"warning: {name} has changed meanwhile and was left alone", file=sys.stderr)
        found = self._offline.validate(self._scope)
        diff = "".join(file.diff() for file in files)
        if self._form == "json":
            fixes = [{**f.diagnostic.to_json(), "done": f.note} for f in told]
            more = {"fixes": fixes, "written": not only_show, "diff": diff}
            print_document({**to_document(found), **more})
            return _exit_code(found)
        by_hand = self._form != "rich"
        to = sys.stderr if by_hand else sys.stdout
        if only_show and diff:
            print(clean(diff), end="", file=to)
        for fix in told:
            place, code = fix.diagnostic.location, fix.diagnostic.code
            word = "would fix" if only_show else "fixed"
            print(f"{word} {code} {one_line(place)}: {one_line(fix.note)}", file=to)
        self._tell(found)
        return _exit_code(found)

    def first_run(self) -> None:
        """The findings before anything changed. Raises PluginNotFound."""
        names = self._known if self._scope is None else self._scope
        self._show(self._offline.validate(names), names, changes=(), heading="")

    def run_again(self, batch: ChangeBatch) -> None:
        """Validates what a batch of changes touches; prints nothing when that is nothing."""
        before = self._known
        concerned = self._concerned(batch)
        gone = before - self._known
        if self._scope is not None:
            gone &= self._scope
        if not concerned and not gone:
            return
        changes = sorted(self.project.relative(p) for p in batch.paths)
        where = few(changes, _FILES) or "everything"
        heading = f"{datetime.now().astimezone():%H:%M:%S}  {where}"
        if gone:
            heading += f"  removed: {few(sorted(gone))}"
        found = self._offline.validate_known(concerned)
        self._show(found, concerned, changes=changes, heading=heading)

    def _concerned(self, batch: ChangeBatch) -> frozenset[str]:
        """Keys of the plugins that a batch may have changed, with all that depend on them; they
        alone are read again."""
        touched = {plugin_of(self.project, path) for path in batch.paths}
        shared = batch.complete or None in touched
        changed = {key for key in touched if key is not None}
        dependents = self._offline.dependents(changed)
        self._known = self._offline.update(changed, shared=shared)
        keys = changed | dependents | self._offline.dependents(changed)
        if shared:
            keys = set(self._known)
        if self._scope is not None:
            keys &= self._scope | self._offline.dependents(self._scope)
        return frozenset(keys & self._known)

    def _show(
        self,
        found: ValidationReport,
        names: frozenset[str],
        *,
        changes: Iterable[str],
        heading: str,
    ) -> None:
        if self._form == "json":
            run = {"run": next(self._runs), "time": round(time.time(), 3)}
            print_line(
                {**run, "changes": list(changes), "plugins": sorted(names), **to_document(found)}
            )
        elif self._form == "rich":
            if heading:
                self._console.print(Text(f"\n{heading}", style="dim"), soft_wrap=True)
            if names or found.diagnostics:
                self._draw(found, names)
        else:
            self._tell(found)

    def _tell(self, found: ValidationReport) -> None:
        if self._form == "json":
            print_document(to_document(found))
        elif self._form == "github":
            for line in to_commands(found, prefix=_prefix(self.project.root)):
                print(line, flush=True)
        elif self._form == "sarif":
            log = to_sarif(
                found,
                codes=self._offline.codes,
                root=self.project.root,
                version=__version__,
                ended=datetime.now(UTC),
                exit_code=_exit_code(found),
            )
            print_document(log)
        else:
            self._draw(found, self._known if self._scope is None else self._scope)

    def _draw(self, found: ValidationReport, names: Collection[str]) -> None:
        draw_frames(self._console, found.diagnostics, limit=None)
        self._console.print(_summary(found, names), soft_wrap=True)


def _exit_code(found: ValidationReport) -> ExitCode:
    return ExitCode.REFUSED if found.refused else ExitCode.OK


def _prefix(root: Path) -> str:
    """What leads from the repository that GitHub checked out to the project."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return ""
    try:
        below = root.resolve().relative_to(Path(workspace).resolve()).as_posix()
    except ValueError:
        return ""
    return "" if below == "." else f"{below}/"


def watch_and_validate(validation: Validation) -> ExitCode:
    """Validates now and after every change, until a signal ends it. Raises PluginNotFound."""
    return watch_project(validation.project, validation.first_run, validation.run_again)


def _summary(found: ValidationReport, names: Collection[str]) -> Text:
    by = {s: sum(d.severity is s for d in found.diagnostics) for s in Severity}
    plugins = next(iter(names)) if len(names) == 1 else count(len(names), "plugin")
    notes = [count(by[s], s.value) for s in (Severity.ERROR, Severity.WARNING) if by[s]]
    told = " and ".join(notes)
    fixable = sum(d.code in FIXABLE for d in found.diagnostics)
    if by[Severity.INFO]:
        told += (", " if told else "") + count(by[Severity.INFO], "info")
    if fixable:
        told += f" ({fixable} that --fix may correct)"
    if found.refused:
        head = ("✗ ", "red")
        text = f"{plugins}: {told}"
    else:
        head = ("✓ ", "green")
        text = f"{plugins}: valid" + (f", {told}" if told else "")
    return Text.assemble(head, text, (f"  {found.ms:.0f} ms", "dim"))
