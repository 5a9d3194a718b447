"""A plugin's own answers to errors, and permissions on every kind of route."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devserver.core.permissions import Caller
from devserver.sdk.permissions import acting_for
from tests.integration.lab import Lab, plugin

TOP = """
from dataclasses import dataclass
from flask import Blueprint
from devserver.sdk import requires_permission

class Broken(Exception):
    pass

pages = Blueprint("pages", __name__, url_prefix="/pages")

@pages.errorhandler(Broken)
def page_broken(error):
    return {"page": str(error)}, 418

@pages.get("/fail")
def page_fail():
    raise Broken("there")

@pages.get("/secret")
@requires_permission("users.secret")
def page_secret():
    return {}
"""
ROUTES = """
@app.errorhandler(Broken)
async def broken(error):
    return {"app": str(error)}, 409

@app.errorhandler(404)
def missing(error):
    return {"nothing": True}, 404

@router.get("/fail")
async def fail():
    raise Broken("here")

@router.get("/other")
def other():
    raise KeyError("x")

@router.get("/plain")
@requires_permission("users.secret")
def plain():
    return {}

@router.get("/async")
@requires_permission("users.secret")
async def later(page: int = 1):
    return {"page": page}

@app.get("/flask")
@requires_permission("users.secret", "users.more")
def flask():
    return {}
"""
BODY = """
def get_api_routes(self):
    return [pages]
"""


@pytest.fixture
def live(lab: Lab) -> Lab:
    lab.write("users", plugin("users", top=TOP, routes=ROUTES, body=BODY))
    lab.start()
    return lab


@pytest.fixture
def granted() -> Iterator[None]:
    with acting_for(Caller(name="somebody", grants=frozenset({"users.view"}))):
        yield


def test_a_plugin_answers_its_errors_itself(live: Lab) -> None:
    here, there = live.get("/users/fail"), live.get("/users/pages/fail")
    assert (here.status_code, here.json) == (409, {"app": "here"})
    assert (there.status_code, there.json) == (418, {"page": "there"})
    nowhere = live.get("/users/nowhere")
    assert (nowhere.status_code, nowhere.json) == (404, {"nothing": True})
    assert live.get("/users/other").json["error"] == "KeyError: 'x'"


CATCH_ALL = """
@app.errorhandler(500)
def failed(error):
    return {"sorry": type(error.original_exception).__name__}, 500

@app.errorhandler(Exception)
def anything(error):
    if not isinstance(error, HTTPException):
        raise error
    return error if error.code == 405 else ({"code": error.code}, error.code)

@router.get("/fail")
def fail():
    raise ZeroDivisionError

@router.get("/folder/")
def folder():
    return {}
"""


def test_its_own_page_for_500_and_its_answer_to_all_errors_are_used(lab: Lab) -> None:
    top = "from werkzeug.exceptions import HTTPException"
    lab.write("users", plugin("users", top=top, routes=CATCH_ALL))
    lab.start()
    failed = lab.get("/users/fail")
    assert (failed.status_code, failed.json) == (500, {"sorry": "ZeroDivisionError"})
    assert lab.running.control.plugin_details("users")["metrics"]["errors"] == 1
    assert lab.get("/users/nowhere").json == {"code": 404}
    assert lab.ask("POST", "/users/fail").json["error"] == "Method Not Allowed"
    assert lab.get("/users/folder").status_code == 308


@pytest.mark.parametrize("path", ["plain", "async", "flask", "pages/secret"])
def test_the_permission_is_asked_for_on_every_kind_of_route(
    live: Lab, granted: None, path: str
) -> None:
    denied = live.get(f"/users/{path}")
    assert denied.status_code == 403
    assert denied.json["missing"][0] == "users.secret"
    assert "users.secret" in denied.json["error"]


def test_who_holds_it_gets_through(live: Lab) -> None:
    with acting_for(Caller(name="somebody", grants=frozenset({"users.*"}))):
        assert live.get("/users/flask").status_code == 200
        assert live.json("/users/async?page=2") == {"page": 2}
