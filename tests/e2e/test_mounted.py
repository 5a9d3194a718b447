"""The page of an application that is mounted below a path of another one, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from devserver import create_app
from devserver.web.server import DevHTTPServer
from tests.integration.lab import plugin

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
FRONT = """
@router.get("/")
def front():
    return "<link rel=icon href='data:,'><h1>users</h1>"
"""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]


@pytest.fixture
def page() -> Iterator[Any]:
    """A page; at the end it must not have met an error."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.set_default_timeout(10_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        yield page
        browser.close()
        assert errors == []


def test_the_dashboard_works_below_a_path(page: Any, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "users.py").write_text(plugin("users", routes=FRONT))
    app = create_app(tmp_path, title="My Shop", hot_reload=False)
    outer = Flask("outer")
    mounted: Any = DispatcherMiddleware(outer.wsgi_app, {"/dev": app})
    stopping = threading.Event()
    server = DevHTTPServer(mounted, host="127.0.0.1", port=0, stopping=stopping)
    server.serve()
    try:
        page.goto(f"http://127.0.0.1:{server.port}/dev/?token={app.token}")
        page.wait_for_selector("#connection[data-state=live]")
        assert page.url == f"http://127.0.0.1:{server.port}/dev/"
        assert page.inner_text("h1") == "My Shop"
        row = '#rows tr[data-key="users"]'
        page.wait_for_selector(row)
        page.click(f"{row} button")
        page.wait_for_selector(f'{row}:has-text("g2")')
        page.click(f"{row} a")
        page.wait_for_selector('h1:has-text("users")')
        assert page.url == f"http://127.0.0.1:{server.port}/dev/users/"
        page.goto("about:blank")  # no page follows a server that is being stopped
    finally:
        app.close()
        server.stop(1)
