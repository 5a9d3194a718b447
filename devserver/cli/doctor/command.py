"""The command `sysctl doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document

if TYPE_CHECKING:
    from devserver.cli.findings import Finding
    from devserver.runtime.project import Project

_Check = tuple[str, Callable[[], "Iterable[Finding]"]]


@click.command(cls=Command, epilog=examples("doctor", "doctor --json"))
@pass_invocation
def doctor(invocation: Invocation) -> int:
    """Look for what is wrong with this project and this machine, and say what to do next.

    Works with and without a server; no plugin is executed. Exits with 1 when there are errors;
    warnings alone are no failure.
    """
    from devserver.cli.findings import draw_findings, errors_in, findings_document

    found = list(_examined(invocation.project()))
    if invocation.as_json:
        print_document(findings_document(found))
    else:
        draw_findings(found)
    return ExitCode.FAILED if errors_in(found) else ExitCode.OK


def _examined(project: Project) -> Iterator[Finding]:
    """What every check says; one that cannot be made says why."""
    from devserver.cli.findings import error
    from devserver.core.errors import DevServerError

    for name, check in _checks(project):
        try:
            yield from check()
        except DevServerError as problem:
            yield error(name, problem.message, problem.hint)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            place = f"{problem.filename}: " if problem.filename else ""
            yield error(name, f"{place}{reason}", "check that it is there and may be read")


def _checks(project: Project) -> Iterator[_Check]:
    from devserver.cli.doctor import database, files, machine, serving
    from devserver.core.settings import Settings
    from devserver.runtime.settings_file import read_settings

    settings = read_settings(project.root)[0] or Settings()

    yield "python", machine.python
    yield "packages", machine.packages
    yield "bytecode", machine.bytecode
    yield "disk", lambda: machine.disk(project)
    yield "settings", lambda: files.settings(project, settings)
    yield "plugins", lambda: files.plugins(project)
    yield "patterns", lambda: files.patterns(project, settings)
    yield "watch", lambda: machine.watch(project, settings.watch)
    yield "cache", lambda: files.cache(project)
    yield "instance", lambda: files.instance(project)
    yield "database", lambda: database.reachable(project)
    yield "migrations", lambda: database.migrations(project)
    yield "server", lambda: serving.server(project)
