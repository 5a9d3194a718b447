"""Talks to the project's running server, found through instance/server.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from devserver.cli.connection import Connection
from devserver.cli.failures import ServerNotRunning
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.core.names import EVERY, problem_with
from devserver.runtime.project import Project

READ_TIMEOUT = 10.0
"""Seconds for an answer that is at hand."""


class ServerClient(Connection):
    """What commands ask of a project's running server. Every call raises ServerNotRunning when it
    has gone, PluginNotFound, or RequestFailed."""

    @classmethod
    def find(cls, project: Project) -> ServerClient | None:
        """The client of the project's server; None when none runs, also where a file of a
        server that is dead was left behind."""
        record = read_record(project)
        if record is None or not is_alive(record["pid"]):
            return None
        client = cls(
            project,
            host=record["host"],
            port=record["port"],
            token=str(record.get("token", "")),
            url=str(record.get("url", "")),
            path=str(record.get("path", "")),
        )
        return client if client._answers() else None

    @classmethod
    def get(cls, project: Project) -> ServerClient:
        """Like `find`. Raises ServerNotRunning."""
        client = cls.find(project)
        if client is None:
            raise ServerNotRunning(str(project.root))
        return client

    def _answers(self) -> bool:
        try:
            answer = self.exchange("GET", "/api/hot-reload/status", None, READ_TIMEOUT)
        except ServerNotRunning:
            return False
        return isinstance(answer.document, dict)

    def read(self, path: str, **query: str) -> Any:
        """The document at an API path, which begins with `/`."""
        named = query.get("plugin", "")
        return self.call("GET", path, query=query, timeout=READ_TIMEOUT, plugin=named).document

    def reload(self, name: str, options: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Reloads a plugin and gives the outcome, whichever it is. `options` are the query, which
        may ask for a canary."""
        return self._outcome_of(name, "reload", options or {})

    def restart(self, name: str, options: Mapping[str, str]) -> dict[str, Any]:
        """Stops a plugin and starts it anew; the outcome, whichever it is."""
        return self._outcome_of(name, "restart", options)

    def _outcome_of(self, name: str, deed: str, query: Mapping[str, str]) -> dict[str, Any]:
        path, accept = f"{place_of(name)}/{deed}", frozenset({409, 422})
        answer = self.call("POST", path, query=query, accept=accept, plugin=name)
        if "result" not in answer.document:
            raise self.failure(answer, name)
        return dict(answer.document)

    def reload_all(self, options: Mapping[str, str]) -> list[dict[str, Any]]:
        """Reloads all plugins that are not disabled; the outcomes."""
        path, accept = "/api/plugins/reload", frozenset({409, 422})
        answer = self.call("POST", path, query=options, accept=accept)
        if "outcomes" not in answer.document:
            raise self.failure(answer, "")
        return list(answer.document["outcomes"])

    def switch(
        self, name: str, deed: str, *, force: bool = False, routes: bool = True
    ) -> dict[str, Any]:
        """Asks to `enable`, `disable`, `load` or `unload` a plugin; the answer, which is an
        outcome when the plugin could not go live."""
        answer = self.call(
            "POST",
            f"{place_of(name)}/{deed}",
            query=({"force": "true"} if force else {}) | ({} if routes else {"routes": "false"}),
            accept=frozenset({409, 422}),
            plugin=name,
        )
        if "error" in answer.document and "result" not in answer.document:
            raise self.failure(answer, name)
        return dict(answer.document)

    def configure(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Overrides values of a plugin's configuration; None takes an override out. The outcome,
        whichever it is."""
        path, accept = f"{place_of(name)}/config", frozenset({409, 422})
        answer = self.call("PUT", path, body=dict(changes), accept=accept, plugin=name)
        if "result" not in answer.document:
            raise self.failure(answer, name)
        return dict(answer.document)

    def ask_all(
        self, name: str, action: str, *, policy: str, options: Mapping[str, str]
    ) -> dict[str, Any]:
        """Has every instance `enable`, `disable` or `reload` a plugin, or EVERY; the report
        `{success, revision, plugin, action, policy, converged, failed, missing}`."""
        answer = self.call(
            "POST",
            f"{'/api/plugins' if name == EVERY else place_of(name)}/{action}",
            query={**options, "all_instances": "true", "policy": policy},
            accept=frozenset({409}),
            plugin=name,
        )
        if "converged" not in answer.document:
            raise self.failure(answer, name)
        return dict(answer.document)

    def roll_back(self, name: str, *, to: int | None, write: bool) -> dict[str, Any]:
        """Puts an earlier version of a plugin into service; the outcome, with `version` and
        `on_disk`, or `{error, hint, versions}` for a version that is not kept."""
        body = {"write": write} | ({} if to is None else {"to": to})
        path, accept = f"{place_of(name)}/rollback", frozenset({404, 409, 422})
        answer = self.call("POST", path, body=body, accept=accept, plugin=name)
        if "result" not in answer.document and "versions" not in answer.document:
            raise self.failure(answer, name)
        return dict(answer.document)

    def versions(self, name: str) -> list[dict[str, Any]]:
        """The versions of a plugin's source that are kept, the oldest first."""
        path = f"{place_of(name)}/versions"
        return list(self.call("GET", path, timeout=READ_TIMEOUT, plugin=name).document)

    def history(self, plugin: str | None, limit: int) -> list[dict[str, Any]]:
        """Outcomes, the newest first."""
        query = {"limit": str(limit)} | ({} if plugin is None else {"plugin": plugin})
        answer = self.call(
            "GET", "/api/history", query=query, timeout=READ_TIMEOUT, plugin=plugin or ""
        )
        return list(answer.document)

    def outcome(self, number: int) -> dict[str, Any] | None:
        """The outcome with that id."""
        path, accept = f"/api/history/{number}", frozenset({404})
        answer = self.call("GET", path, timeout=READ_TIMEOUT, accept=accept)
        return None if answer.status == 404 else dict(answer.document)

    def run_command(self, plugin: str, command: str, arguments: Mapping[str, Any]) -> Any:
        """Runs a plugin's command; the document `{"result": ...}`."""
        path = f"{place_of(plugin)}/commands/{quote(command, safe='')}"
        return self.call("POST", path, body=dict(arguments), plugin=plugin).document

    def commands(self, plugin: str) -> list[dict[str, Any]]:
        """What a plugin's commands take: `[{name, help, parameters}]`."""
        path = f"{place_of(plugin)}/commands"
        return list(self.call("GET", path, timeout=READ_TIMEOUT, plugin=plugin).document)

    def metrics(self) -> str:
        """The figures, in the text format of Prometheus."""
        answer = self.exchange("GET", "/metrics", None, READ_TIMEOUT)
        if answer.status != 200:
            raise self.failure(answer, "")
        return answer.body.decode("utf-8", "replace")

    def of_plugin(self, name: str, what: str) -> dict[str, Any]:
        """`status`, `info`, `config` or `profile` of a plugin."""
        path = f"{place_of(name)}/{what}"
        return dict(self.call("GET", path, timeout=READ_TIMEOUT, plugin=name).document)


def place_of(plugin: str) -> str:
    """Where the API has a plugin. Raises PluginNotFound for what can be no plugin's name."""
    if problem_with(plugin) is not None:
        raise PluginNotFound(plugin)
    return f"/api/plugins/{plugin}"


def read_record(project: Project) -> dict[str, Any] | None:
    """server.json; None where there is none, or a writer died in the middle of it."""
    try:
        record = json.loads(project.server_file.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except PermissionError:
        raise DevServerError(
            f"{project.server_file} cannot be read: another user's server wrote it",
            hint="run this command as the user who started the dev server",
        ) from None
    known = {"pid": int, "host": str, "port": int}
    if not isinstance(record, dict):
        return None
    return record if all(isinstance(record.get(k), t) for k, t in known.items()) else None


def is_alive(pid: int) -> bool:
    """Whether a process of that number exists."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
