"""Runs the tests of a plugin with pytest, in a process of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document, print_line
from devserver.cli.watching import watch_project
from devserver.core.changes import ChangeBatch
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.core.names import normalise
from devserver.runtime.discovery import discover
from devserver.runtime.project import Project


class PluginTests:
    """The tests of one plugin; `arguments` go to pytest. With `as_json` its output goes to stderr
    and a document to stdout.

    Raises PluginNotFound, and DevServerError when there are none.
    """

    def __init__(
        self, project: Project, name: str, arguments: Sequence[str], *, as_json: bool
    ) -> None:
        self.project = project
        found = discover(project).get(normalise(name))
        if found is None:
            raise PluginNotFound(name)
        self._key = normalise(name)
        self._location = found
        self._arguments = arguments
        self._as_json = as_json

    def run(self) -> ExitCode:
        """Prints what pytest says. Raises DevServerError when there is nothing to run."""
        code, document = self._run()
        if self._as_json:
            print_document(document)
        return code

    def run_again(self, _batch: ChangeBatch | None = None) -> None:
        """As `run`, as one line."""
        _, document = self._run()
        if self._as_json:
            print_line(document)

    def _run(self) -> tuple[ExitCode, dict[str, object]]:
        places = self._places()
        with tempfile.TemporaryDirectory(prefix="devserver-") as folder:
            report = Path(folder) / "report.xml"
            command = [sys.executable, "-m", "pytest", *places, f"--junit-xml={report}"]
            done = subprocess.run(
                [*command, *self._arguments],
                cwd=self.project.root,
                env={**os.environ, "PYTHONPATH": self._path()},
                stdout=sys.stderr if self._as_json else None,
                check=False,
            )
            counts = _counts(report)
        code = ExitCode.OK if done.returncode == 0 else ExitCode.FAILED
        ok = code is ExitCode.OK
        return code, {"plugin": self._key, "success": ok, "tests": list(places), **counts}

    def _places(self) -> tuple[str, ...]:
        if importlib.util.find_spec("pytest") is None:
            raise DevServerError("pytest is not installed", hint="pip install pytest")
        root, location = self.project.root, self._location
        own = [] if location.suffix == ".py" else [location / "tests", *location.glob("test_*.py")]
        shared = [root / "tests" / f"test_{self._key}.py"]
        found = [p.relative_to(root).as_posix() for p in own + shared if p.exists()]
        if not found:
            first = own[0] / f"test_{self._key}.py" if own else shared[0]
            raise DevServerError(
                f"{location.name} has no tests",
                hint=f"write them into {first.relative_to(root).as_posix()}",
            )
        return tuple(found)

    def _path(self) -> str:
        """Tests import what they test as `plugins.NAME`."""
        given = os.environ.get("PYTHONPATH")
        return os.pathsep.join([str(self.project.root), *([given] if given else [])])


def watch_and_test(tests: PluginTests) -> ExitCode:
    """Runs the tests now and at every save, until a signal ends it."""
    run = tests.run_again
    return watch_project(tests.project, run, run, further=("tests/**/*.py",))


def _counts(report: Path) -> dict[str, int]:
    """How many tests ended how; all 0 where pytest did not come that far."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        suites = []
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for name in total:
            total[name] += int(suite.get(name, 0))
    failed = total["failures"] + total["errors"]
    passed = total["tests"] - failed - total["skipped"]
    return {"passed": passed, "failed": failed, "skipped": total["skipped"]}
