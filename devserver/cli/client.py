"""Talks to the project's running server, found through instance/server.json."""

from __future__ import annotations

import http.client
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from devserver.cli.failures import ConnectionBroken, RequestFailed, ServerNotRunning
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.core.names import EVERY, problem_with
from devserver.runtime.project import Project

READ_TIMEOUT = 10.0
"""Seconds for an answer that is at hand."""
WORK_TIMEOUT = 600.0
"""Seconds for an answer that waits for plugin code: hooks, drains, commands."""
_SILENCE = 60.0
"""Seconds without a heartbeat after which who is followed counts as gone."""
_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said; `document` is the JSON of the body, None where that is none."""

    status: int
    document: Any
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A body that is no JSON."""

    content_type: str
    payload: bytes


class ServerClient:
    """A project's running server. Every call raises ServerNotRunning when it has gone,
    PluginNotFound, or RequestFailed."""

    def __init__(
        self, project: Project, *, host: str, port: int, token: str, url: str, path: str = ""
    ) -> None:
        """`path` is where the application is mounted in another one."""
        self._project = project
        self._path = path
        self._address = (_WILDCARDS.get(host, host).strip("[]"), port)
        self._token = token
        self.url = url

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
        answer = self._exchange("GET", "/metrics", None, READ_TIMEOUT)
        if answer.status != 200:
            raise self.failure(answer, "")
        return answer.body.decode("utf-8", "replace")

    def of_plugin(self, name: str, what: str) -> dict[str, Any]:
        """`status`, `info`, `config` or `profile` of a plugin."""
        path = f"{place_of(name)}/{what}"
        return dict(self.call("GET", path, timeout=READ_TIMEOUT, plugin=name).document)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float = WORK_TIMEOUT,
        accept: frozenset[int] = frozenset(),
        plugin: str = "",
    ) -> Answer:
        """One request; a status of 400 and above raises unless `accept` holds it."""
        target = f"{path}?{urlencode(query)}" if query else path
        answer = self._exchange(method, target, body, timeout)
        if answer.status >= 400 and answer.status not in accept:
            raise self.failure(answer, plugin)
        if not isinstance(answer.document, (dict, list)):
            raise self._foreign(answer.status)
        return answer

    def send_file(
        self, path: str, content: bytes, *, query: Mapping[str, str], accept: frozenset[int]
    ) -> Answer:
        """Sends a file as the part `file` of a form; like `call` for what comes back."""
        mark = secrets.token_hex(16)
        disposition = 'form-data; name="file"; filename="package.zip"'
        head = f"--{mark}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        body = _Form(
            content_type=f"multipart/form-data; boundary={mark}",
            payload=head + content + f"\r\n--{mark}--\r\n".encode(),
        )
        return self.call("POST", path, query=query, body=body, accept=accept)

    def stream(self, path: str, *, query: Mapping[str, str], plugin: str) -> Iterator[bytes]:
        """The lines of an answer that goes on until the server ends it, or has gone."""
        target = f"{self._path}{path}?{urlencode(query)}"
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self._token}"}
        connection = http.client.HTTPConnection(*self._address, timeout=_SILENCE)
        try:
            connection.request("POST", target, headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                answer = Answer(status=response.status, document=_parsed(response.read()))
                raise self.failure(answer, plugin)
            yield from response
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def _exchange(self, method: str, target: str, body: Any, timeout: float) -> Answer:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._token}"}
        payload = None
        if isinstance(body, _Form):
            headers["Content-Type"], payload = body.content_type, body.payload
        elif body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        connection = http.client.HTTPConnection(*self._address, timeout=timeout)
        sent = False
        try:
            connection.connect()
            sent = method != "GET"
            connection.request(method, self._path + target, body=payload, headers=headers)
            response = connection.getresponse()
            text = response.read()
        except TimeoutError:
            raise DevServerError(
                f"the server at {self.url} did not answer within {timeout:g} s",
                hint="the dev server's terminal shows what it is doing",
            ) from None
        except (OSError, http.client.HTTPException):
            if sent:
                raise ConnectionBroken(self.url, to_all="all_instances=true" in target) from None
            raise ServerNotRunning(str(self._project.root)) from None
        finally:
            connection.close()
        return Answer(status=response.status, document=_parsed(text), body=text)

    def _answers(self) -> bool:
        try:
            answer = self._exchange("GET", "/api/hot-reload/status", None, READ_TIMEOUT)
        except ServerNotRunning:
            return False
        return isinstance(answer.document, dict)

    def failure(self, answer: Answer, plugin: str) -> DevServerError:
        document = answer.document
        if not isinstance(document, dict) or "error" not in document:
            return self._foreign(answer.status)
        message, hint = str(document["error"]), document.get("hint")
        if answer.status == 404 and message == "Plugin not found":
            return PluginNotFound(plugin)
        if answer.status in (401, 403) and hint is None:
            hint = f"the token in {self._project.server_file} is what the server wants"
        return RequestFailed(message, hint=hint, status=answer.status, document=document)

    def _foreign(self, status: int) -> RequestFailed:
        return RequestFailed(
            f"what answers at {self.url} is not this project's dev server (status {status})",
            hint="restart the dev server, or look at what listens on that port",
            status=status,
            document={},
        )


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


def _parsed(text: bytes) -> Any:
    """The JSON value; None when it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
