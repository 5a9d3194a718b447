"""The table of events on the dashboard, in a real browser."""

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

from devserver.runtime.event_log import Delivery  # noqa: E402
from devserver.sdk.context import Event  # noqa: E402
from devserver.web.app import create_web_app  # noqa: E402
from devserver.web.gatekeeper import GateSettings  # noqa: E402
from devserver.web.server import DevHTTPServer  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = "<img src=x onerror=document.title=1>"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]


@pytest.fixture
def control() -> FakeControl:
    control = FakeControl()
    control.add(record("orders"), record("mailer"))
    return control


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, control: FakeControl) -> Iterator[Any]:
    stopping = threading.Event()
    app = create_web_app(control, token="t", gate=GateSettings(), stopping=stopping)
    server = DevHTTPServer(
        app.wsgi_app, host="127.0.0.1", port=0, stopping=stopping, wake=control.journal.wake
    )
    server.serve()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"http://127.0.0.1:{server.port}/?token=t")
    yield page
    context.close()
    stopping.set()
    server.stop(1)
    assert errors == []


def publish(control: FakeControl, number: int, *results: str) -> None:
    event = Event(topic="order.placed", plugin="orders", time=1_700_000_000, id=number)
    control.events.published(event, {"note": HOSTILE}, listeners=len(results))
    for result in results:
        had = Delivery(plugin="mailer", listener="Mailer.on", result=result, ms=1, error=HOSTILE)
        control.events.delivered(event, had)


def test_events_appear_as_they_are_published_and_trouble_is_counted(
    control: FakeControl, page: Any
) -> None:
    page.wait_for_selector("#rows tr")
    assert page.locator("#messages").is_hidden()
    publish(control, 1, "delivered")
    page.wait_for_selector("#message-rows tr")
    cells = page.locator("#message-rows tr > *").all_inner_texts()
    assert [cells[0], cells[2], cells[3]] == ["order.placed", "orders", "mailer"]
    assert HOSTILE in cells[4]
    publish(control, 2, "hung")
    page.wait_for_selector("#message-rows tr:nth-child(2)")
    assert page.locator("#messages-tally").inner_text() == "1 of 2 with trouble"
    assert page.locator("#message-rows .need").first.inner_text() == "mailer hung"
    assert page.locator("#message-rows img").count() == 0
