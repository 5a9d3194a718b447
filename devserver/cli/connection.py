"""HTTP with a project's running server."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from devserver.cli.failures import ConnectionBroken, RequestFailed, ServerNotRunning
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.runtime.project import Project

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


class Connection:
    """Sends requests, and tells what is wrong with an answer."""

    def __init__(
        self, project: Project, *, host: str, port: int, token: str, url: str, path: str = ""
    ) -> None:
        """`path` is where the application is mounted in another one."""
        self._project = project
        self._path = path
        self._address = (_WILDCARDS.get(host, host).strip("[]"), port)
        self._token = token
        self.url = url

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
        answer = self.exchange(method, target, body, timeout)
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

    def exchange(self, method: str, target: str, body: Any, timeout: float) -> Answer:
        """One request, and its answer whatever the status. Raises ServerNotRunning when the server
        has gone, ConnectionBroken when it went meanwhile, DevServerError after `timeout` seconds.
        """
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

    def failure(self, answer: Answer, plugin: str) -> DevServerError:
        """What to raise for an answer that is not what was asked for; `plugin` is who it was
        asked of."""
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


def _parsed(text: bytes) -> Any:
    """The JSON value; None when it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
