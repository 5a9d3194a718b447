"""The development server: the plugins of a project behind HTTP."""

from __future__ import annotations

import gc
import os
import secrets
import sys
import threading
import time
import webbrowser
from typing import Any

from devserver import __version__
from devserver.assembly.host import PluginHost
from devserver.assembly.server_file import (
    ProjectLock,
    refuse_second,
    remove_server_file,
    write_server_file,
)
from devserver.assembly.serving import build_web_app, find_group, insist_on_all
from devserver.assembly.variant import Variant
from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import DevServerError
from devserver.core.settings import Settings
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project
from devserver.web.gatekeeper import GateSettings
from devserver.web.server import DevHTTPServer

_SWITCH_INTERVAL = 0.0005  # seconds
_FAREWELL = 1.0  # seconds that plugins get to end after requests that took all the time


class DevServer:
    """The development server: a PluginHost behind HTTP.

    Raises DevServerError for a bad config/main.yaml. `host` and `port` win over that file.
    """

    def __init__(
        self,
        project: Project,
        *,
        host: str | None = None,
        port: int | None = None,
        hot_reload: bool = True,
        require_token: bool = False,
        open_browser: bool = False,
    ) -> None:
        self.project = project
        configured = read_host_settings(project.root)
        self._server_settings = configured.server
        self._abort_on_failure = configured.on_plugin_failure == "abort"
        self._address = (
            configured.server.host if host is None else host,
            configured.server.port if port is None else port,
        )
        self._require_token = require_token
        self._open_browser = open_browser
        self._token = secrets.token_urlsafe(24)
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._server: Any = None
        self._lock = ProjectLock(project)
        self._switch_interval = sys.getswitchinterval()
        self.plugins = PluginHost(project, hot_reload=hot_reload, variant=Variant(logged=("",)))
        self._group = find_group(self.plugins)
        self.registry = self.plugins.registry
        self.journal = self.plugins.journal

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.plugins.settings

    @property
    def settings_diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with config/hot-loading.yaml."""
        return self.plugins.settings_diagnostics

    @property
    def watch_mode(self) -> str:
        """native, polling or off."""
        return self.plugins.watch_mode

    def masked(self, plugin: str, text: str) -> str:
        """A text about a plugin without its secrets."""
        return self.plugins.control.configurations.masked(plugin, text)

    @property
    def url(self) -> str:
        """Where the server answers, e.g. `http://127.0.0.1:8080/`."""
        host, port = self._address[0], self._server.port
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
        bracketed = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
        return f"http://{bracketed}:{port}/"

    @property
    def link(self) -> str:
        """`url` with the run's token, for a browser."""
        return f"{self.url}?token={self._token}"

    def start(self) -> None:
        """Takes the port, loads the plugins and serves.

        Raises DevServerError when the port is taken, another server runs for this project, or a
        plugin failed and config/main.yaml says `on_plugin_failure: abort`.
        """
        refuse_second(self.project)
        self._lock.take()
        try:
            self._server = self._make_server()
        except DevServerError:
            self._lock.release()
            raise
        # What is there before any plugin stays; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        try:
            self.plugins.start()
            if self._abort_on_failure:
                insist_on_all(self.plugins)
        except BaseException:  # Ctrl-C too: the port and what has been loaded are let go
            self._server.stop_now()
            self.plugins.stop(1)
            self._lock.release()
            raise
        # The reloader shares the interpreter with requests: with the default of 5 ms it would
        # wait that long for its turn at each step while several of them compute.
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        self._server.serve()
        write_server_file(self.project, self._describe())
        if self._group is not None:
            self._group.start(self.url)
        if self._open_browser:
            webbrowser.open(self.link)

    def stop(self, grace: float = 5.0) -> None:
        """Lets requests in flight end for `grace` seconds, then every plugin go in what is left
        of them, and a second at least."""
        deadline = time.monotonic() + grace
        self._stopping.set()
        if self._group is not None:
            self._group.stop()
        self._server.stop(grace)
        self.plugins.stop(max(_FAREWELL, deadline - time.monotonic()))
        sys.setswitchinterval(self._switch_interval)
        gc.unfreeze()
        remove_server_file(self.project)
        self._lock.release()
        self._stopped.set()

    def stop_now(self) -> None:
        """Cuts everything off."""
        self._stopping.set()
        self._server.stop_now()
        remove_server_file(self.project)
        self._stopped.set()

    def wait(self) -> None:
        """Returns when the server has stopped."""
        self._stopped.wait()

    def _make_server(self) -> Any:
        host, port = self._address
        app = build_web_app(
            self.plugins,
            token=self._token,
            gate=GateSettings(
                host=host,
                allowed_hosts=self._server_settings.allowed_hosts,
                allowed_origins=self._server_settings.allowed_origins,
                require_token=self._require_token,
                port=port,
            ),
            stopping=self._stopping,
            group=self._group,
        )
        return DevHTTPServer(
            app, host=host, port=port, stopping=self._stopping, wake=self.journal.wake
        )

    def _describe(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "host": self._address[0],
            "port": self._server.port,
            "url": self.url,
            "token": self._token,
            "started_at": self.plugins.control.started_at,
            "version": __version__,
        }
