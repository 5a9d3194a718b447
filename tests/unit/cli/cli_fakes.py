"""Stand-ins for the parts behind the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.outcome import Outcome, Result, StateReport, Step
from devserver.reload.journal import Journal
from devserver.runtime.registry import Registry

ERROR = Diagnostic(
    code="SYN101",
    severity=Severity.ERROR,
    message="'(' was never closed",
    plugin="users",
    file="plugins/users/plugin.py",
    line=3,
    column=9,
    hint="close it",
    source_lines=("answer = (",),
)
WARNING = Diagnostic(
    code="CMP201",
    severity=Severity.WARNING,
    message="'find' takes one argument more",
    plugin="users",
    file="plugins/users/api.py",
    line=30,
)


def outcome(result: Result = Result.RELOADED, **changes: Any) -> Outcome:
    """An outcome of `users`, as the server makes it."""
    served = result is Result.RELOADED
    values: dict[str, Any] = {
        "id": 5,
        "plugin": "users",
        "plugins": ("users",),
        "result": result,
        "message": "Plugin users reloaded successfully",
        "changes": ("plugins/users/plugin.py",),
        "reloaded": ("users",) if served else (),
        "generation": 8 if served else 7,
        "previous_generation": 7,
        "serving": {"users": 8 if served else 7},
        "duration_ms": 41.3,
        "steps": (
            Step(name="validate", ms=6.0),
            Step(name="stage", ms=9.0, plugin="users"),
            Step(name="stage", ms=20.2),
            Step(name="quiesce", ms=0.01),
            Step(name="activate", ms=3.1),
            Step(name="commit", ms=0.7),
        ),
        "routes_before": 2,
        "routes_after": 3,
    }
    return Outcome(**(values | changes))


REFUSED = outcome(
    Result.REJECTED,
    steps=(Step(name="validate", ms=6.0),),
    diagnostics=(ERROR, WARNING),
    error=ERROR.message,
    routes_after=2,
)
ROLLED_BACK = outcome(
    Result.ROLLED_BACK,
    plugins=("users", "orders"),
    serving={"users": 7, "orders": 3},
    steps=(Step(name="stage", ms=9.0), Step(name="activate", ms=2.0), Step(name="rollback", ms=1)),
    error="'initialize' of 'orders' returned False",
    routes_after=2,
)
COMPANY = outcome(
    plugins=("users", "orders", "billing"),
    reloaded=("users", "orders", "billing"),
    diagnostics=(WARNING,),
    state=StateReport(lost=("cursor",), passed=("lock",)),
    notes=("let go while still running: GET /users/slow",),
)


BREAKS = (0, "the connection ends without an answer")


@dataclass
class Request:
    """What the fake server was asked."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class FakeApi:
    """Answers of a server: `METHOD /path` → (status, document)."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def asked(self, path: str) -> list[Request]:
        return [r for r in self.requests if r.path == path]


@contextmanager
def api_server(api: FakeApi) -> Iterator[FakeApi]:
    """Serves `api` on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            api.requests.append(Request(self.command, parts.path, query, body, dict(self.headers)))
            status, document = api.answers.get(
                f"{self.command} {parts.path}", (404, {"error": "Plugin not found"})
            )
            if (status, document) == BREAKS:
                self.close_connection = True
                return
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, *_arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.port = server.server_address[1]
    api.answers.setdefault("GET /api/hot-reload/status", (200, RELOAD_STATUS))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


RELOAD_STATUS = {
    "active_plugins": ["users"],
    "total_active": 1,
    "status": "operational",
    "watching": True,
    "mode": "native",
    "pending": [],
    "last_reload": None,
}


def write_server_file(root: Path, **changes: Any) -> None:
    """instance/server.json of a project."""
    import os

    (root / "instance").mkdir(exist_ok=True)
    record = {
        "pid": os.getpid(),
        "host": "127.0.0.1",
        "port": 1,
        "url": "http://127.0.0.1:1/",
        "token": "secret",
        "started_at": 0,
        "version": "0.1.0",
    }
    (root / "instance" / "server.json").write_text(json.dumps(record | changes))


class FakeServer:
    """Stands for the dev server; `during_start` runs inside `start`, `during_stop` in `stop`."""

    def __init__(
        self,
        *,
        during_start: Callable[[], object] = lambda: None,
        during_stop: Callable[[], object] = lambda: None,
    ) -> None:
        from devserver.core.settings import Settings

        self.calls: list[Any] = []
        self.registry = Registry()
        self.journal = Journal()
        self.settings = Settings()
        self.settings_diagnostics: tuple[Diagnostic, ...] = ()
        self.url = "http://127.0.0.1:8080/"
        self.link = "http://127.0.0.1:8080/?token=secret"
        self.watch_mode = "native"
        self._during_start = during_start
        self._during_stop = during_stop
        self._stopped = threading.Event()

    def masked(self, plugin: str, text: str) -> str:
        return text.replace(f"secret of {plugin}", "***")

    def start(self) -> None:
        self.calls.append("start")
        self._during_start()

    def wait(self) -> None:
        self._stopped.wait()

    def stop(self, grace: float = 0) -> None:
        self.calls.append(("stop", grace))
        self._during_stop()
        self._stopped.set()

    def stop_now(self) -> None:
        self.calls.append("stop_now")
        self._stopped.set()
