"""The canaries on the dashboard, in a real browser."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "web"))
sync_api = pytest.importorskip("playwright.sync_api")
from web_fakes import FakeControl, outcome, record  # noqa: E402 - the path comes first

from devserver.core.errors import CanaryRefused  # noqa: E402
from devserver.web.app import create_web_app  # noqa: E402
from devserver.web.gatekeeper import GateSettings  # noqa: E402
from devserver.web.server import DevHTTPServer  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]
HOSTILE = "<img src=x onerror=document.title=1>"


def running(requests: int = 3, errors: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "plugin": "users",
        "plugins": ["users", "orders"],
        "generation": 8,
        "beside": 7,
        "percent": 10.0,
        "sticky": False,
        "requests_needed": 20,
        "started": 1.0,
        "seconds": 5.0,
        "new": {"requests": requests, "errors": errors, "rate": errors / requests},
        "old": {"requests": 27, "errors": 0, "rate": 0.0},
        **more,
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def control() -> FakeControl:
    control = FakeControl()
    control.add(record("users"))
    return control


@pytest.fixture
def page(browser: Any, control: FakeControl) -> Iterator[Any]:
    """The dashboard."""
    stopping = threading.Event()
    app = create_web_app(control, token="t", gate=GateSettings(), stopping=stopping)
    server = DevHTTPServer(
        app.wsgi_app, host="127.0.0.1", port=0, stopping=stopping, wake=control.journal.wake
    )
    server.serve()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(10_000)
    with page.expect_response("**/api/canaries"):
        page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#loading", state="hidden")
    yield page
    context.close()
    server.stop(1)


def begin(control: FakeControl, **more: Any) -> None:
    control.canaries.running = [running(**more)]
    control.journal.tell("plugins", plugins=["users"])


def test_one_is_shown_while_it_runs_with_what_both_versions_answered(
    page: Any, control: FakeControl
) -> None:
    assert page.is_hidden("#canaries")
    begin(control, plugins=["users", HOSTILE], sticky=True)
    page.wait_for_selector(".canary")
    assert page.inner_text(".canary h3").startswith(f"users with {HOSTILE}")
    assert "sticky" in page.inner_text(".canary h3")
    assert page.inner_text('[data-side="new"]').split("\n")[1:] == [
        "3 requests", "0 failed · 0.0 %"
    ]  # fmt: skip
    assert page.inner_text('[data-side="old"]').startswith("Serving g7")
    assert page.get_attribute(".share", "aria-label") == "10 % of the requests go to g8"
    bar = "width => document.querySelector('.share span').offsetWidth / width"
    whole = page.evaluate("document.querySelector('.share').offsetWidth")
    page.wait_for_function(f"whole => Math.abs(({bar})(whole) - 0.1) < 0.02", arg=whole)
    control.canaries.running = [running(requests=10, errors=2)]
    page.wait_for_selector('[data-failing="true"] >> text="2"')
    assert "10 of 20 requests" in page.inner_text(".until")
    control.canaries.running = []
    page.wait_for_selector("#canaries", state="hidden")


@pytest.mark.parametrize(("button", "word"), [("Promote", "promote"), ("Roll back", "abort")])
def test_its_buttons_end_it(page: Any, control: FakeControl, button: str, word: str) -> None:
    control.on_reload = lambda name: outcome(name)
    begin(control)
    with page.expect_response(f"**/api/plugins/users/canary/{word}"):
        page.get_by_role("button", name=f"{button} users").click()
    assert control.canaries.calls == [("end", "users", word)]


def test_one_that_cannot_be_ended_says_why(page: Any, control: FakeControl) -> None:
    def refuse(name: str) -> Any:
        raise CanaryRefused(f"plugin {name!r} has no canary", hint="begin one", reasons=())

    control.on_reload = refuse
    begin(control)
    page.get_by_role("button", name="Promote users").click()
    page.wait_for_selector(".toast >> text=\"plugin 'users' has no canary\"")
