"""Applications inside a plugin's own: WSGI, ASGI, and FastAPI's routers."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devserver.runtime.asgi import AsgiApplication, Message, scope_of
from devserver.runtime.framework import install_error_answers, is_of
from devserver.runtime.ledger import Ledger
from devserver.runtime.lifespan import Lifespan
from devserver.runtime.loop import PluginLoop
from devserver.runtime.pages import Failures

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(eq=False, slots=True)
class Mount:
    """An application below `prefix` ("" for the plugin's whole place, shared with its other
    routes). `framework` is the object whose routes can be listed, None for an opaque one."""

    prefix: str
    serve: WSGIApplication
    framework: Any = None
    lifespan: Lifespan | None = None
    name: str = "application"

    def fit(self, environ: WSGIEnvironment) -> int:
        """2 when it answers the request, 1 when it does so for another method or redirects to
        where it does (a slash at the end), else 0."""
        path = environ.get("PATH_INFO", "") or "/"
        if self.prefix and path != self.prefix and not path.startswith(f"{self.prefix}/"):
            return 0
        if self.prefix or self.framework is None:
            return 2
        scope = {**scope_of(environ), "app": self.framework}
        fit = self._match(scope)
        if not fit and path != "/" and self.framework.router.redirect_slashes:
            fit = min(1, self._match(_other_slash(scope)))
        return fit

    def _match(self, scope: Message) -> int:
        return max((r.matches(scope)[0].value for r in self.framework.router.routes), default=0)


class Mounts:
    """What is mounted in one generation's app, asked in order; `failures` answers for what they
    raise."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._mounts: list[Mount] = []

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def __bool__(self) -> bool:
        return bool(self._mounts)

    def add(self, prefix: str, app: Any, loop: PluginLoop) -> None:
        """Raises TypeError for what is no WSGI or ASGI application, ValueError for a prefix that
        does not begin with a slash or is there already."""
        prefix = prefix.rstrip("/")
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"the path of a mounted application starts with '/': {prefix!r}")
        if prefix and any(m.prefix == prefix for m in self._mounts):
            raise ValueError(f"two applications are mounted at {prefix!r}")
        if not callable(app):
            raise TypeError(f"{type(app).__name__} is no WSGI or ASGI application")
        if not is_asgi(app):
            self._mounts.append(Mount(prefix, app, name=_name_of(app)))
            return
        if has_routes(app):
            install_error_answers(app, self._failures)
        lifespan = Lifespan(app, loop)
        served = AsgiApplication(
            app, loop, on_error=self._failures.report, state=lambda: lifespan.state
        )
        framework = app if has_routes(app) else None
        self._mounts.append(Mount(prefix, served, framework, lifespan, _name_of(app)))

    async def start(self, ledger: Ledger) -> None:
        """Starts what has a lifespan; its end is recorded. Raises LifespanFailed."""
        for mount in self._mounts:
            if mount.lifespan is not None and await mount.lifespan.start():
                ledger.record("lifespan shutdown", mount.lifespan.stop)

    def find(self, environ: WSGIEnvironment, least: int) -> Mount | None:
        """The first whose fit is best, and `least` at least."""
        fitting = [(mount.fit(environ), mount) for mount in self._mounts]
        best = max((fit for fit, _ in fitting), default=0)
        return next((m for fit, m in fitting if fit == best >= least), None)

    def serve(
        self, mount: Mount, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Its answer; where it raises, the page that tells of it."""
        below = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + mount.prefix,
            "PATH_INFO": environ.get("PATH_INFO", "")[len(mount.prefix) :],
        }
        try:
            return mount.serve(below, start_response)
        except Exception as error:  # noqa: BLE001 - plugin code may raise anything
            answer = self._failures.answer(error, environ.get("HTTP_ACCEPT", ""))
            return answer(environ, start_response)


def _other_slash(scope: Message) -> Message:
    path = scope["path"]
    return {**scope, "path": path.rstrip("/") if path.endswith("/") else f"{path}/"}


def is_asgi(app: Any) -> bool:
    """True for an application that is called with scope, receive and send."""
    call = app if inspect.isroutine(app) else type(app).__call__
    return inspect.iscoroutinefunction(call)


def has_routes(app: Any) -> bool:
    """True for an application of Starlette's family."""
    return is_of(app, "starlette.applications", "Starlette")


def _name_of(app: Any) -> str:
    return str(getattr(app, "__name__", None) or type(app).__name__)
