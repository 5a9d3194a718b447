"""The project's server, or the port that it would take."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from typing import Any

from devserver.cli.client import ServerClient, is_alive, read_record
from devserver.cli.findings import Finding, error, ok, warning
from devserver.cli.program import program_name, version
from devserver.cli.text import few
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project


def server(project: Project) -> Iterator[Finding]:
    """The running server and what it says of its plugins; the port, where none runs. Raises
    DevServerError."""
    client = ServerClient.find(project)
    yield from _record(project, client)
    yield from _port(project) if client is None else _plugins(client)


def _record(project: Project, client: ServerClient | None) -> Iterator[Finding]:
    """instance/server.json, and what it leads to."""
    file = project.server_file
    if not file.exists():
        yield ok("server", f"none is running; `{program_name()} dev server` starts one")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        told = f"others may read {project.relative(file)}, which holds the run's token"
        yield error("server", told, f"chmod 600 {file}, and start the server again")
    record = read_record(project)
    if record is None:
        told = f"{project.relative(file)} is no record of a server"
        yield warning("server", told, f"rm {file}")
    elif client is not None:
        yield from _running(record, client)
    elif is_alive(record["pid"]):
        yield error(
            "server",
            f"process {record['pid']} of {project.relative(file)} does not answer at "
            f"{record.get('url') or record['port']}",
            f"look at it with `ps -fp {record['pid']}`: end it where it is the dev server, "
            f"else `rm {file}`",
        )
    else:
        yield warning(
            "server",
            f"{project.relative(file)} is of process {record['pid']}, which has ended without "
            "taking it away",
            f"the next start replaces it, or `rm {file}`",
        )


def _running(record: dict[str, Any], client: ServerClient) -> Iterator[Finding]:
    theirs = record.get("version")
    if theirs != version():
        told = f"{client.url} runs version {theirs}, this is {version()}"
        yield warning("server", told, "stop it with Ctrl-C and start it again")
    else:
        yield ok("server", f"{client.url}, process {record['pid']}")


def _plugins(client: ServerClient) -> Iterator[Finding]:
    """What the running server says of its plugins and of its watch. One that failed is told once:
    of course it is not healthy, and what is on disk is refused."""
    rows = client.read("/api/plugins")
    failed = [row["name"] for row in rows if row["status"] == "failed"]
    if failed:
        hint = f"sysctl plugins debug {failed[0]}"
        yield error("running", f"failed to load: {few(failed)}", hint)
    others = [row for row in rows if row["status"] != "failed"]
    unwell = [r["name"] for r in others if r["health"]["status"] in ("degraded", "unhealthy")]
    if unwell:
        yield warning("running", f"not healthy: {few(unwell)}", "sysctl plugins health")
    state = client.read("/api/hot-reload/status")
    pending = [name for name in state["pending"] if name not in failed]
    if pending:
        yield warning(
            "running",
            f"what is on disk was refused, or waits to be asked for: {few(pending)}",
            f"sysctl plugins debug {pending[0]}",
        )
    if not (failed or unwell or pending):
        watch = f"watching ({state['mode']})" if state["watching"] else "watching no files"
        yield ok("running", f"{state['total_active']} of {len(rows)} plugins active, {watch}")


def _port(project: Project) -> Iterator[Finding]:
    """Whether the configured port can be had."""
    wanted = read_host_settings(project.root).server
    told = f"port {wanted.port} on {wanted.host}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            wanted.host, wanted.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror as problem:
        told = f"server.host {wanted.host!r} is no address: {problem.strerror}"
        yield error("port", told, "correct server.host in config/main.yaml")
    except OSError as problem:
        yield error(
            "port",
            f"{told} cannot be had: {problem.strerror or problem}",
            "end what has it, or choose another with `dev server --port N` (0: a free one) or "
            "server.port in config/main.yaml",
        )
    else:
        yield ok("port", f"{told} is free")
