"""`sysctl plugins install` and its relatives: plugins that come as ZIP archives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode, RequestFailed, report_error
from devserver.cli.instances import all_instances_options, tell_report
from devserver.cli.text import count, few, one_line
from devserver.core.errors import DevServerError

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient
    from devserver.cli.connection import Answer
    from devserver.packages.done import Done
    from devserver.packages.service import Packages
    from devserver.runtime.project import Project

_MOST_FILES = 12


@click.command(
    cls=Command,
    epilog=examples("plugins install users-1.2.0.zip", "plugins install users-1.2.0.zip --yes"),
)
@click.argument(
    "file", metavar="FILE.zip", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Keep what was edited aside, and go on.")
@click.option(
    "--install-requirements", is_flag=True, help="Install wheels that requirements.txt names."
)
@all_instances_options
@pass_invocation
def install(
    invocation: Invocation,
    *,
    file: Path,
    yes: bool,
    force: bool,
    install_requirements: bool,
    all_instances: bool,
    policy: str,
) -> int:
    """Install a plugin from a ZIP archive, or another version of it.

    Shows first what would change. Exits with 5 when the archive is refused, with 6 when it did
    not go live; nothing is changed in both cases. Works without a server.
    """
    project = invocation.project()
    allowed = _query(force=force, install_requirements=install_requirements)
    with _refusals(invocation) as code, _offline(project) as packages:
        content = _content_of(file, packages.limits.max_bytes)
        preview = packages.preview(content).to_json()
        if not yes:
            _show_preview(preview)
            packages.refuse(content, force=force, install_requirements=install_requirements)
            _ask(preview)
        if all_instances:
            return _install_on_all(invocation, content, {**allowed, "policy": policy})
        client = _find(project)
        if client is None:
            done = packages.install(
                content, force=force, install_requirements=install_requirements, trigger="cli"
            )
            return _told(done, invocation)
        path, accept = "/admin/plugins/install", frozenset({409, 422})
        answer = client.send_file(path, content, query=allowed, accept=accept)
        return _told_by_server(answer, invocation)
    return code()


def _install_on_all(invocation: Invocation, content: bytes, asked: dict[str, str]) -> int:
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    query = {"all_instances": "true", **asked}
    accept = frozenset({409, 422})
    answer = client.send_file("/admin/plugins/install", content, query=query, accept=accept)
    if "converged" not in answer.document:
        return _told_by_server(answer, invocation)
    return tell_report(invocation, answer.document)


@click.command(cls=Command, epilog=examples("plugins uninstall users"))
@plugin_argument
@click.option("--force", is_flag=True, help="Keep what was edited aside, and go on.")
@pass_invocation
def uninstall(invocation: Invocation, *, name: str, force: bool) -> int:
    """Take a plugin that came in packages away, with all its versions. Works without a server."""
    project = invocation.project()
    with _refusals(invocation) as code:
        client = _find(project)
        if client is None:
            with _offline(project) as packages:
                return _told(packages.uninstall(name, force=force, trigger="cli"), invocation)
        path = f"/admin/plugins/{_checked(name)}/uninstall"
        return _asked(client, path, name, None, invocation, force=force)
    return code()


def load_version(invocation: Invocation, name: str, version: str, *, force: bool) -> int:
    """Makes an installed version live; the exit code."""
    project = invocation.project()
    with _refusals(invocation) as code:
        client = _find(project)
        if client is None:
            with _offline(project) as packages:
                done = packages.load(name, version, force=force, trigger="cli")
                return _told(done, invocation)
        path = f"/admin/plugins/{_checked(name)}/load"
        return _asked(client, path, name, {"version": version}, invocation, force=force)
    return code()


def load_from(invocation: Invocation, name: str, *, path: Path | None, from_package: bool) -> int:
    """Has the running server serve a plugin that stands elsewhere; the exit code."""
    from devserver.cli.client import ServerClient

    body = {"from_package": True} if from_package else {"path": str(Path(path or ".").absolute())}
    with _refusals(invocation) as code:
        client = ServerClient.get(invocation.project())
        address = f"/admin/plugins/{_checked(name)}/load"
        return _asked(client, address, name, body, invocation, force=False)
    return code()


def _asked(
    client: ServerClient,
    path: str,
    name: str,
    body: dict[str, Any] | None,
    invocation: Invocation,
    *,
    force: bool,
) -> int:
    accept = frozenset({409, 422})
    query = _query(force=force)
    answer = client.call("POST", path, query=query, body=body, accept=accept, plugin=name)
    return _told_by_server(answer, invocation)


def _told_by_server(answer: Answer, invocation: Invocation) -> int:
    document = answer.document
    if "outcome" not in document:
        message, hint = str(document.get("error")), document.get("hint")
        raise RequestFailed(message, hint=hint, status=answer.status, document=document)
    return _show(document, document["outcome"], invocation)


def _told(done: Done, invocation: Invocation) -> int:
    return _show(done.to_json(), done.outcome.to_json(), invocation)


def _show(document: dict[str, Any], outcome: dict[str, Any], invocation: Invocation) -> int:
    from devserver.cli.answers import exit_code, show_outcome

    if invocation.as_json:
        invocation.print(document)
    elif not outcome["success"]:
        show_outcome(outcome, invocation)
    else:
        before = document["previous"]
        instead = f" (instead of {before})" if before not in (None, document["version"]) else ""
        named = f"{document['name']} {document['version']}".strip()
        print(f"{one_line(named)} {document['status']}{instead}: {one_line(outcome['message'])}")
        for found in document["warnings"]:
            if found["severity"] == "warning":
                told = f"{found['code']} {found['file'] or ''}: {found['message']}"
                print(f"warning: {one_line(told)}")
    if not invocation.as_json:
        for note in document["notes"]:
            print(f"note: {one_line(note)}")
    return exit_code([outcome])


def _show_preview(preview: dict[str, Any]) -> None:
    """What would change, on stderr: stdout is for what was done."""
    before = preview["installed"]
    if preview["edited"]:
        before = " with ".join(filter(None, (preview["stands"], "content of its own")))
    _say(f"{preview['name']} {preview['version']}" + (f", instead of {before}" if before else ""))
    signs = (("added", "+"), ("changed", "~"), ("removed", "-"))
    for kind, sign in signs:
        names = preview["files"][kind]
        if names:
            shown = few(names, _MOST_FILES)
            _say(f"  {sign} {count(len(names), 'file')} {kind}: {shown}")
    asked, new = preview["permissions"], preview["new_permissions"]
    _say(f"  permissions: {few(asked) or 'none'}" + (f" (new: {few(new)})" if new else ""))
    for one in preview["requirements"]:
        _say(f"  requires {one['requirement']}: {one['problem'] or 'installed'}")


def _ask(preview: dict[str, Any]) -> None:
    """Raises click.UsageError where nobody can answer, DevServerError for a no."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: --yes installs it")
    question = f"Install {preview['name']} {preview['version']}?"
    if not click.confirm(one_line(question), err=True):
        raise DevServerError("nothing was installed")


def _say(line: str) -> None:
    click.echo(one_line(line), err=True)


def _content_of(file: Path, most: int) -> bytes:
    """The file, read no further than is needed to see that it is too large."""
    with file.open("rb") as stream:
        return stream.read(most + 1)


def _query(**flags: bool) -> dict[str, str]:
    return {name: "true" for name, on in flags.items() if on}


def _checked(name: str) -> str:
    from devserver.core.errors import PluginNotFound
    from devserver.core.names import problem_with

    if problem_with(name) is not None:
        raise PluginNotFound(name)
    return name


@contextmanager
def _refusals(invocation: Invocation) -> Iterator[Callable[[], int]]:
    """Tells a refusal with its reasons; what it gives is the exit code then."""
    from devserver.packages.refusal import PackageRefused

    codes: list[int] = []
    try:
        yield lambda: codes[0]
    except PackageRefused as error:
        document = {"diagnostics": [d.to_json() for d in error.diagnostics]}
        told = RequestFailed(error.message, hint=error.hint, status=422, document=document)
        report_error(told, as_json=invocation.as_json)
        codes.append(ExitCode.REFUSED)
    except RequestFailed as error:
        if error.status != 422:
            raise
        report_error(error, as_json=invocation.as_json)
        codes.append(ExitCode.REFUSED)


@contextmanager
def _offline(project: Project) -> Iterator[Packages]:
    from devserver.packages.offline import offline_packages

    with offline_packages(project, tell=lambda note: _say(f"note: {note}")) as packages:
        yield packages


def _find(project: Project) -> ServerClient | None:
    from devserver.cli.client import ServerClient

    return ServerClient.find(project)
