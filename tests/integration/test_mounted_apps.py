"""WSGI and ASGI applications that a plugin mounts, and views without their permission."""

from __future__ import annotations

import builtins
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.test import EnvironBuilder

from devserver.runtime.dispatcher import Dispatcher
from devserver.web.live_pages import LivePages
from devserver.web.response import ResponseWriter
from tests.integration.lab import Lab, plugin, wait_for

WSGI = """
def legacy(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise KeyError("x")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode()]
"""
ASGI = """
async def modern(scope, receive, send):
    assert scope["type"] == "http", "no lifespan"
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain")]})
    for part in (scope["root_path"], "|", scope["path"], "|", body.decode()):
        await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})

async def silent(scope, receive, send):
    return None
"""


def test_applications_answer_below_their_path(lab: Lab) -> None:
    routes = 'app.mount("/legacy", legacy)\nrouter.mount("/modern", modern)'
    lab.write("users", plugin("users", top=WSGI + ASGI, routes=routes))
    lab.start()
    assert lab.get("/users/legacy/a/b").text == "/users/legacy|/a/b"
    assert lab.get("/users/legacy").text == "/users/legacy|"
    assert lab.get("/users/legacyx").status_code == 404
    answer = lab.ask("POST", "/users/modern/ü?q=1", data=b"abc")
    assert answer.text == "/users/modern|/users/modern/ü|abc"
    assert lab.json("/users/version")["version"] == 1
    paths = [r.path for r in lab.generation("users").routes]
    assert paths[-2:] == ["/modern/<path:rest>", "/legacy/<path:rest>"]


def test_what_they_raise_is_told(lab: Lab) -> None:
    routes = 'app.mount("/legacy", legacy)\nrouter.mount("/silent", silent)'
    lab.write("users", plugin("users", top=WSGI + ASGI, routes=routes))
    lab.start()
    failed = lab.get("/users/legacy/fail")
    assert (failed.status_code, failed.json["error"]) == (500, "KeyError: 'x'")
    silent = lab.get("/users/silent/")
    assert (silent.status_code, "without an answer" in silent.json["error"]) == (500, True)


LATE = """
def late(environ, start_response):
    if environ["PATH_INFO"] == "/begun":
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", "9")])
    return parts()

def parts():
    raise KeyError("y")
    yield b""
"""


@pytest.mark.parametrize("path", ["/users/late/", "/users/late/begun"])
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_what_they_raise_before_their_first_part_is_told_too(
    lab: Lab, path: str, accept: str
) -> None:
    lab.write("users", plugin("users", top=LATE, routes='app.mount("/late", late)'))
    system = lab.start().system
    dispatcher = Dispatcher(system.registry, system.gate, None)  # type: ignore[arg-type]
    pages = LivePages(dispatcher, system.registry, wanted=lambda: True)
    writer = ResponseWriter(send=len, method="GET", version="HTTP/1.1", keep_alive=True)  # type: ignore[arg-type]
    environ = EnvironBuilder(path, headers={"Accept": accept}).get_environ()
    answer = pages(environ, writer.start_response)
    body = b"".join(answer)
    writer.write(body)
    assert writer.status == 500
    assert b"KeyError: " in body
    assert lab.running.control.plugin_details("users")["metrics"]["errors"] == 1


STREAM = """
import asyncio
import builtins

async def ticks(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})
            await asyncio.sleep(0.01)
    finally:
        builtins.stopped.set()
"""


def test_a_stream_is_pinned_to_its_generation_and_ended_after_it(lab: Lab, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import builtins
    import threading

    stopped = threading.Event()
    monkeypatch.setattr(builtins, "stopped", stopped, raising=False)
    lab.settings("reload: {drain_timeout: 1}\nsafety: {trial_process: false}")
    routes = 'app.mount("/ticks", ticks)'
    lab.write("users", plugin("users", 1, top=STREAM, routes=routes))
    system = lab.start().system
    dispatcher = Dispatcher(system.registry, system.gate, None)  # type: ignore[arg-type]
    environ = EnvironBuilder("/users/ticks/").get_environ()
    answer = dispatcher(environ, lambda *_: None)  # type: ignore[arg-type]
    parts = iter(answer)
    assert next(parts) == b"tick"
    outcome = lab.save(("users", plugin("users", 2, top=STREAM, routes=routes)))
    assert outcome is not None
    assert outcome.success
    assert list(parts)
    answer.close()  # type: ignore[attr-defined]
    del answer, parts
    assert stopped.wait(10)
    wait_for(lambda: lab.live("users") == [2], "the end of the old generation")


LEFT = """
import asyncio
import builtins

async def polled(scope, receive, send):
    assert scope["type"] == "http"
    builtins.told.append("entered")
    while (await receive())["type"] != "http.disconnect":
        pass
    builtins.told.append("heard of it")

async def streamed(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"tick", "more_body": True})
    builtins.told.append("entered")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        builtins.told.append("heard of it")
        raise
"""


@pytest.mark.parametrize("path", ["/users/polled", "/users/streamed"])
def test_who_waits_hears_that_the_client_has_left(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    told: list[str] = []
    monkeypatch.setattr(builtins, "told", told, raising=False)
    monkeypatch.setattr("devserver.runtime.asgi._LOOK", 0.01)
    routes = 'app.mount("/polled", polled)\napp.mount("/streamed", streamed)'
    lab.write("users", plugin("users", top=LEFT, routes=routes))
    lab.start()
    here, client = socket.socketpair()
    with ThreadPoolExecutor(1) as pool, here:
        asked = pool.submit(lab.get, path, environ_overrides={"werkzeug.socket": here})
        wait_for(lambda: told == ["entered"], "the request")
        client.close()
        asked.result(10)
    wait_for(lambda: told == ["entered", "heard of it"], "the end of it")
    assert lab.generation("users").flights == {}


WEBSOCKETS = """
from fastapi import APIRouter, WebSocket

api = APIRouter()

@api.websocket("/talk")
async def talk(socket: WebSocket):
    await socket.accept()
"""


def test_a_websocket_is_refused_with_the_reason(lab: Lab) -> None:
    body = "def get_api_routes(self):\n    return [api]"
    routes = 'app.mount("/modern", modern)'
    lab.write("users", plugin("users", top=WEBSOCKETS + ASGI, routes=routes, body=body))
    lab.start()
    asks = {"Upgrade": "websocket", "Connection": "Upgrade"}
    for path in ("talk", "modern/talk"):
        refused = lab.get(f"/users/{path}", headers=asks)
        assert (refused.status_code, refused.json["error"]) == (
            501,
            "WebSockets are not served here",
        )
    assert lab.get("/users/nowhere", headers=asks).status_code == 404


def test_a_view_that_would_be_served_without_its_permission_is_refused(lab: Lab) -> None:
    good = """
        @router.get("/secret")
        @requires_permission("users.secret")
        def secret():
            return {}
    """
    bad = """
        @requires_permission("users.secret")
        @router.get("/secret")
        def secret():
            return {}
    """
    top = "from devserver.sdk import requires_permission"
    lab.write("users", plugin("users", 1, top=top, routes=good))
    lab.start()
    outcome = lab.save(("users", plugin("users", 2, top=top, routes=bad)))
    assert outcome is not None
    assert not outcome.success
    assert "'secret' would be served without asking for 'users.secret'" in str(outcome.error)
    assert lab.json("/users/version")["version"] == 1
