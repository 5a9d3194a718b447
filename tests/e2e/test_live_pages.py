"""A plugin's page in a real browser: fresh by itself, and it says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Running
from tests.integration.lab import wait_for

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]

SOURCE = """
from devserver.sdk import BasePlugin

class Site(BasePlugin):
    name = "site"
    version = "1.0.0"

    def register_routes(self, app, router):
        @router.get("/")
        def page():
            return "<!doctype html><title>x</title><h1>{word}</h1>"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "plugins").mkdir()
    (root / "plugins" / "site.py").write_text(SOURCE.format(word="one"))
    return root


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Running]:
    running = Running(project)
    running.wait_for("ready")
    yield running
    running.close()


@pytest.fixture
def page(project: Path, server: Running) -> Iterator[Any]:
    url = json.loads((project / "instance" / "server.json").read_text())["url"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        with page.expect_response("**/api/events"):
            page.goto(f"{url}site/")
        yield page
        browser.close()


def save(project: Path, text: str) -> None:
    path = project / "plugins" / "site.py"
    beside = path.with_name(".site.py.new")
    beside.write_text(text)
    beside.replace(path)


def test_a_page_follows_its_plugin(project: Path, page: Any) -> None:
    save(project, SOURCE.format(word="two"))
    page.wait_for_selector("h1:text-is('two')")
    page.evaluate("window.same = true")

    # A save that is refused leaves the page, and tells what is wrong.
    save(project, SOURCE.format(word="three").replace("<h1>three", '<h1>"three'))
    page.wait_for_selector("devserver-overlay >> text=SYN")
    told = page.inner_text("devserver-overlay >> section")
    assert "site was not reloaded" in told
    assert "g2 is still serving" in told
    assert "plugins/site.py:11" in told
    assert page.evaluate("window.same")
    assert page.inner_text("h1") == "two"

    # It can be put away, and comes back with another error.
    page.keyboard.press("Escape")
    page.wait_for_selector("devserver-overlay", state="detached")
    save(project, SOURCE.format(word="three") + "\nimport no_such_module\n")
    page.wait_for_selector("devserver-overlay >> text=no_such_module")

    # What runs comes back: the overlay goes, the page stays.
    save(project, SOURCE.format(word="two"))
    page.wait_for_selector("devserver-overlay", state="detached")
    assert page.evaluate("window.same")

    save(project, SOURCE.format(word="four"))
    page.wait_for_selector("h1:text-is('four')")
    assert page.locator("devserver-overlay").count() == 0


def test_the_page_of_a_plugin_that_cannot_serve_becomes_the_real_one(
    project: Path, page: Any
) -> None:
    (project / "plugins" / "late.py").write_text("def broken(:")
    url = page.url.replace("/site/", "/late/")
    wait_for(lambda: page.request.get(url).status == 503, "it is known")
    page.goto(url)
    page.wait_for_selector("devserver-overlay >> text=SYN")
    (project / "plugins" / "late.py").write_text(
        SOURCE.format(word="here").replace('"site"', '"late"')
    )
    page.wait_for_selector("h1:text-is('here')")
