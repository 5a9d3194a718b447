"""instance/server.json: how commands find the running server."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from devserver.core.errors import DevServerError
from devserver.runtime.project import Project


def refuse_second(project: Project) -> None:
    """Raises DevServerError when another process serves this project already."""
    known = _read(project)
    if known.get("pid") != os.getpid() and _is_alive(known.get("pid")) and _answers(known):
        raise DevServerError(
            f"a server runs for this project already: {known.get('url')}, process {known['pid']}",
            hint="stop it with Ctrl-C in its terminal, or use it",
        )


def write_server_file(project: Project, content: dict[str, Any]) -> None:
    """Puts the file in whole, readable by its owner alone: it holds the run's token.

    Raises OSError.
    """
    project.instance.mkdir(exist_ok=True)
    new = project.server_file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
    new.replace(project.server_file)


def remove_server_file(project: Project) -> None:
    """Takes the file away where it is this process's."""
    if _read(project).get("pid") == os.getpid():
        project.server_file.unlink(missing_ok=True)


def _read(project: Project) -> dict[str, Any]:
    try:
        known = json.loads(project.server_file.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _answers(known: dict[str, Any]) -> bool:
    try:
        with socket.create_connection((str(known["host"]), int(known["port"])), timeout=1):
            return True
    except (OSError, KeyError, ValueError, TypeError):
        return False
