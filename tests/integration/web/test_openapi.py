"""/openapi.json follows the live generations."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from devserver.runtime.dispatcher import Dispatcher
from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings
from tests.integration.lab import Lab, plugin, wait_for

TOP = """
from dataclasses import dataclass
from pydantic import BaseModel, Field
from devserver.sdk import requires_permission

class Address(BaseModel):
    city: str

class User(BaseModel):
    name: str = Field(min_length=1)
    address: Address | None = None

@dataclass
class Point:
    x: int
    y: int = 0
"""
ROUTES = '''
@router.get("/list")
def everybody(page: int = 1, word: str | None = None) -> list[User]:
    """Everybody there is.

    Page by page.
    """
    return []

@router.post("/")
def add(user: User) -> User:
    return user

@router.get("/<int:number>")
def one(number: int) -> User:
    return User(name=str(number))

@router.delete("/<int:who>")
@requires_permission("users.delete")
def drop(who):
    return {}

@router.put("/points/<any(red, blue):colour>/<path:rest>")
async def point(colour, rest, point: Point) -> Point:
    return point
'''


@pytest.fixture
def web(lab: Lab) -> FlaskClient:
    lab.write("users", plugin("users", 1, top=TOP, routes=ROUTES))
    lab.write("clock", plugin("clock", 1))
    system = lab.start().system
    app = create_web_app(
        lab.running.control,
        token="t",
        gate=GateSettings(),
        stopping=threading.Event(),
        plugins=lambda fallback: Dispatcher(system.registry, system.gate, fallback),
    )
    return app.test_client()


def document(web: FlaskClient) -> dict[str, Any]:
    """The document, which is valid."""
    answer = web.get("/openapi.json")
    assert answer.status_code == 200
    OpenAPIV31SpecValidator(answer.json).validate()
    return answer.json  # type: ignore[no-any-return]


def told(web: FlaskClient) -> set[tuple[str, str]]:
    return {
        (path, method)
        for path, item in document(web)["paths"].items()
        for method in item
        if method in ("get", "put", "post", "delete", "patch")
    }


def routed(lab: Lab) -> set[tuple[str, str]]:
    """What the routers of all live generations answer."""
    shape = re.compile(r"<(?:[^:<>]*:)?(\w+)>")
    found = set()
    for record in lab.running.registry.view.plugins.values():
        for rule in () if record.generation is None else record.generation.routes:
            path = shape.sub("{}", f"/{record.name}{rule.path}")
            found |= {(path, method.lower()) for method in rule.methods}
    return found


def shapes(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(re.sub(r"\{\w+\}", "{}", path), method) for path, method in pairs}


def test_it_tells_parameters_bodies_and_answers(web: FlaskClient) -> None:
    paths = document(web)["paths"]
    listed = paths["/users/list"]["get"]
    assert (listed["summary"], listed["description"]) == ("Everybody there is.", "Page by page.")
    assert listed["tags"] == ["users"]
    assert [(p["name"], p["in"], p["required"]) for p in listed["parameters"]] == [
        ("page", "query", False),
        ("word", "query", False),
    ]
    assert listed["parameters"][0]["schema"] == {"type": "integer", "default": 1}
    assert "422" in listed["responses"]
    added = paths["/users/"]["post"]
    ref = {"$ref": "#/components/schemas/users.User"}
    assert added["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": ref}},
    }
    assert added["responses"]["200"]["content"]["application/json"]["schema"] == ref
    coloured = paths["/users/points/{colour}/{rest}"]["put"]
    assert coloured["parameters"][0]["schema"] == {"type": "string", "enum": ["red", "blue"]}
    schemas = document(web)["components"]["schemas"]
    assert schemas["users.User"]["properties"]["name"] == {
        "minLength": 1,
        "title": "Name",
        "type": "string",
    }
    assert {"users.Address", "users.Point", "Error", "Unfit"} <= schemas.keys()


def test_routes_that_differ_in_names_alone_are_one_path(web: FlaskClient) -> None:
    item = document(web)["paths"]["/users/{number}"]
    assert {"get", "delete"} <= item.keys()
    assert item["delete"]["parameters"][0]["name"] == "number"


def test_permissions_are_shown(web: FlaskClient) -> None:
    operation = document(web)["paths"]["/users/{number}"]["delete"]
    assert operation["x-required-permissions"] == ["users.delete"]
    assert operation["responses"]["403"]["description"] == "Needs the permission users.delete"


def test_its_paths_are_the_routers_at_every_generation(lab: Lab, web: FlaskClient) -> None:
    for number in range(2, 5):
        assert shapes(told(web)) == routed(lab)
        routes = ROUTES.replace('"/list"', f'"/list{number}"')
        assert lab.save(("users", plugin("users", number, top=TOP, routes=routes))).success  # type: ignore[union-attr]
        assert (f"/users/list{number}", "get") in told(web)
        assert ("/users/list", "get") not in told(web)
    assert shapes(told(web)) == routed(lab)


def test_it_follows_enable_and_disable_at_once(lab: Lab, web: FlaskClient) -> None:
    before = document(web)
    assert web.post("/api/plugins/clock/disable", headers={"Authorization": "Bearer t"}).json[
        "routes_affected"
    ]
    assert not any(path.startswith("/clock/") for path, _ in told(web))
    assert [tag["name"] for tag in document(web)["tags"]] == ["users"]
    web.post("/api/plugins/clock/enable", headers={"Authorization": "Bearer t"})
    assert document(web)["paths"] == before["paths"]


def test_an_unchanged_document_is_not_sent_again(lab: Lab, web: FlaskClient) -> None:
    first = web.get("/openapi.json")
    again = web.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    lab.running.control.reload("clock")
    fresh = web.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert fresh.status_code == 200


def test_a_refused_edit_changes_nothing(lab: Lab, web: FlaskClient) -> None:
    first = web.get("/openapi.json")
    lab.save(("users", "def x(:"))
    assert web.get("/openapi.json").headers["ETag"] == first.headers["ETag"]


def test_the_gate_stands_in_front(web: FlaskClient) -> None:
    assert web.get("/openapi.json", headers={"Host": "evil.example"}).status_code == 403
    assert web.get("/openapi.json", headers={"Origin": "null"}).status_code == 403
    assert web.get("/docs").status_code == 401
    page = web.get("/docs", headers={"Authorization": "Bearer t"})
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "://" not in page.text  # nothing from elsewhere


HANGS = """
from pydantic import BaseModel

class Odd(BaseModel):
    @classmethod
    def __get_pydantic_json_schema__(cls, core, handler):
        raise OSError("no schema")
"""
ODD = """
@router.post("/odd")
def odd(body: Odd):
    return {}

@router.get("/number/<int:n>")
def number(n, at: complex = 1j):
    return {}
"""


def test_types_without_a_schema_hide_nothing(lab: Lab, web: FlaskClient) -> None:
    lab.save(("users", plugin("users", 2, top=HANGS, routes=ODD)))
    assert shapes(told(web)) == routed(lab)
    tag = document(web)["tags"][1]
    assert "a type has no JSON Schema: OSError" in tag["x-problems"]
    assert document(web)["paths"]["/users/odd"]["post"]["requestBody"]


FASTAPI = """
from fastapi import APIRouter, Depends
from pydantic import BaseModel
from devserver.sdk import requires_permission

class User(BaseModel):
    mail: str
"""
OFFER = """
def get_api_routes(self):
    api = APIRouter(prefix="/api")

    own = Depends(requires_permission("users.own"))

    @api.post("/people/{number:int}", response_model=User, status_code=201, dependencies=[own])
    @requires_permission("users.add")
    async def add(number: int, user: User) -> User:
        return user

    return [api]
"""


def test_fastapis_routers_are_in_the_one_document(lab: Lab, web: FlaskClient) -> None:
    pytest.importorskip("fastapi")
    mixed = TOP.replace("class User", "class Person")
    routes = '@router.post("/")\ndef add(user: Person):\n    return user\napp.mount("/old", old)'
    old = "\ndef old(environ, start_response):\n    return []\n"
    lab.save(("users", plugin("users", 2, top=mixed + FASTAPI + old, routes=routes, body=OFFER)))
    assert shapes(told(web)) == routed(lab)
    paths = document(web)["paths"]
    operation = paths["/users/api/people/{number}"]["post"]
    assert operation["x-required-permissions"] == ["users.add", "users.own"]
    assert operation["tags"] == ["users"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/users.User"}
    assert "201" in operation["responses"]
    assert paths["/users/old/{rest}"]["summary"] == "old answers everything below"


SECURED = """
from fastapi import Depends
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer

web = FastAPI()

@web.get("/me")
async def me(token: str = Depends(OAuth2PasswordBearer(tokenUrl="token"))):
    return {}

@web.get("/key")
async def key(key: str = Depends(APIKeyHeader(name="X-Key"))):
    return {}
"""


def test_what_fastapi_asks_callers_for_is_told(lab: Lab, web: FlaskClient) -> None:
    top = "from fastapi import FastAPI" + SECURED
    lab.save(("users", plugin("users", top=top, routes='router.mount("/v1", web)')))
    told = document(web)
    schemes = told["components"]["securitySchemes"]
    flow = schemes["users.OAuth2PasswordBearer"]["flows"]["password"]
    assert flow["tokenUrl"] == "/users/v1/token"
    assert schemes["users.APIKeyHeader"]["in"] == "header"
    paths = told["paths"]
    assert paths["/users/v1/me"]["get"]["security"] == [{"users.OAuth2PasswordBearer": []}]
    assert paths["/users/v1/key"]["get"]["security"] == [{"users.APIKeyHeader": []}]


def test_the_document_holds_no_generation(lab: Lab, web: FlaskClient) -> None:
    first = lab.generation("users").number
    document(web)
    lab.save(("users", plugin("users", 2, top=TOP, routes=ROUTES)))
    document(web)
    wait_for(lambda: first not in lab.live("users"), "the end of the old generation")
