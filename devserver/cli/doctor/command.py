"""The command `sysctl doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document
from devserver.cli.text import count

if TYPE_CHECKING:
    from devserver.cli.doctor.findings import Finding
    from devserver.runtime.project import Project

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}
_Check = tuple[str, Callable[[], "Iterable[Finding]"]]


@click.command(cls=Command, epilog=examples("doctor", "doctor --json"))
@pass_invocation
def doctor(invocation: Invocation) -> int:
    """Look for what is wrong with this project and this machine, and say what to do next.

    Works with and without a server; no plugin is executed. Exits with 1 when there are errors;
    warnings alone are no failure.
    """
    found = list(_examined(invocation.project()))
    levels = [str(f.level) for f in found]
    errors, warnings = levels.count("error"), levels.count("warning")
    if invocation.as_json:
        checks = [f.to_json() for f in found]
        print_document({"ok": not errors, "errors": errors, "warnings": warnings, "checks": checks})
    else:
        _draw(found, errors, warnings)
    return ExitCode.FAILED if errors else ExitCode.OK


def _examined(project: Project) -> Iterator[Finding]:
    """What every check says; one that cannot be made says why."""
    from devserver.cli.doctor.findings import error
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


def _draw(found: list[Finding], errors: int, warnings: int) -> None:
    from devserver.cli.tables import draw_heading

    width = max(len(f.check) for f in found)
    for one in found:
        sign, style = _SIGNS[one.level]
        draw_heading((sign, style), f" {one.check:<{width}}  {one.message}")
        if one.hint:
            draw_heading((f"{'':<{width + 4}}→ {one.hint}", "dim"))
    if errors or warnings:
        draw_heading(f"{count(errors, 'error')}, {count(warnings, 'warning')}")
    else:
        draw_heading(("nothing is wrong", "green"))
