"""The routes of one generation: a Flask app of its own, mounted at /NAME."""

from __future__ import annotations

import functools
import inspect
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, jsonify, request
from flask.json.provider import DefaultJSONProvider
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.routing import RequestRedirect, RoutingException

from devserver.core.errors import (
    DatabaseUnavailable,
    DevServerError,
    PermissionDenied,
    PluginUnavailable,
)
from devserver.core.names import normalise
from devserver.runtime.binding import BadParameters, bound
from devserver.runtime.framework import (
    application_of,
    is_api_router,
)
from devserver.runtime.gate import as_current_work
from devserver.runtime.loop import PluginLoop
from devserver.runtime.mounts import Mounts, is_asgi
from devserver.runtime.pages import ErrorSink, Failures, error_page
from devserver.runtime.route_list import BASE_METHODS
from devserver.runtime.unchecked import refuse_unchecked
from devserver.sdk.routing import Route, Router

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class RouteConflict(DevServerError):
    """Two routes of a plugin answer the same path and method."""


class _AnswerJSON(DefaultJSONProvider):
    """Answers keep the order in which a view built them, and may hold pydantic models anywhere."""

    sort_keys = False

    @staticmethod
    def default(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json")
        return DefaultJSONProvider.default(value)


class PluginApp(Flask):
    """The Flask app of one generation. `on_error` is told what a view raised, `run` runs
    coroutine functions; without it they are served once `mount` has given one. `mask` takes
    secrets out of texts."""

    json_provider_class = _AnswerJSON

    def __init__(
        self,
        key: str,
        folder: Path,
        instance: Path,
        on_error: ErrorSink,
        run: AsyncBridge | None = None,
        mask: Callable[[str], str] = str,
    ) -> None:
        super().__init__(
            f"plugins.{key}",
            root_path=str(folder),
            static_folder="static" if (folder / "static").is_dir() else None,
            template_folder="templates",
            instance_path=str(instance),
        )
        self.run_async = run
        # Browsers send each plugin the cookies of all: two plugins' sessions have two names.
        self.config["SESSION_COOKIE_NAME"] = f"session_{key}"
        self.secret_key = _session_key()
        self.failures = Failures(on_error, mask)
        self.mounts = Mounts(self.failures)
        self.offers: list[tuple[str, Any]] = []
        self.register_error_handler(BadParameters, _bad_parameters)
        self.register_error_handler(PermissionDenied, _permission_denied)
        self.register_error_handler(PluginUnavailable, _unavailable)
        self.register_error_handler(DatabaseUnavailable, _unavailable)

    def mount(self, path: str, application: Any) -> None:
        """A WSGI or ASGI application answers below `path`, but for what routes answer there."""
        self.offers.append((path, application))

    def include_router(self, router: Any, prefix: str = "") -> None:
        """FastAPI's APIRouter, or one of the SDK's, answers below `prefix`."""
        self.offers.append((prefix, router))

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """What a route answers goes to Flask, the rest to what is mounted."""
        if self.mounts:
            mount = self.mounts.find(environ, self._fit(environ) + 1)
            if mount is not None:
                return self.mounts.serve(mount, environ, start_response)
        return super().wsgi_app(environ, start_response)

    def _fit(self, environ: WSGIEnvironment) -> int:
        """As `Mount.fit`; one that only redirects (a slash at the end) answers nearly."""
        try:
            self.url_map.bind_to_environ(environ).match()
        except (MethodNotAllowed, RequestRedirect):
            return 1
        except HTTPException:
            return 0
        return 2

    def async_to_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Coroutine functions of Flask's own (views of blueprints, `before_request`, error
        handlers and so on) run on the plugin loop as well."""
        if self.run_async is None:
            return super().async_to_sync(func)
        return self.run_async.as_plain(func)

    def handle_http_exception(self, e: HTTPException) -> Any:
        """As the plugin answers it, else with our page. No handler of ours stands in the way of
        one that the plugin has for all errors."""
        answer = super().handle_http_exception(e)
        return _http_error(e) if answer is e and not isinstance(e, RoutingException) else answer

    def handle_exception(self, e: Exception) -> Any:
        """What a view raised: reported with the plugin's own frames, answered with 500 by what
        the plugin has for that, else by our page."""
        trace = self.failures.report(e)
        answer: Any = InternalServerError(original_exception=e)
        handler = self._find_error_handler(answer, request.blueprints)
        if handler is not None:
            answer = self.ensure_sync(handler)(answer)
        if isinstance(answer, InternalServerError):
            answer = self.failures.page(e, request.headers.get("Accept", ""), trace)
        return self.finalize_request(answer, from_error_handler=True)


@functools.cache
def _session_key() -> bytes:
    """Signs the sessions of all plugins for as long as the server runs; reloads keep them."""
    return secrets.token_bytes(32)


class AsyncBridge:
    """Runs views: plain ones in the request's thread, coroutine functions on the plugin loop
    (with the request's context, so that `flask.request` works there)."""

    def __init__(self, loop: PluginLoop) -> None:
        self.loop = loop

    def __call__(self, view: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(view):
            return self.loop.submit(lambda: as_current_work(view(**arguments))).result()
        answer = view(**arguments)
        if inspect.isawaitable(answer):
            return self.loop.submit(as_current_work, answer).result()
        return answer

    def as_plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A plain function that runs a coroutine function and gives what it returns.

        It raises RuntimeError on the plugin loop itself, which cannot wait for its own work.
        """

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            if self.loop.is_current():
                raise RuntimeError(f"{function.__name__} is a coroutine function: await it")
            return self.loop.submit(lambda: as_current_work(function(*args, **kwargs))).result()

        return plain


def mount(app: PluginApp, offers: Iterable[tuple[str, Any]], run: AsyncBridge) -> None:
    """Adds Routers, Blueprints and applications to a generation's app, each below its prefix.
    What an earlier offer answers already stays with it.

    Raises RouteConflict for two routes of one offer that answer the same, TypeError for an
    offer of another kind, or whatever Flask raises.
    """
    app.run_async = run
    taken: dict[tuple[str, str], str] = {}
    for prefix, offer in offers:
        known = dict(taken)
        if isinstance(offer, Router):
            for route in offer.routes:
                _add(app, replace(route, rule=prefix + route.rule), run, known)
            for path, application in offer.mounted:
                app.mounts.add(prefix + path, application, run.loop)
        elif isinstance(offer, Blueprint):
            app.register_blueprint(offer, **({"url_prefix": prefix} if prefix else {}))
        elif is_api_router(offer):
            app.mounts.add("", application_of(offer, prefix), run.loop)
        elif prefix or is_asgi(offer):
            app.mounts.add(prefix, offer, run.loop)
        else:
            raise TypeError(
                f"{type(offer).__module__}.{type(offer).__name__} is no Router, Flask Blueprint, "
                "APIRouter or ASGI application"
            )
        taken = _answered(app)
    refuse_unchecked(app)


def _add(app: Flask, route: Route, run: AsyncBridge, taken: Mapping[tuple[str, str], str]) -> None:
    methods = [m for m in route.methods if (_shape(route.rule), m) not in taken]
    if not methods:
        return
    endpoint = route.name
    number = 1
    while endpoint in app.view_functions:
        number += 1
        endpoint = f"{route.name}#{number}"
    app.add_url_rule(route.rule, endpoint, methods=methods, **route.options)
    (rule,) = app.url_map.iter_rules(endpoint)
    view = bound(route.view, frozenset(rule.arguments), run)
    view.__name__ = getattr(route.view, "__name__", "view")
    view.__doc__ = route.view.__doc__
    view.summary = route.summary  # type: ignore[attr-defined]
    app.view_functions[endpoint] = view


def _answered(app: Flask) -> dict[tuple[str, str], str]:
    """(shape of the rule, method) → endpoint. Raises RouteConflict where two answer the same."""
    taken: dict[tuple[str, str], str] = {}
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - BASE_METHODS:
            place = (_shape(rule.rule), method)
            if place in taken:
                raise RouteConflict(
                    f"{method} {rule.rule} is declared twice: "
                    f"by {taken[place]!r} and {rule.endpoint!r}",
                    hint="remove one of them, or give it another path",
                )
            taken[place] = rule.endpoint
    return taken


def _shape(rule: str) -> str:
    """`/a/<int:x>` and `/a/<int:y>` have one shape."""
    parts = []
    for part in rule.split("<"):
        name, closed, rest = part.partition(">")
        parts.append(f"<{name.rpartition(':')[0]}>{rest}" if closed else part)
    return "".join(parts)


def _http_error(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    answer = error_page(error.code or 500, error.name, hint=error.description)
    answer.headers.extend(
        (k, v) for k, v in error.get_headers() if k not in ("Content-Type", "Content-Length")
    )
    return answer


def _bad_parameters(error: BadParameters) -> Any:
    answer = jsonify(error="the request does not fit", errors=error.errors, detail=error.errors)
    answer.status_code = 422
    return answer


def _permission_denied(error: PermissionDenied) -> Any:
    return error_page(403, error.message, hint=error.hint, missing=list(error.missing))


def _unavailable(error: PluginUnavailable | DatabaseUnavailable) -> Any:
    answer = error_page(503, error.message, hint=error.hint)
    answer.headers["Retry-After"] = "1"
    return answer


def mount_point(path: str) -> tuple[str, str]:
    """`/users/list` → (`users`, `/list`); the name is normalised."""
    name, slash, rest = path.lstrip("/").partition("/")
    return normalise(name), slash + rest
