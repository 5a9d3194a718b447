"""PluginTestCase: an application for each test, in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

import pytest

import devserver
from devserver import PluginStatus
from devserver.core.errors import DevServerError, ProjectNotFound
from devserver.sdk.testing import PluginTestCase


@pytest.fixture(autouse=True, scope="module")
def _project(shop: Path) -> None:
    Shop.project = shop


class Shop(PluginTestCase):
    """What the tests below have in common."""


class TestApplication(Shop):
    async def test_plugins_are_out_of_service_until_they_are_enabled(self) -> None:
        app = self.create_test_app()
        assert app.hot_reload_manager.get_active_plugins() == []
        assert list(app.plugin_manager.plugins) == ["broken", "notes", "orders", "users"]
        assert app.plugin_manager.get_plugin_status("users") is PluginStatus.DISABLED
        assert await app.plugin_manager.enable_plugin("users")
        assert app.hot_reload_manager.get_active_plugins() == ["users"]

    async def test_the_client_is_asked_with_await(self) -> None:
        client = self.create_test_client(self.create_test_app(enabled=["users"]))
        answer = await client.post(
            "/users/echo", json={"a": 1}, headers={"X-Sent": "yes"}, params={"q": 2}
        )
        assert answer.status_code == 200
        assert answer.json() == {"data": {"a": 1}, "header": "yes", "q": "2"}
        for ask in (client.put, client.patch, client.delete):
            method = (await ask("/users/method")).json()["method"]
            assert method.lower() == ask.__name__
        assert (await client.get("/nothing")).status_code == 404

    async def test_the_client_may_control(self) -> None:
        client = self.create_test_client()
        assert (await client.post("/api/plugins/users/enable")).status_code == 200
        assert (await client.get("/users/hit")).json() == {"hits": 1}
        assert (await client.post("/admin/plugins/users/reload")).json()["status"] == "reloaded"
        assert (await client.get("/users/hit")).json() == {"hits": 2}

    async def test_what_cannot_be_enabled_fails_the_test_and_says_where(self) -> None:
        with pytest.raises(AssertionError, match=r"plugins/broken\.py:1.*SYN"):
            self.create_test_app(enabled=["broken"])

    async def test_a_second_application_waits_for_the_end_of_the_first(self) -> None:
        first = self.create_test_app()
        with pytest.raises(DevServerError, match="run in this process") as caught:
            self.create_test_app()
        assert "close the other application first" in (caught.value.hint or "")
        first.close()
        self.create_test_app()

    async def test_a_project_that_is_not_there_is_said(self) -> None:
        with pytest.raises(ProjectNotFound):
            self.create_test_app(project="/nowhere")


class TestOptions(Shop):
    enabled = ("users", "orders")
    config = {"users": {"limit": 3}}  # noqa: RUF012 - as an author writes it

    async def test_what_the_class_says_holds_for_each_test(self) -> None:
        app = self.create_test_app()
        assert app.hot_reload_manager.get_active_plugins() == ["orders", "users"]
        users: Any = app.plugin_host.registry.view.generation("users")
        assert users.plugin.limit == 3

    async def test_no_database_is_there_unless_it_is_asked_for(self) -> None:
        with pytest.raises(AssertionError, match="this test host has no database"):
            self.create_test_app(enabled=["notes"])


def test_a_database_goes_with_the_test() -> None:
    found: list[Path] = []

    class Case(Shop):
        database = True

        async def runTest(self) -> None:
            app = self.create_test_app(enabled=["notes"])
            file = app.plugin_host.store.database.address.file
            assert file is not None
            assert file.exists()
            found.append(file)

    assert unittest.TextTestRunner(verbosity=0).run(Case()).wasSuccessful()
    assert not found[0].parent.exists()


def test_nothing_is_written_to_the_project(shop: Path) -> None:
    assert sorted(p.name for p in shop.iterdir()) == ["plugins"]


def test_a_test_has_its_host_in_milliseconds(shop: Path) -> None:
    class Case(Shop):
        def runTest(self) -> None:
            self.create_test_app(enabled=["users"])

    spent = []
    for _ in range(5):
        began = time.perf_counter()
        assert unittest.TextTestRunner(verbosity=0).run(Case()).wasSuccessful()
        spent.append(time.perf_counter() - began)
    assert min(spent) < 2, "about 0.05 s on an idle machine; a real start takes longer than that"


def test_tests_run_without_pytest_and_find_their_project(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "hello"
    (folder / "tests").mkdir(parents=True)
    (folder / "plugin.py").write_text(
        "from devserver.sdk import BasePlugin\n"
        "class Hello(BasePlugin):\n    name = 'hello'\n    version = '1'\n"
    )
    (folder / "tests" / "test_hello.py").write_text(
        "from devserver.sdk.testing import PluginTestCase\n"
        "class TestHello(PluginTestCase):\n"
        "    async def test_it(self):\n"
        "        assert await self.create_test_app().plugin_manager.enable_plugin('hello')\n"
    )
    where = str(Path(devserver.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest", "discover", "-s", folder / "tests"],
        env={**os.environ, "PYTHONPATH": where},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "OK" in done.stderr) == (0, True), done.stderr
