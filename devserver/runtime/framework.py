"""FastAPI (an extra) and Starlette: routers become applications, errors our answers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from devserver.core.errors import PermissionDenied, PluginUnavailable
from devserver.runtime.pages import Failures, told_by_us
from devserver.runtime.tracebacks import format_error


def is_of(thing: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a class that whoever made it must have imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(thing, kind)


def is_api_router(offer: Any) -> bool:
    """True for FastAPI's APIRouter."""
    return is_of(offer, "fastapi", "APIRouter")


def application_of(router: Any, prefix: str = "") -> Any:
    """A FastAPI application that serves an APIRouter, without pages of its own."""
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(HTTPException, _http_error)
    app.include_router(router, prefix=prefix)
    return app


def install_error_answers(app: Any, failures: Failures) -> None:
    """What the application has no handler for is answered as in any other view."""

    async def raised(request: Any, error: Exception) -> Any:
        # It is raised once more when this is out, and reported then.
        return _sent(failures.page(error, _accept(request), format_error(error)))

    for kind in (PermissionDenied, PluginUnavailable):
        app.exception_handlers.setdefault(kind, _of_ours)
    if 500 not in app.exception_handlers:
        app.exception_handlers.setdefault(Exception, raised)


def operations_of(app: Any) -> Iterator[Any]:
    """The routes with path, methods, name and endpoint, those of included routers too."""
    routing = sys.modules.get("fastapi.routing")
    flatten = getattr(routing, "iter_route_contexts", iter)
    for route in flatten(app.router.routes):
        if getattr(route, "methods", None) and getattr(route, "endpoint", None):
            yield route


def called_by(operation: Any) -> Iterator[Any]:
    """The endpoint, and the dependencies that are called before it."""
    yield operation.endpoint
    dependencies = list(getattr(getattr(operation, "dependant", None), "dependencies", ()))
    for each in dependencies:
        yield each.call
        dependencies += each.dependencies


def document_of(app: Any) -> dict[str, Any]:
    """FastAPI's own OpenAPI document of an application, {} for one that is Starlette's alone."""
    if not is_of(app, "fastapi", "FastAPI"):
        return {}
    from fastapi.openapi.utils import get_openapi

    return get_openapi(title="", version="", routes=app.routes)


def flask_rule(path: str) -> str:
    """A path of Starlette as a rule of Flask: `/a/{x:int}` is `/a/<int:x>`."""
    return re.sub(r"\{(\w+)(?::(\w+))?\}", lambda m: f"<{m[2] + ':' if m[2] else ''}{m[1]}>", path)


def _accept(request: Any) -> str:
    return str(request.headers.get("accept", ""))


def _sent(answer: Any) -> Any:
    """A Flask answer as one of Starlette."""
    from starlette.responses import Response

    return Response(answer.get_data(), answer.status_code, dict(answer.headers))


async def _of_ours(request: Any, error: Exception) -> Any:
    return _sent(told_by_us(error, _accept(request)))


async def _unfit(_request: Any, error: Any) -> Any:
    from fastapi.encoders import jsonable_encoder
    from starlette.responses import JSONResponse

    errors = jsonable_encoder(error.errors())
    content = {"error": "the request does not fit", "errors": errors, "detail": errors}
    return JSONResponse(content, 422)


async def _http_error(_request: Any, error: Any) -> Any:
    from starlette.responses import JSONResponse, Response

    if error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    said = error.detail if isinstance(error.detail, str) else f"status {error.status_code}"
    content = {"error": said, "hint": None, "detail": error.detail}
    return JSONResponse(content, error.status_code, error.headers)
