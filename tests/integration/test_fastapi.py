"""FastAPI's routers and applications inside a plugin."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.core.permissions import Caller
from devserver.sdk.permissions import acting_for
from tests.integration.lab import Lab, plugin, wait_for

pytest.importorskip("fastapi")

TOP = """
import asyncio
import threading
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException
from pydantic import BaseModel
from devserver.sdk import requires_permission

class Item(BaseModel):
    name: str
    price: float = 1.0

class Shown(BaseModel):
    name: str

def pager(page: int = 1):
    yield page

done = []
"""
ROUTES = """
def get_api_routes(self):
    api = APIRouter(tags=["shop"])

    @api.get("/items/{number}")
    async def item(number: int, page: int = Depends(pager)):
        self.hits += 1
        return {"number": number, "page": page, "in": threading.current_thread().name}

    @api.get("/plain")
    def plain():
        return {"in": threading.current_thread().name}

    @api.post("/items", response_model=Shown, status_code=201)
    async def add(item: Item):
        return item

    @api.get("/gone")
    async def gone():
        raise HTTPException(404, "no such item")

    @api.get("/fail")
    async def fail():
        raise KeyError("x")

    @api.get("/secret")
    @requires_permission("shop.secret")
    async def secret():
        return {"secret": True}

    @api.get("/guarded", dependencies=[Depends(requires_permission("shop.secret"))])
    async def guarded():
        return {"secret": True}

    @api.post("/later")
    async def later(tasks: BackgroundTasks):
        tasks.add_task(done.append, VERSION)
        return {"accepted": True}

    @api.get("/done")
    async def finished():
        return done

    return [api]
"""


def shop(version: object = 1, body: str = ROUTES, **more: str) -> str:
    return plugin("shop", version, top=TOP + more.pop("top", ""), body=body, **more)


@pytest.fixture
def live(lab: Lab) -> Lab:
    lab.write("shop", shop())
    lab.start()
    return lab


def test_coroutine_views_run_on_the_plugin_loop_and_plain_ones_beside_it(live: Lab) -> None:
    answer = live.json("/shop/items/3?page=2")
    assert answer == {"number": 3, "page": 2, "in": "plugin-loop"}
    assert live.json("/shop/plain")["in"] != "plugin-loop"


def test_bodies_are_checked_and_answers_shaped_by_their_models(live: Lab) -> None:
    answer = live.ask("POST", "/shop/items", json={"name": "lamp", "price": 3})
    assert (answer.status_code, answer.json) == (201, {"name": "lamp"})
    unfit = live.ask("POST", "/shop/items", json={"price": "much"})
    assert unfit.status_code == 422
    assert [e["loc"] for e in unfit.json["errors"]] == [["body", "name"], ["body", "price"]]
    assert unfit.json["detail"] == unfit.json["errors"]
    assert live.get("/shop/items/x").status_code == 422


def test_a_large_body_arrives_whole(live: Lab) -> None:
    answer = live.ask("POST", "/shop/items", json={"name": "x" * 300_000})
    assert len(answer.json["name"]) == 300_000


def test_errors_are_told_as_in_any_view(live: Lab) -> None:
    gone = live.get("/shop/gone")
    assert gone.status_code == 404
    assert gone.json == {"error": "no such item", "hint": None, "detail": "no such item"}
    failed = live.get("/shop/fail")
    assert failed.status_code == 500
    assert failed.json["error"] == "KeyError: 'x'"
    assert 'raise KeyError("x")' in failed.json["traceback"]
    assert live.generation("shop").counters.errors == 1
    page = live.get("/shop/fail", headers={"Accept": "text/html"})
    assert page.mimetype == "text/html"


def test_other_paths_and_methods(live: Lab) -> None:
    assert live.get("/shop/nothing").json["error"] == "Not Found"
    assert live.ask("DELETE", "/shop/items").status_code == 405
    assert live.json("/shop/version")["version"] == 1  # the router's own routes are there too
    elsewhere = live.get("/shop/plain/?a=1")
    assert (elsewhere.status_code, elsewhere.location) == (307, "http://localhost/shop/plain?a=1")


@pytest.mark.parametrize("path", ["/shop/secret", "/shop/guarded", "/shop/guarded?function=x"])
def test_the_permission_is_asked_for(live: Lab, path: str) -> None:
    assert live.json(path) == {"secret": True}
    with acting_for(Caller(name="somebody", grants=frozenset({"shop.view"}))):
        denied = live.get(path)
    assert denied.status_code == 403
    assert denied.json["missing"] == ["shop.secret"]


def test_background_tasks_run_when_the_answer_is_out(live: Lab) -> None:
    assert live.ask("POST", "/shop/later").json == {"accepted": True}
    assert wait_for(lambda: live.json("/shop/done"), "the background task") == [1]


def test_a_reload_replaces_them_and_leaves_nothing(live: Lab) -> None:
    live.json("/shop/items/3")
    live.ask("POST", "/shop/items", json={"name": "lamp"})
    live.json("/shop/plain")
    live.get("/shop/fail")
    first = live.generation("shop").number
    outcome = live.save(("shop", shop(2).replace('"/plain"', '"/fancy"')))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert live.json("/shop/items/3")["number"] == 3
    assert live.get("/shop/plain").status_code == 404
    assert live.json("/shop/hit")["hits"] == 3
    wait_for(lambda: first not in live.live("shop"), "the end of the old generation")


def test_routes_are_listed(live: Lab) -> None:
    listed = {(r.path, r.methods) for r in live.generation("shop").routes}
    assert ("/items/<number>", ("GET",)) in listed
    assert ("/items", ("POST",)) in listed
    assert live.running.control.plugin_details("shop")["routes"]["count"] == 11


SLOW = """
def get_api_routes(self):
    api = APIRouter()

    @api.get("/slow")
    async def slow():
        entered.set()
        while not go.is_set():
            await asyncio.sleep(0.01)
        return {"version": VERSION}

    @api.post("/later")
    async def later(tasks: BackgroundTasks):
        tasks.add_task(wait)
        return {"accepted": True}

    async def wait():
        entered.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            go.set()
            raise

    return [api]
"""
GATES = """
import builtins
entered, go = builtins.gates
"""


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    import builtins

    pair = threading.Event(), threading.Event()
    monkeypatch.setattr(builtins, "gates", pair, raising=False)
    return pair


def test_a_request_in_flight_ends_on_its_generation(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    entered, go = gates
    lab.settings("safety: {trial_process: false}")
    lab.write("shop", shop(1, SLOW, top=GATES))
    lab.start()
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(lab.get, "/shop/slow")
        assert entered.wait(10)
        saved = pool.submit(lab.save, ("shop", shop(2, SLOW, top=GATES)))
        wait_for(lambda: lab.generation("shop").hold is not None, "the hold")
        go.set()
        assert asked.result(10).json == {"version": 1}
        assert saved.result(10).success  # type: ignore[union-attr]
    assert lab.json("/shop/version")["version"] == 2


def test_background_work_delays_no_reload_and_is_ended_after_it(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    entered, go = gates
    lab.settings("reload: {drain_timeout: 1}\nsafety: {trial_process: false}")
    lab.write("shop", shop(1, SLOW, top=GATES))
    lab.start()
    lab.ask("POST", "/shop/later")
    assert entered.wait(10)
    outcome = lab.save(("shop", shop(2, SLOW, top=GATES)))
    assert outcome is not None
    assert outcome.success
    assert go.wait(10)
    wait_for(lambda: lab.live("shop") == [2], "the end of the old generation")


LIFESPAN = """
from contextlib import asynccontextmanager
import builtins

@asynccontextmanager
async def lifespan(app):
    builtins.told.append(("up", VERSION))
    yield {"pool": f"pool {VERSION}"}
    builtins.told.append(("down", VERSION))

web = FastAPI(lifespan=lifespan)

@web.get("/pool")
async def pool(request: Request):
    return {"pool": request.state.pool}
"""
OFFER = """
def get_api_routes(self):
    return [web]
"""


def test_an_application_has_its_lifespan(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    told: list[tuple[str, int]] = []
    monkeypatch.setattr(builtins, "told", told, raising=False)
    lab.settings("safety: {trial_process: false}")
    top = "from fastapi import Request\n" + LIFESPAN
    lab.write("shop", shop(1, OFFER, top=top))
    lab.start()
    assert lab.json("/shop/pool") == {"pool": "pool 1"}
    lab.save(("shop", shop(2, OFFER, top=top)))
    assert lab.json("/shop/pool") == {"pool": "pool 2"}
    wait_for(lambda: told == [("up", 1), ("up", 2), ("down", 1)], "the first one's shutdown")
    broken = top.replace('builtins.told.append(("up", VERSION))', "raise OSError('no pool')")
    outcome = lab.save(("shop", shop(3, OFFER, top=broken)))
    assert outcome is not None
    assert not outcome.success
    assert "no pool" in str(outcome.error)
    assert lab.json("/shop/pool") == {"pool": "pool 2"}
    assert told == [("up", 1), ("up", 2), ("down", 1)]


DATABASE = """
def get_api_routes(self):
    api = APIRouter()

    @api.post("/note/{text}")
    async def note(text: str, tasks: BackgroundTasks):
        self.ctx.db.execute(sqlalchemy.text("create table if not exists note (text varchar)"))
        self.ctx.db.execute(sqlalchemy.text("insert into note values (:text)"), {"text": text})
        tasks.add_task(after, text)
        if text == "bad":
            raise KeyError(text)
        return {}

    async def after(text):
        self.ctx.db.execute(sqlalchemy.text("insert into note values ('after')"))

    @api.get("/notes")
    def notes():
        return [row[0] for row in self.ctx.db.execute(sqlalchemy.text("select text from note"))]

    return [api]
"""


def test_a_request_is_one_transaction_and_its_background_work_another(lab: Lab) -> None:
    lab.write("shop", shop(1, DATABASE, top="import sqlalchemy\n"))
    lab.start()
    assert lab.ask("POST", "/shop/note/good").status_code == 200
    wait_for(lambda: lab.json("/shop/notes") == ["good", "after"], "the background work")
    assert lab.ask("POST", "/shop/note/bad").status_code == 500
    assert lab.json("/shop/notes") == ["good", "after"]


MIDDLEWARE = """
from devserver.sdk import BasePlugin

web = FastAPI()
here = []
answered = asyncio.Event()

@web.middleware("http")
async def around(request, call_next):
    return await call_next(request)

@web.post("/note")
async def note(tasks: BackgroundTasks):
    plugin.ctx.db.execute(sqlalchemy.text("create table note (text varchar)"))
    tasks.add_task(after)
    return {}

async def after():
    await answered.wait()
    plugin.ctx.db.execute(sqlalchemy.text("insert into note values ('after')"))

@web.get("/notes")
async def notes():
    answered.set()
    return [row[0] for row in plugin.ctx.db.execute(sqlalchemy.text("select text from note"))]
"""


def test_background_work_behind_a_middleware_has_a_transaction_of_its_own(lab: Lab) -> None:
    body = "def on_load(self, ctx):\n    global plugin\n    plugin = self" + OFFER
    lab.write("shop", shop(1, body, top="import sqlalchemy\n" + MIDDLEWARE))
    lab.start()
    assert lab.ask("POST", "/shop/note").status_code == 200
    wait_for(lambda: lab.json("/shop/notes") == ["after"], "the background work", 5)


def test_no_secret_is_told_with_an_error(lab: Lab) -> None:
    lab.write("/config/plugins.yaml", "shop:\n  api_token: hunter2hunter2\n")
    body = """
def register_routes(self, app, router):
    api = APIRouter()

    @api.get("/fail")
    async def fail():
        raise KeyError(self.config["api_token"])

    def legacy(environ, start_response):
        raise KeyError(self.config["api_token"])

    app.include_router(api)
    app.mount("/legacy", legacy)
"""
    lab.write("shop", shop(1, body))
    lab.start()
    for path in ("/shop/fail", "/shop/legacy"):
        failed = lab.get(path)
        assert failed.status_code == 500
        assert failed.json["error"].startswith("KeyError")
        assert "hunter2" not in failed.text
