"""The API browser in a real browser, in front of live plugins."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devserver.runtime.dispatcher import Dispatcher
from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings
from devserver.web.server import DevHTTPServer
from tests.integration.lab import Lab, plugin

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]
TOP = """
from pydantic import BaseModel
from devserver.sdk import requires_permission

class User(BaseModel):
    name: str
    age: int = 36
"""
ROUTES = '''
@router.post("/people/<place>")
@requires_permission("users.add")
def add(place, user: User, loud: bool = False):
    """Adds somebody. <img src=x onerror="document.title=1">"""
    return {"place": place, "name": user.name, "loud": loud}
'''


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    lab.write("users", plugin("users", 1, top=TOP, routes=ROUTES))
    lab.write("clock", plugin("clock", 1))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def address(lab: Lab) -> Iterator[str]:
    system, stopping = lab.running.system, threading.Event()
    app = create_web_app(
        lab.running.control,
        token="t",
        gate=GateSettings(),
        stopping=stopping,
        plugins=lambda fallback: Dispatcher(system.registry, system.gate, fallback),
    )
    wake = lab.running.journal.wake
    server = DevHTTPServer(app.wsgi_app, host="127.0.0.1", port=0, stopping=stopping, wake=wake)
    server.serve()
    yield f"http://127.0.0.1:{server.port}"
    stopping.set()
    server.stop(1)


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """The page, open; at the end it must not have met an error or asked anybody else."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.set_default_timeout(10_000)
        errors: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/docs")
        page.wait_for_selector("#connection[data-state=live]")
        page.wait_for_selector(".operation")
        yield page
        browser.close()
        assert [e for e in errors if "status of 4" not in e] == []
        assert [url for url in asked if not url.startswith(address)] == []


def operation(path: str) -> str:
    return f'.operation[data-key="{path}"]'


def test_a_route_is_read_and_tried(page: Any) -> None:
    row = operation("post /users/people/{place}")
    assert "users.add" in page.inner_text(f"{row} summary")
    page.click(f"{row} summary")
    assert page.input_value(f"{row} textarea") == '{\n  "name": "",\n  "age": 36\n}'
    page.fill(f"{row} [aria-label=place]", "a b/c")
    page.fill(f"{row} [aria-label=loud]", "true")
    page.click(f"{row} .send")
    page.wait_for_selector(f"{row} .answer b")
    assert page.inner_text(f"{row} .answer b") == "404"  # no slash in <place>
    page.fill(f"{row} [aria-label=place]", "home")
    page.fill(f"{row} textarea", '{"name": "Ada"}')
    page.click(f"{row} .send")
    page.wait_for_selector(f"{row} .answer b[data-good=true]")
    answer = page.inner_text(f"{row} .answer")
    assert "POST /users/people/home?loud=true" in answer
    assert '"name": "Ada"' in answer
    page.fill(f"{row} textarea", "{}")
    page.click(f"{row} .send")
    page.wait_for_selector(f"{row} .answer b[data-good=false]")
    assert "Field required" in page.inner_text(f"{row} .answer")
    assert page.title() != "1"


def test_it_follows_reloads_and_keeps_what_is_open(lab: Lab, page: Any) -> None:
    row = operation("post /users/people/{place}")
    page.click(f"{row} summary")
    page.fill(f"{row} [aria-label=place]", "home")
    more = ROUTES + '\n@router.get("/fresh")\ndef fresh():\n    return {}\n'
    lab.save(("users", plugin("users", 2, top=TOP, routes=more)))
    page.wait_for_selector(operation("get /users/fresh"))
    assert page.input_value(f"{row} [aria-label=place]") == "home"
    lab.running.control.disable("clock")
    page.wait_for_selector(operation("get /clock/hit"), state="detached")
    page.fill("#filter", "fresh")
    assert page.inner_text("#tally") == "1"


FIELDS = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "words": {"type": "array", "items": {"type": "string"}},
    },
}


def test_forms_are_sent_with_their_files(lab: Lab, page: Any) -> None:
    routes = """
        @router.post("/send")
        def send():
            from flask import request
            file = request.files["file"]
            return {"file": file.filename, "size": len(file.read()),
                    "words": request.form.getlist("words")}
    """
    lab.save(("users", plugin("users", 2, routes=routes)))
    body = {"content": {"multipart/form-data": {"schema": FIELDS}}}

    def with_form(route: Any) -> None:
        told = route.fetch().json()
        told["paths"]["/users/send"]["post"]["requestBody"] = body
        route.fulfill(json=told)

    page.route("**/openapi.json", with_form)
    page.reload()
    page.click(operation("post /users/send") + " summary")
    page.set_input_files("input[type=file]", {"name": "a.txt", "mimeType": "", "buffer": b"abc"})
    page.fill("input[aria-label=words]", "one, two")
    page.click(operation("post /users/send") + " .send")
    page.wait_for_selector(".answer b[data-good=true]")
    answer = json.loads(page.inner_text(".answer pre"))
    assert answer == {"file": "a.txt", "size": 3, "words": ["one", "two"]}
