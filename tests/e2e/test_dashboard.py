"""The dashboard in a real browser, in front of a real server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "web"))
sync_api = pytest.importorskip("playwright.sync_api")
from web_fakes import SYNTAX, FakeControl, outcome, record  # noqa: E402 - the path comes first

from devserver.core.lifecycle import PluginStatus  # noqa: E402
from devserver.core.outcome import Result, StateReport, Step  # noqa: E402
from devserver.runtime.registry import Edge  # noqa: E402
from devserver.web.app import create_web_app  # noqa: E402
from devserver.web.gatekeeper import GateSettings  # noqa: E402
from devserver.web.server import DevHTTPServer  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]


def serve(control: FakeControl, port: int = 0) -> DevHTTPServer:
    stopping = threading.Event()
    app = create_web_app(control, token="t", gate=GateSettings(), stopping=stopping)
    server = DevHTTPServer(
        app.wsgi_app,
        host="127.0.0.1",
        port=port,
        stopping=stopping,
        wake=control.journal.wake,
    )
    server.serve()
    return server


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
    """A page; at the end it must not have met an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.errors = errors
    yield page
    context.close()
    assert [e for e in errors if "ERR_CONNECTION_REFUSED" not in e] == []


@pytest.fixture
def control() -> FakeControl:
    control = FakeControl()
    control.add(
        record("orders"),
        record("users"),
        edges=(Edge(source="orders", target="users", kind="imported"),),
    )
    return control


@pytest.fixture
def server(control: FakeControl) -> Iterator[DevHTTPServer]:
    server = serve(control)
    yield server
    server.stop(1)


def visit(page: Any, server: DevHTTPServer) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#connection[data-state=live]")
    page.wait_for_selector("#loading", state="hidden")


def row(name: str) -> str:
    return f'#rows tr[data-key="{name}"]'


def test_the_table_shows_what_is_known_of_each_plugin(page: Any, server: DevHTTPServer) -> None:
    visit(page, server)
    text = page.inner_text(row("orders"))
    for part in ("orders", "1.2.0", "active", "g3", "users"):
        assert part in text
    assert page.inner_text("#watch") == "watching · native"
    assert page.inner_text("#counts").split() == ["plugins", "2", "serving", "2", "routes", "4"]
    assert page.is_hidden("#problems")


def test_a_reload_appears_by_itself_and_is_announced(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    visit(page, server)
    control.journal.tell("started", plugins=["users"], trigger="file", changes=["a.py"])
    page.wait_for_selector('.entry[data-result="running"]')
    control.add(record("users", generation_number=9))
    control.journal.record(outcome("users", generation=9, previous_generation=8))
    page.wait_for_selector('.entry[data-result="reloaded"]')
    page.wait_for_selector(f'{row("users")} >> text="g9"')
    assert page.query_selector('.entry[data-result="running"]') is None
    assert "g8 → g9" in page.inner_text(".entry")
    assert page.text_content("#announcer") == "users: reloaded in 41 ms"
    control.journal.tell("disposed", outcome=1, step=Step(name="dispose", ms=3).to_json())
    page.click(".entry summary")
    page.wait_for_selector('.steps >> text="dispose"')
    told = page.inner_text(".told")
    assert "count" in told
    assert "greeting" in told


def test_state_that_a_reload_lost_is_named_without_unfolding_it(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    visit(page, server)
    lost = StateReport(kept=("count",), lost=("cache", "orders.store:sessions"))
    control.journal.record(outcome("users", state=lost))
    page.wait_for_selector('.entry[data-result="reloaded"]')
    assert "State lost: cache, orders.store:sessions" in page.inner_text(".entry summary")


def test_a_refused_change_shows_its_code_frame_until_it_is_fixed(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    visit(page, server)
    control.add(record("orders", pending=True, diagnostics=(SYNTAX,), reason="refused"))
    refused = outcome(
        "orders", Result.REJECTED, diagnostics=(SYNTAX,), message="'(' was never closed"
    )
    control.journal.record(refused)
    page.wait_for_selector(".problem")
    problem = page.inner_text(".problem")
    for part in (
        "SYN001",
        "plugins/orders/plugin.py:12:10",
        "close the parenthesis",
        "g3 is still",
    ):
        assert part in problem
    assert page.text_content(".problem mark") == " = sum(pri"
    assert page.text_content(".problem .at") == "12"
    assert page.title().startswith("(1) ")
    assert page.inner_text(f"{row('orders')} .badge") == "refused"
    assert page.text_content("#announcer") == "orders: '(' was never closed"
    control.add(record("orders", generation_number=4))
    control.journal.record(outcome("orders"))
    page.wait_for_selector("#problems", state="hidden")
    assert page.title() == "shop · dev server"


def test_a_failed_plugin_says_that_nothing_serves(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    control.add(record("orders", PluginStatus.FAILED, diagnostics=(SYNTAX,)))
    visit(page, server)
    assert "nothing is serving" in page.inner_text(".problem")
    assert page.inner_text("#rows tr:first-child .badge") == "failed"


def test_the_reload_button_reloads_by_keyboard_too(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    visit(page, server)
    page.focus(f"{row('users')} button")
    page.keyboard.press("Enter")
    page.wait_for_selector('.entry[data-result="reloaded"]')
    assert control.reload_calls == [("users", True, "api")]
    page.wait_for_selector(f"{row('users')} button[aria-busy=false]")
    assert page.evaluate("document.activeElement.closest('tr').dataset.key") == "users"


def test_a_disabled_plugin_has_a_button_that_enables_it(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    control.add(record("users", PluginStatus.DISABLED))
    visit(page, server)
    assert page.inner_text(f"{row('users')} .badge") == "disabled"
    assert page.get_attribute(f"{row('users')} button", "aria-label") == "Enable users"
    page.click(f"{row('users')} button")
    page.wait_for_selector('.entry[data-result="reloaded"]')
    assert control.reload_calls == [("users", False, "api enable")]


def test_what_was_disabled_is_told_as_that(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    control.journal.record(outcome("users", deed="disabled"))
    visit(page, server)
    assert page.inner_text(".entry .word") == "disabled"


def test_a_reload_that_cannot_be_is_told(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    visit(page, server)
    control.registry.publish(remove=("users",))
    page.click(f"{row('users')} button")
    page.wait_for_selector(".toast[role=alert]")
    assert "Plugin not found" in page.inner_text(".toast")
    page.errors.clear()  # the browser itself reports the 404


def test_what_plugins_say_is_text_and_never_markup(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    evil = replace(SYNTAX, message=HOSTILE, hint=HOSTILE, file=HOSTILE, source_lines=(HOSTILE,))
    evil = replace(evil, traceback=HOSTILE, code=HOSTILE)
    control.add(
        record(HOSTILE, PluginStatus.FAILED, reason=HOSTILE, diagnostics=(evil,)),
        edges=(Edge(source=HOSTILE, target=HOSTILE, kind="imported"),),
    )
    control.journal.record(
        outcome(
            HOSTILE,
            Result.ROLLED_BACK,
            error=HOSTILE,
            message=HOSTILE,
            notes=(HOSTILE,),
            changes=(HOSTILE,),
            diagnostics=(evil,),
        )
    )
    visit(page, server)
    page.click(".entry summary")
    page.wait_for_selector(".told .facts")
    control.journal.tell("notice", level="error", message=HOSTILE, hint=HOSTILE)
    page.wait_for_selector(".toast")
    assert (
        page.evaluate("document.querySelectorAll('main img, main script, .toast img').length") == 0
    )
    assert page.title() == "(1) shop · dev server"
    assert page.inner_text(f"{row('users')} .badge") == "active"


def test_the_filter_is_a_key_away(page: Any, server: DevHTTPServer) -> None:
    visit(page, server)
    page.keyboard.press("/")
    page.keyboard.type("use")
    page.wait_for_selector(row("orders"), state="detached")
    assert page.inner_text("#plugins-tally") == "1 of 2"
    page.keyboard.press("Escape")
    page.wait_for_selector(row("orders"))
    page.keyboard.type("x")
    assert page.input_value("#filter") == ""


def test_it_comes_back_when_the_server_does(
    page: Any, server: DevHTTPServer, control: FakeControl
) -> None:
    visit(page, server)
    control.journal.record(outcome("orders"))
    page.wait_for_selector('.entry[data-result="reloaded"]')
    server.stop(1)
    page.wait_for_selector("#connection[data-state=lost]")
    other = FakeControl()
    other.started_at = control.started_at + 60
    other.add(record("fresh"))
    again = serve(other, server.port)
    try:
        page.wait_for_selector("#connection[data-state=live]")
        page.wait_for_selector(row("fresh"))
        page.wait_for_selector(row("orders"), state="detached")
        page.wait_for_selector('.entry[data-result="reloaded"]', state="detached")
    finally:
        again.stop(1)


@pytest.mark.parametrize("width", [360, 390, 820, 1280])
def test_two_hundred_plugins_fit_any_width(
    page: Any, server: DevHTTPServer, control: FakeControl, width: int
) -> None:
    control.add(*(record(f"plugin-{number:03}-{'x' * 40}") for number in range(200)))
    long = replace(SYNTAX, message="W" * 5000, source_lines=("y" * 2000,))
    control.add(record("orders", PluginStatus.FAILED, reason="z" * 3000, diagnostics=(long,)))
    page.set_viewport_size({"width": width, "height": 800})
    visit(page, server)
    assert page.locator("#rows tr").count() == 202
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_plugins_it_says_how_to_begin(page: Any) -> None:
    server = serve(FakeControl())
    try:
        visit(page, server)
        assert "sysctl dev plugin create" in page.inner_text("#no-plugins")
        assert "No reloads yet" in page.inner_text("#timeline")
    finally:
        server.stop(1)
