"""@app.middleware("http"): an application's own code around every answer."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from flask import abort
from werkzeug.test import Client
from werkzeug.wrappers import Response

from devserver import EmbeddedApp
from devserver.core.errors import PluginUnavailable
from devserver.web.middleware import HttpRequest
from tests.integration.lab import plugin

Next = Callable[[HttpRequest], Awaitable[Response]]


def test_a_coroutine_function_answers_for_some_paths(app: EmbeddedApp) -> None:
    @app.middleware("http")
    async def routing(request: HttpRequest, call_next: Next) -> Any:
        await asyncio.sleep(0)
        if request.url.path.startswith("/orders/"):
            return {"error": "Feature not available"}, 503
        return await call_next(request)

    client = app.test_client()
    refused = client.get("/orders/version")
    assert (refused.status_code, refused.json) == (503, {"error": "Feature not available"})
    assert client.get("/users/version").json == {"version": 1, "greeting": "hello"}


def test_a_plain_function_changes_an_answer(app: EmbeddedApp) -> None:
    @app.middleware("http")
    def stamp(request: HttpRequest, call_next: Callable[[HttpRequest], Response]) -> Response:
        response = call_next(request)
        response.headers["X-Asked"] = request.query_params["q"]
        return response

    assert app.test_client().get("/users/version?q=7").headers["X-Asked"] == "7"


@pytest.mark.parametrize("read", ["get_data", "form", "stream"])
def test_what_it_reads_of_the_body_is_there_for_the_plugin(
    app: EmbeddedApp, project: Path, read: str
) -> None:
    (project / "plugins" / "echo.py").write_text(
        plugin(
            "echo",
            routes="""
            from flask import request
            @router.post("/")
            def echo():
                return {"x": request.form["x"]}
        """,
        )
    )
    seen: list[object] = []

    def reading(request: HttpRequest, call_next: Callable[[HttpRequest], Response]) -> Response:
        body = {
            "get_data": lambda: request.get_data(),
            "form": lambda: request.form["x"],
            "stream": lambda: request.stream.read(3),
        }[read]()
        seen.append(body)
        assert call_next(request).status_code == 200
        return call_next(request)

    app.middleware("http")(reading)
    app.middleware("http")(reading)
    with app.test_client().post("/echo/", data={"x": "word"}) as answer:
        assert answer.json == {"x": "word"}
    assert seen[0] == {"get_data": b"x=word", "form": "word", "stream": b"x=w"}[read]
    assert seen == [seen[0]] * 3, "the outer one asks the inner one twice"


def test_one_that_aborts_answers_like_a_view_that_does(app: EmbeddedApp) -> None:
    @app.middleware("http")
    async def guard(request: HttpRequest, call_next: Next) -> Response:
        if request.path == "/users/version":
            abort(403, "not for you")
        raise PluginUnavailable("later")

    client = app.test_client()
    refused = client.get("/users/version")
    assert (refused.status_code, refused.json) == (403, {"error": "not for you"})
    later = client.get("/users/hit")
    assert (later.status_code, later.json) == (503, {"error": "later"})


def test_one_that_returns_nothing_is_told_so(
    app: EmbeddedApp, caplog: pytest.LogCaptureFixture
) -> None:
    app.middleware("http")(lambda request, call_next: None)
    assert app.test_client().get("/users/version").status_code == 500
    assert "returned None or ended without a return statement" in caplog.text


def test_the_last_added_is_the_first_asked(app: EmbeddedApp) -> None:
    order: list[str] = []

    def adding(name: str) -> Callable[..., Any]:
        async def middleware(request: HttpRequest, call_next: Next) -> Response:
            order.append(f"{name} in")
            response = await call_next(request)
            order.append(f"{name} out")
            return response

        return middleware

    app.middleware("http")(adding("inner"))
    app.middleware("http")(adding("outer"))
    app.test_client().get("/users/version")
    assert order == ["outer in", "inner in", "inner out", "outer out"]


class _StarletteLike:
    status_code = 418
    body = b'{"tea": true}'
    raw_headers = ((b"content-type", b"application/json"), (b"x-a", b"1"), (b"x-a", b"2"))


def test_a_response_of_another_framework_is_understood(app: EmbeddedApp) -> None:
    @app.middleware("http")
    async def tea(request: HttpRequest, call_next: Next) -> Any:
        return _StarletteLike()

    answer = app.test_client().get("/users/version")
    assert (answer.status_code, answer.json) == (418, {"tea": True})
    assert answer.headers.getlist("X-A") == ["1", "2"]


def test_the_gate_comes_first(app: EmbeddedApp) -> None:
    seen: list[str] = []

    @app.middleware("http")
    async def spy(request: HttpRequest, call_next: Next) -> Response:
        seen.append(request.url.path)
        return await call_next(request)

    client = app.test_client()
    assert client.get("/users/version", headers={"Host": "evil.test"}).status_code == 403
    assert client.get("/api/plugins").status_code == 401
    assert seen == []


def test_one_that_raises_is_an_error_of_the_server(
    app: EmbeddedApp, caplog: pytest.LogCaptureFixture
) -> None:
    @app.middleware("http")
    async def broken(request: HttpRequest, call_next: Next) -> Response:
        await call_next(request)
        raise RuntimeError("oh")

    with caplog.at_level(logging.ERROR, "devserver.web"):
        answer = app.test_client().get("/users/version")
    assert (answer.status_code, answer.json["error"]) == (500, "internal server error")
    assert "the middleware broken failed" in caplog.text
    assert app.hot_reload_manager.is_plugin_active("users")
    assert app.plugin_host.control.active_requests("users") == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_that_is_not_passed_on_lets_its_request_go(app: EmbeddedApp, method: str) -> None:
    @app.middleware("http")
    async def other(request: HttpRequest, call_next: Next) -> Any:
        response = await call_next(request)
        return response if request.method == "HEAD" else "other"

    answer = app.test_client().open("/users/version", method=method, buffered=True)
    assert answer.text == ("other" if method == "GET" else "")
    assert app.plugin_host.control.active_requests("users") == 0


def test_a_stream_goes_through_part_by_part(app: EmbeddedApp, project: Path) -> None:
    (project / "plugins" / "ticker.py").write_text(
        plugin(
            "ticker",
            top="import threading\nGO_ON = threading.Event()",
            routes="""
            from flask import Response
            @router.get("/ticks")
            def ticks():
                def parts():
                    yield "one "
                    GO_ON.wait(20)
                    yield "two"
                return Response(parts())
        """,
        )
    )

    @app.middleware("http")
    async def through(request: HttpRequest, call_next: Next) -> Response:
        return await call_next(request)

    answer = Client(app).get("/ticker/ticks")
    parts = answer.iter_encoded()
    assert next(parts) == b"one "
    gate: threading.Event = (
        app.plugin_host.registry.view.generation("ticker")
        .table.modules[  # type: ignore[union-attr]
            "plugins.ticker"
        ]
        .GO_ON
    )
    gate.set()
    assert b"".join(parts) == b"two"
    answer.close()


def test_another_kind_is_refused(app: EmbeddedApp) -> None:
    with pytest.raises(ValueError, match="'http'"):
        app.middleware("websocket")
