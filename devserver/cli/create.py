"""Makes new plugins from templates."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from devserver.cli.client import ServerClient
from devserver.cli.commands import Invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document
from devserver.cli.program import program_name
from devserver.core.errors import DevServerError
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import normalise, problem_with
from devserver.runtime.discovery import discover
from devserver.runtime.project import Project

_NEEDS = {"fastapi": "fastapi"}
"""Template → the module that plugins made from it import, where not everybody has it."""

_FOLDER = Path(__file__).with_name("scaffolds")
_SUFFIX = ".jinja2"
_LONGEST = 100


def create_plugin(project: Project, name: str, template: str) -> Path:
    """Writes a new plugin into plugins/, all of it in one step; gives its folder. Its name there
    is spelled with `_`.

    Raises DevServerError for a name that cannot be used or is taken, OSError.
    """
    key = normalise(name)
    _refuse(project, name)
    project.plugins.mkdir(parents=True, exist_ok=True)
    # Nobody looks into names that begin with a dot.
    staging = project.plugins / f".{key}-{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        _write(staging, key, template)
        folder = project.plugins / key
        os.rename(staging, folder)
    except BaseException:  # Ctrl-C too: no half of a plugin stays
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return folder


def create_and_tell(invocation: Invocation, name: str, template: str) -> ExitCode:
    """Creates a plugin and prints what was made, and what is next. Raises like
    `create_plugin`."""
    project = invocation.project()
    folder = create_plugin(project, name, template)
    key = folder.name
    client = ServerClient.find(project)
    url = None if client is None else f"{client.url}{key}/"
    became = None if client is None else _what_became(client, key)
    missing = _NEEDS.get(template)
    if missing is not None and importlib.util.find_spec(missing) is not None:
        missing = None
    files = sorted(p.relative_to(project.root).as_posix() for p in folder.rglob("*") if p.is_file())
    if invocation.as_json:
        document = {"name": key, "template": template, "files": files, "url": url}
        print_document({**document, "status": became, "missing": missing})
        return ExitCode.OK
    print(f"created {key}:")
    for file in files:
        print(f"  {file}")
    if missing is not None:
        print(f"it needs {missing}, which is not installed: pip install {missing}")
    program = program_name()
    if became is not None:
        print(f"on the running server: {f'live at {url}' if became == 'active' else became}")
    print("next:" if url is not None else f"next:\n  {program} dev server --hot-reload")
    print(f"  {program} dev plugin test {key}")
    return ExitCode.OK


def _what_became(client: ServerClient, key: str) -> str:
    """What the running server makes of a new plugin: its status, with the reason unless it is
    live."""
    try:
        client.call("POST", "/api/plugins/discover")
        found = client.of_plugin(key, "status")
    except DevServerError as error:
        return f"unknown: {error.message}"
    live = found["status"] == PluginStatus.ACTIVE
    return "active" if live else f"{found['status']}: {found['reason']}"


def _refuse(project: Project, name: str) -> None:
    problem = problem_with(name)
    if problem is None and len(name) > _LONGEST:
        problem = f"a plugin's name has {_LONGEST} characters at most"
    if problem is not None:
        raise DevServerError(problem, hint="take another name, like `my_plugin`")
    taken = {key.lower(): place for key, place in discover(project).items()}
    place = taken.get(normalise(name).lower())
    for spelling in (name, normalise(name)):
        for path in (project.plugins / spelling, project.plugins / f"{spelling}.py"):
            if place is None and os.path.lexists(path):
                place = path
    if place is not None:
        where = place.relative_to(project.root).as_posix()
        raise DevServerError(f"{where} is there already", hint="take another name, or remove it")


def _write(folder: Path, key: str, template: str) -> None:
    words = {
        "name": key,
        "title": key.replace("_", " ").strip().capitalize(),
        "class_name": "".join(part[:1].upper() + part[1:] for part in key.split("_")),
    }
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / template),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # it is Python, no HTML
    )
    for source in environment.list_templates(extensions=[_SUFFIX[1:]]):
        target = folder / source.removesuffix(_SUFFIX).replace("NAME", key)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(environment.get_template(source).render(words), encoding="utf-8")
