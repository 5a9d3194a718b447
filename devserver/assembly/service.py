"""When an embedded host runs: from the first need to the end of the process, in one process."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from devserver import __version__
from devserver.assembly.host import PluginHost
from devserver.assembly.server_file import (
    ProjectLock,
    remove_server_file,
    write_server_file,
)
from devserver.assembly.serving import find_group, insist_on_all
from devserver.core.errors import DevServerError
from devserver.runtime.finder import PluginFinder

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_log = logging.getLogger("devserver.embedded")
_FAREWELL = 5.0  # seconds that plugins get at the end of the process
Startup = Callable[[], Any]


class _State(Enum):
    NEW = auto()
    PREPARED = auto()  # the plugins run; what is to be called at the start is being called
    READY = auto()
    CLOSED = auto()


class Service:
    """Starts a host once and ends it once. With `insists` a plugin that fails to load is a failed
    start. With `claims_project` no other process may serve the project. Callable from any
    thread."""

    def __init__(
        self,
        plugins: PluginHost,
        *,
        stopping: threading.Event,
        token: str,
        insists: bool,
        claims_project: bool,
    ) -> None:
        self._plugins = plugins
        self._project = plugins.project
        self._stopping = stopping
        self._token = token
        self._insists = insists
        self._claims_project = claims_project
        self._lock = threading.Lock()
        self._project_lock = ProjectLock(plugins.project)
        self._state = _State.NEW
        self._failure: DevServerError | None = None
        self._process: int | None = None
        self._startups: list[Startup] = []
        self._is_told = False
        self.group = find_group(plugins) if claims_project else None

    def on_startup(self, function: Startup) -> None:
        """`function()` is called when the plugins run. Raises DevServerError after the start."""
        if self._state is not _State.NEW:
            raise DevServerError(
                "the application has started: on_startup comes too late",
                hint="register it where the application is created",
            )
        self._startups.append(function)

    def start(self, environ: WSGIEnvironment | None = None) -> None:
        """Returns when the plugins run, and for a request (whose `environ` is given) when all
        functions of `on_startup` have returned.

        Raises DevServerError when this process cannot serve; what such a function raised is
        raised as it is to who started, and told to others.
        """
        self._refuse_forked()
        ready = _State.READY if environ is not None else _State.PREPARED
        if not self._is(ready):
            with self._lock:
                self._refuse_closed()
                if self._state is _State.NEW:
                    self._begin(environ)
        self._refuse_closed()
        if environ is not None and self._claims_project and not self._is_told:
            self._tell_commands(environ)

    def close(self, timeout: float) -> None:
        """Ends everything, in about `timeout` seconds. Harmless when repeated, and in a process
        that was forked after the start."""
        if self._process not in (None, os.getpid()):
            return
        with self._lock:
            was, self._state = self._state, _State.CLOSED
            if was in (_State.PREPARED, _State.READY):
                self._end(timeout)

    def _is(self, wanted: _State) -> bool:
        return self._state is _State.READY or self._state is wanted

    def _begin(self, environ: WSGIEnvironment | None) -> None:
        _refuse_neighbour()
        if self._claims_project:
            self._project_lock.take()
        self._process = os.getpid()
        _close_at_exit(self)
        try:
            self._plugins.start()
            if self._insists:
                insist_on_all(self._plugins)
            self._state = _State.PREPARED
            if self.group is not None:
                self.group.start("" if environ is None else _address_of(environ)[2])
            _call_all(self._startups)
        except BaseException as error:  # Ctrl-C too: nothing is left behind
            self._state = _State.CLOSED
            self._failure = _told(error)
            _log.error("the plugins of %s were not started: %s", self._project.root, error)
            self._end(1.0)
            raise
        self._state = _State.READY

    def _end(self, timeout: float) -> None:
        self._stopping.set()
        try:
            if self.group is not None:
                self.group.stop()
            self._plugins.stop(timeout)
        finally:
            remove_server_file(self._project)
            self._project_lock.release()

    def _refuse_forked(self) -> None:
        if self._process not in (None, os.getpid()):
            raise DevServerError(
                f"the plugins were started in process {self._process}, before this one was "
                "forked from it: their threads are not here",
                hint="let them be started in the worker: by its first request, or by "
                "`app.start()` in a hook such as gunicorn's post_worker_init",
            )

    def _refuse_closed(self) -> None:
        if self._state is _State.CLOSED:
            raise self._failure or DevServerError(
                "the application was closed", hint="create another one with create_app()"
            )

    def _tell_commands(self, environ: WSGIEnvironment) -> None:
        """From now on `sysctl` finds this process, where a real connection tells the address."""
        host, port, url = _address_of(environ)
        if not port:
            return
        self._is_told = True
        described = {
            "pid": os.getpid(),
            "host": host,
            "port": port,
            "path": environ.get("SCRIPT_NAME", ""),
            "url": url,
            "token": self._token,
            "started_at": self._plugins.control.started_at,
            "version": __version__,
        }
        try:
            write_server_file(self._project, described)
        except OSError as error:
            _log.warning("commands will not find this server: %s", error)


def _close_at_exit(service: Service) -> None:
    """Before the interpreter ends its thread pools: plugins may need them to take their leave, and
    `atexit` itself comes after that."""
    register: Callable[[Callable[[], None]], object]
    register = getattr(threading, "_register_atexit", atexit.register)
    known = weakref.ref(service)

    def close() -> None:
        left = known()
        # A second Ctrl-C ends at once.
        with suppress(KeyboardInterrupt):
            if left is not None:
                left.close(_FAREWELL)

    register(close)


def _refuse_neighbour() -> None:
    if any(isinstance(finder, PluginFinder) for finder in sys.meta_path):
        raise DevServerError(
            "another application's plugins run in this process, and `plugins` is one package",
            hint="close the other application first, or serve each in a process of its own",
        )


def _address_of(environ: WSGIEnvironment) -> tuple[str, int, str]:
    """Host, port and URL at which a request came in; port 0 where the server does not tell."""
    connection = environ.get("werkzeug.socket")
    try:
        name = connection.getsockname() if connection is not None else None
    except OSError:
        name = None
    if not isinstance(name, tuple):
        return "", 0, ""
    host, port = str(name[0]), int(name[1])
    shown = f"[{host}]" if ":" in host else host
    scheme = environ.get("wsgi.url_scheme", "http")
    return host, port, f"{scheme}://{shown}:{port}{environ.get('SCRIPT_NAME', '')}/"


def _call_all(functions: list[Startup]) -> None:
    """In a thread of their own: the caller may be inside a running event loop."""
    if not functions:
        return

    async def run() -> None:
        for function in functions:
            answer = function()
            if inspect.isawaitable(answer):
                await _as_coroutine(answer)

    done: Future[None] = Future()

    def settle() -> None:
        try:
            done.set_result(asyncio.run(run()))
        except BaseException as error:  # noqa: BLE001 - raised where the start was asked for
            done.set_exception(error)

    threading.Thread(target=settle, name="startup", daemon=True).start()
    done.result()


async def _as_coroutine(answer: Awaitable[Any]) -> Any:
    return await answer


def _told(error: BaseException) -> DevServerError:
    if isinstance(error, DevServerError):
        return error
    return DevServerError(
        f"the application could not be started: {type(error).__name__}: {error}",
        hint="correct what `on_startup` calls, and start again",
    )
