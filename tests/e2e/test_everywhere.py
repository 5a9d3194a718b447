"""What goes wrong is told everywhere: in the terminal, by the API and on the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Running, fetch
from tests.integration.lab import plugin, wait_for

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]

FAULTS = {
    "a syntax error": (plugin("users", 2, top="def broken(:"), "SYN", "invalid syntax"),
    "a missing import": (plugin("users", 2, top="import no_such_module"), "IMP", "no_such_module"),
    "a raising module body": (plugin("users", 2, top="1 / 0"), "RUN", "ZeroDivisionError"),
    "a raising initialize": (
        plugin("users", 2, body="def initialize(self):\n    1 / 0"),
        "RUN",
        "ZeroDivisionError",
    ),
    "a False from initialize": (
        plugin("users", 2, body="def initialize(self):\n    return False"),
        "RUN",
        "returned False",
    ),
    "a failing health check": (
        plugin("users", 2, body="def health_check(self):\n    return False"),
        "RUN",
        "unhealthy",
    ),
    "an endless module body": (plugin("users", 2, top="while True: pass"), "RUN", "users"),
    "a module body that ends the process": (
        plugin("users", 2, top="import os; os._exit(3)"),
        "RUN",
        "users",
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """users ← orders, with a short time limit."""
    root = tmp_path_factory.mktemp("project")
    (root / "config").mkdir()
    (root / "config" / "hot-loading.yaml").write_text(
        "hot_loading:\n  reload:\n    timeout: 2\n  safety:\n    max_reload_attempts: 1\n"
    )
    for name, top in (("users", ""), ("orders", "from plugins.users.plugin import VERSION as V")):
        (root / "plugins" / name).mkdir(parents=True)
        (root / "plugins" / name / "plugin.py").write_text(plugin(name, 1, top=top))
    return root


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Running]:
    running = Running(project)
    running.wait_for("ready")
    yield running
    running.close()


@pytest.fixture(scope="module")
def page(project: Path, server: Running) -> Iterator[Any]:
    known = json.loads((project / "instance" / "server.json").read_text())
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(f"{known['url']}?token={known['token']}")
        page.wait_for_selector("#connection[data-state=live]")
        yield page
        browser.close()


@pytest.mark.parametrize(("broken", "code", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_everywhere_while_the_old_version_serves(
    project: Path, server: Running, page: Any, broken: str, code: str, words: str
) -> None:
    url = json.loads((project / "instance" / "server.json").read_text())["url"]
    path = project / "plugins" / "users" / "plugin.py"
    good = path.read_text()
    before = fetch(url, "/users/version")
    hits = fetch(url, "/users/hit")["hits"]
    told = len(server.events)

    path.write_text(broken)

    def record() -> Any:
        return fetch(url, "/api/plugins/users/info")

    wait_for(lambda: any(d["severity"] == "error" for d in record()["diagnostics"]), "the finding")
    (diagnostic, *_) = [d for d in record()["diagnostics"] if d["severity"] == "error"]
    assert diagnostic["code"].startswith(code)
    assert words in diagnostic["message"]
    assert fetch(url, "/users/version") == before
    assert fetch(url, "/users/hit") == {"hits": hits + 1}
    history = fetch(url, "/api/history?plugin=users&limit=1")[0]
    assert history["success"] is False
    assert diagnostic["message"] in {d["message"] for d in history["diagnostics"]}
    outcome = wait_for(
        lambda: next((e for e in server.events[told:] if e["kind"] == "outcome"), None),
        "the outcome in the terminal",
    )
    assert diagnostic["message"] in json.dumps(outcome["payload"], ensure_ascii=False)
    page.wait_for_selector(f"#problems >> text={diagnostic['code']}")
    assert diagnostic["message"] in page.inner_text("#problems")

    version = before["version"] + 1
    path.write_text(good.replace(f"VERSION = {before['version']}", f"VERSION = {version}"))
    wait_for(lambda: fetch(url, "/users/version")["version"] == version, "the fix")
    assert fetch(url, "/users/hit") == {"hits": hits + 2}
    wait_for(lambda: record()["diagnostics"] == [], "the end of the finding")
    page.wait_for_selector(f"#problems >> text={diagnostic['code']}", state="hidden")
