"""instance/server.json: how commands find the running server."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from typing import IO, Any

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


class ProjectLock:
    """Held by the one process that serves a project; the system lets go of it when that ends. A
    process that is forked from it does not hold it."""

    def __init__(self, project: Project) -> None:
        self._path = project.instance / "server.lock"
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises DevServerError when another process has it, or the folder cannot be written."""
        try:
            self._path.parent.mkdir(exist_ok=True)
            file = self._path.open("a+")
        except OSError as error:
            raise DevServerError(
                f"{self._path} cannot be written: {error.strerror}",
                hint="check the permissions of the folder instance/",
            ) from None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise DevServerError(
                f"another process serves this project already: process {holder}",
                hint="use that one, or stop it; under gunicorn `--workers 1 --threads 8`: several "
                "instances need a project folder each and share a PostgreSQL database",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Harmless where it is not held."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


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
