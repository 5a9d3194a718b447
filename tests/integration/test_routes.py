"""Plugin routes as Flask serves them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from devserver.runtime.dispatcher import Dispatcher
from tests.integration.lab import Lab, plugin

ASYNC = """
import threading
from flask import Blueprint, g, request

pages = Blueprint("pages", __name__)

@pages.before_request
async def first():
    g.first = threading.current_thread().name

@pages.get("/page/<int:number>")
async def page(number):
    return {"number": number, "arg": request.args["arg"], "first": g.first, "in": thread()}

@pages.errorhandler(KeyError)
async def missing(error):
    return {"missing": str(error)}, 418

@pages.get("/fail")
async def fail():
    raise KeyError("x")

@pages.get("/inside")
async def inside():
    from flask import current_app
    return {"told": current_app.ensure_sync(fail)()}

def thread():
    return threading.current_thread().name
"""
OFFER = """
def get_api_routes(self):
    return [pages]
"""


def test_coroutine_views_of_blueprints_run_on_the_plugin_loop(lab: Lab) -> None:
    lab.write("users", plugin("users", top=ASYNC, body=OFFER))
    lab.start()
    assert lab.json("/users/page/3?arg=a") == {
        "number": 3,
        "arg": "a",
        "first": "plugin-loop",
        "in": "plugin-loop",
    }
    failed = lab.get("/users/fail")
    assert (failed.status_code, failed.json) == (418, {"missing": "'x'"})


def test_the_plugin_loop_refuses_to_wait_for_itself(lab: Lab) -> None:
    lab.write("users", plugin("users", top=ASYNC, body=OFFER))
    lab.start()
    answer = lab.get("/users/inside")
    assert answer.status_code == 500
    assert answer.json["error"] == "RuntimeError: fail is a coroutine function: await it"


def test_coroutine_views_of_the_app_itself_run_on_the_plugin_loop(lab: Lab) -> None:
    source = """
from devserver.sdk import BasePlugin

class Users(BasePlugin):
    name = "users"
    version = "1.0.0"

    def register_routes(self, app, router):
        @app.get("/direct/<who>")
        async def direct(who):
            return {"who": who}
"""
    lab.write("users", source)
    lab.start()
    assert lab.json("/users/direct/ada") == {"who": "ada"}


def test_an_error_whose_text_cannot_be_made_is_told_all_the_same(lab: Lab) -> None:
    top = """
        class Broken(Exception):
            def __str__(self):
                return self.nope
    """
    routes = """
        @router.get("/fail")
        def fail():
            raise Broken()
    """
    lab.write("users", plugin("users", top=top, routes=routes))
    lab.start()
    answer = lab.get("/users/fail")
    assert answer.status_code == 500
    assert answer.json["error"] == "Broken: (its text cannot be made)"
    assert "raise Broken()" in answer.json["traceback"]


def test_sessions_work_and_outlive_a_reload(lab: Lab) -> None:
    routes = """
        @router.get("/count")
        def count():
            from flask import session
            session["count"] = session.get("count", 0) + 1
            return {"count": session["count"], "version": VERSION}
    """
    lab.write("users", plugin("users", 1, routes=routes))
    lab.start()
    first = lab.get("/users/count")
    assert first.json == {"count": 1, "version": 1}
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    outcome = lab.save(("users", plugin("users", 2, routes=routes)))
    assert outcome is not None
    assert outcome.success
    answer = lab.get("/users/count", headers={"Cookie": cookie})
    assert answer.json == {"count": 2, "version": 2}


def test_each_plugin_has_sessions_of_its_own(lab: Lab) -> None:
    routes = """
        @router.get("/count")
        def count():
            from flask import session
            session["count"] = session.get("count", 0) + 1
            return {"count": session["count"]}
    """
    lab.write("users", plugin("users", routes=routes))
    lab.write("orders", plugin("orders", routes=routes))
    lab.start()
    cookie = lab.get("/users/count").headers["Set-Cookie"].partition(";")[0]
    answer = lab.get("/orders/count", headers={"Cookie": cookie})
    assert answer.json == {"count": 1}
    both = f"{cookie}; {answer.headers['Set-Cookie'].partition(';')[0]}"
    assert lab.get("/users/count", headers={"Cookie": both}).json == {"count": 2}


def test_a_request_keeps_its_path_for_the_servers_log(lab: Lab) -> None:
    routes = """
        @router.post("/echo")
        def echo():
            from flask import request
            return {"path": request.path, "root": request.root_path, "body": request.json}
    """
    lab.write("users", plugin("users", routes=routes))
    system = lab.start().system
    environ = EnvironBuilder("/users/echo", method="POST", json={"a": 1}).get_environ()
    answered = threading.Event()

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        assert status == "200 OK"
        answered.set()

    answer = Dispatcher(system.registry, system.gate, None)(environ, start_response)  # type: ignore[arg-type]
    assert b"".join(answer) == b'{"path":"/echo","root":"/users","body":{"a":1}}\n'
    answer.close()  # type: ignore[attr-defined]
    assert answered.is_set()
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", "/users/echo")


ANSWERS = """
@router.get("/list")
def many() -> list[User]:
    return [User(name="Ada", born=date(1815, 12, 10))]

@router.get("/dict")
def by_name() -> dict[str, User]:
    return {"ada": many()[0]}, 201

@router.post("/json")
def given(body: list):
    return body
"""
USER = """
from datetime import date
from pydantic import BaseModel

class User(BaseModel):
    name: str
    born: date
"""


def test_models_are_answers_wherever_they_stand(lab: Lab) -> None:
    lab.write("users", plugin("users", top=USER, routes=ANSWERS))
    lab.start()
    ada = {"name": "Ada", "born": "1815-12-10"}
    assert lab.json("/users/list") == [ada]
    assert lab.get("/users/dict").json == {"ada": ada}


def test_json_that_is_nested_without_end_is_refused(lab: Lab) -> None:
    lab.write("users", plugin("users", top=USER, routes=ANSWERS))
    lab.start()
    refused = lab.ask("POST", "/users/json", data="[" * 100_000)
    assert refused.status_code == 422
    assert refused.json["errors"][0]["type"] == "json_invalid"


@pytest.mark.parametrize(
    ("parameters", "said", "hint"),
    [
        ("a: dict, b: User", "'view' asks for two JSON bodies, 'a' and 'b'", "one model"),
        ("at: threading.Lock", "the parameter 'at' of the view 'view' has a type", "pydantic"),
    ],
)
def test_a_view_that_no_request_fits_is_refused(
    lab: Lab, parameters: str, said: str, hint: str
) -> None:
    routes = f"@router.post('/view')\ndef view({parameters}):\n    return {{}}"
    lab.write("users", plugin("users", top=USER + "import threading\n", routes=routes))
    lab.start()
    (found,) = lab.running.registry.view.plugins["users"].diagnostics
    assert said in found.message
    assert hint in str(found.hint)
