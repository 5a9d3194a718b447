"""The plugins of a project as a Flask application for somebody else's server."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from flask import Flask

from devserver.assembly.host import PluginHost
from devserver.assembly.logged import log_what_happens
from devserver.assembly.service import Service
from devserver.assembly.serving import build_web_app
from devserver.assembly.variant import Variant
from devserver.core.errors import DevServerError
from devserver.reload.manager import HotReloadManager, PluginManager
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project, find_project
from devserver.web.app import flask_arguments
from devserver.web.errors import error_response
from devserver.web.gatekeeper import GateSettings
from devserver.web.middleware import Middlewares

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

F = TypeVar("F", bound=Callable[..., Any])


class EmbeddedApp(Flask):
    """Dashboard, API and plugins of a project, behind the same gate as in the development server.

    Nothing runs until it is needed: the first request, the first use of a manager, or `start`
    loads the plugins and begins to watch, in the process where that happens. `close` ends it all
    for good; a process that exits does so by itself. One process serves a project at a time.
    """

    def __init__(
        self,
        project: Project,
        *,
        title: str | None = None,
        hot_reload: bool = True,
        token: str | None = None,
        require_token: bool = False,
        variant: Variant | None = None,
    ) -> None:
        super().__init__(**flask_arguments())
        self.project = project
        self.token = token or secrets.token_urlsafe(24)
        configured = read_host_settings(project.root)
        stopping = threading.Event()
        self._plugins = PluginHost(project, hot_reload=hot_reload, variant=variant)
        # A host of a test tells its test.
        claims_project = variant is None or variant.claims_project
        if claims_project:
            log_what_happens(self._plugins)
        if title is not None:
            self._plugins.control.title = title
        self._hot_reload_manager = HotReloadManager(self._plugins.control)
        self._service = Service(
            self._plugins,
            stopping=stopping,
            token=self.token,
            insists=configured.on_plugin_failure == "abort",
            claims_project=claims_project,
        )
        self._middlewares = Middlewares(self, submit=self._plugins.system.loop.submit)
        build_web_app(
            self._plugins,
            token=self.token,
            gate=GateSettings(
                host=configured.server.host,
                allowed_hosts=configured.server.allowed_hosts,
                allowed_origins=configured.server.allowed_origins,
                require_token=require_token,
            ),
            stopping=stopping,
            group=self._service.group,
            app=self,
            behind_gate=self._behind_gate,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        connection = environ.get("gunicorn.socket")
        if isinstance(connection, socket.socket) and not isinstance(connection, ssl.SSLSocket):
            # The one name under which the connection is known here, whoever serves.
            environ.setdefault("werkzeug.socket", connection)
        return super().__call__(environ, start_response)

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        load_dotenv: bool = True,
        **options: Any,
    ) -> None:
        """Flask's development server, without its debugger, which would run whatever a page sends
        it, and without its reloader, which the plugins do not need."""
        wanted = {**options, "use_debugger": False, "use_reloader": False, "threaded": True}
        super().run(host, port, debug, load_dotenv, **wanted)

    # -- the application's own code ------------------------------------------------------------

    @property
    def plugin_manager(self) -> PluginManager:
        """Starts the plugins where they do not run yet. Raises as `start`."""
        self._service.start()
        return self._plugins.manager

    @property
    def hot_reload_manager(self) -> HotReloadManager:
        """Starts the plugins where they do not run yet. Raises as `start`."""
        self._service.start()
        return self._hot_reload_manager

    @property
    def plugin_host(self) -> PluginHost:
        """What stands behind it all."""
        return self._plugins

    def on_startup(self, function: F) -> F:
        """Has a function, plain or a coroutine function, called without arguments once the
        plugins run and before the first request is answered; all of them in one event loop.

        Raises DevServerError when that has been.
        """
        self._service.on_startup(function)
        return function

    def middleware(self, kind: str) -> Callable[[F], F]:
        """`@app.middleware("http")`: has `function(request, call_next)`, plain or a coroutine
        function, answer every request that the gate lets through; the last added is the first
        asked. `request` is a Werkzeug request whose `url` has a `path`; `call_next(request)`
        gives the answer of what comes after it (awaited in a coroutine function). It returns that
        answer, or whatever a Flask view may return, or a Starlette response.

        Raises ValueError for another kind.
        """
        if kind != "http":
            raise ValueError(f"the only kind of middleware is 'http', not {kind!r}")
        return self._middlewares.add

    # -- its life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Loads the plugins, begins to watch and calls what `on_startup` was given; does nothing
        when that has been.

        Raises DevServerError when another process serves the project, when this process was
        forked after the start, or after `close`; else whatever a function of `on_startup` raised.
        """
        self._service.start()

    def close(self, timeout: float = 5.0) -> None:
        """Ends the watch, the threads and every plugin, in about `timeout` seconds, and leaves
        the interpreter as it was. Requests are answered with 503 from then on."""
        self._service.close(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _behind_gate(self, inner: WSGIApplication) -> WSGIApplication:
        answer = self._middlewares.around(inner)

        def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            try:
                self._service.start(environ)
            except DevServerError as error:
                refused = error_response(
                    environ, 503, error.message, error.hint, headers=[("Retry-After", "1")]
                )
                return refused(environ, start_response)
            return answer(environ, start_response)

        return serve


def create_app(
    project: str | Path | None = ".",
    *,
    title: str | None = None,
    hot_reload: bool = True,
    token: str | None = None,
    require_token: bool = False,
) -> EmbeddedApp:
    """The project's plugins as a Flask app: run it by itself, or mount it in another one.

    `project` is its folder, None the nearest one upwards from here. `title` stands on the pages
    in place of the folder's name. `hot_reload` False watches nothing. `token` is what control
    calls need (`Authorization: Bearer TOKEN`), by default a new one for each run, `app.token`;
    with `require_token` the user's own processes on this machine need it too.

    Raises ProjectNotFound, and DevServerError for a bad config/main.yaml.
    """
    found = find_project(explicit=None if project is None else Path(project))
    return EmbeddedApp(
        found, title=title, hot_reload=hot_reload, token=token, require_token=require_token
    )
