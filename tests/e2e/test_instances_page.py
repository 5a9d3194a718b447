"""The table of instances on the dashboard, in a real browser."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "web"))
sync_api = pytest.importorskip("playwright.sync_api")
from web_fakes import FakeControl, record  # noqa: E402 - the path comes first

from devserver.core.errors import DatabaseUnavailable  # noqa: E402
from devserver.web.app import create_web_app  # noqa: E402
from devserver.web.gatekeeper import GateSettings  # noqa: E402
from devserver.web.server import DevHTTPServer  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]


def instance(number: int, *, live: bool = True, generation: int = 3) -> dict[str, Any]:
    return {
        "id": f"i{number}",
        "host": "box",
        "pid": number,
        "url": f"http://127.0.0.1:{number}/",
        "live": live,
        "is_self": number == 1,
        "started_at": 1.0,
        "lease": 9.0 if live else -20.0,
        "revision": 7,
        "plugins": {"users": {"status": "active", "generation": generation, "version": "1.0.0"}},
    }


class FakeGroup:
    """Shows what a test says."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)
        self.failure: Exception | None = None

    def ask(self, *_arguments: Any, **_more: Any) -> dict[str, Any]:
        raise NotImplementedError

    def shown(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {"shared": True, "self": "i1", "revision": 7, "instances": self.rows}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(10_000)
    yield page
    context.close()


@pytest.fixture
def serve() -> Iterator[Any]:
    started: list[DevHTTPServer] = []

    def begin(group: FakeGroup | None) -> DevHTTPServer:
        control = FakeControl()
        control.add(record("users"))
        stopping = threading.Event()
        gate = GateSettings()
        app = create_web_app(control, token="t", gate=gate, stopping=stopping, group=group)
        server = DevHTTPServer(
            app.wsgi_app, host="127.0.0.1", port=0, stopping=stopping, wake=control.journal.wake
        )
        server.serve()
        started.append(server)
        return server

    yield begin
    for server in started:
        server.stop(1)


def visit(page: Any, server: DevHTTPServer) -> None:
    with page.expect_response("**/api/instances"):
        page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#loading", state="hidden")


def row(number: int) -> str:
    return f'#instance-rows tr[data-key="i{number}"]'


def test_each_instance_is_shown_with_its_generations(page: Any, serve: Any) -> None:
    visit(page, serve(FakeGroup(instance(1), instance(2, generation=5))))
    page.wait_for_selector(row(2))
    assert page.inner_text(row(1)).split() == ["box:1this", "one", "live", "7", "users", "g3"]
    assert "users g5" in page.inner_text(row(2))
    assert page.inner_text("#instances-tally") == "2"


def test_what_changes_appears_by_itself(page: Any, serve: Any) -> None:
    group = FakeGroup(instance(1), instance(2))
    visit(page, serve(group))
    page.wait_for_selector(row(2))
    group.rows = [instance(1), instance(2, live=False, generation=4)]
    page.wait_for_selector(f'{row(2)} >> text="gone"')
    assert "users g4" in page.inner_text(row(2))
    assert page.inner_text("#instances-tally") == "1 of 2 live"
    group.failure = DatabaseUnavailable("the database is away")
    page.wait_for_selector('#instances-tally >> text="the database is away"')
    assert page.is_visible(row(2))


@pytest.mark.parametrize("group", [None, FakeGroup(instance(1))])
def test_a_single_instance_needs_no_table(page: Any, serve: Any, group: FakeGroup | None) -> None:
    visit(page, serve(group))
    assert page.is_hidden("#instances")
