"""The pytest fixture plugin_host."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import devserver
from devserver.core.errors import CommandNotFound, PluginNotFound
from devserver.sdk.testing import PluginTestHost

ROOT = Path(devserver.__file__).parents[1]


@pytest.fixture(autouse=True)
def _in_the_shop(shop: Path, request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.plugin_host(project=shop))


def test_plugins_answer_once_they_are_enabled(plugin_host: PluginTestHost) -> None:
    assert plugin_host.get("/users/hit").status_code == 503
    plugin_host.enable("users", "orders")
    assert plugin_host.get("/users/hit").json() == {"hits": 1}
    assert plugin_host.post("/users/echo", json={"a": 1}).json()["data"] == {"a": 1}
    assert plugin_host.plugin("users").hits == 1
    assert not plugin_host.disable("users")
    assert plugin_host.disable("orders")
    with pytest.raises(LookupError, match="not in service"):
        plugin_host.plugin("orders")
    with pytest.raises(PluginNotFound):
        plugin_host.enable("nobody")


@pytest.mark.plugin_host(enabled=["users"], config={"users": {"limit": 5}})
def test_a_mark_says_what_runs(plugin_host: PluginTestHost) -> None:
    assert plugin_host.plugin("users").limit == 5
    assert plugin_host.run("users", "add", a=1, b=2) == 3
    with pytest.raises(CommandNotFound):
        plugin_host.run("users", "nothing")
    reloaded = plugin_host.reload("users")
    assert reloaded
    assert reloaded.outcome is not None
    assert reloaded.outcome.reloaded == ("users",)


@pytest.mark.plugin_host(enabled=["users"])
def test_tests_patch_by_dotted_names_what_runs(
    plugin_host: PluginTestHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.users.VERSION", 7)
    assert plugin_host.get("/users/version").json()["version"] == 7
    assert plugin_host.reload("users")
    import plugins.users  # type: ignore[import-not-found]

    assert plugins.users.VERSION == 1
    assert plugins.users is sys.modules["plugins.users"]
    assert not hasattr(sys.modules["plugins"], "orders")


@pytest.mark.plugin_host(enabled="users")
def test_one_name_is_a_name(plugin_host: PluginTestHost) -> None:
    assert plugin_host.get("/users/hit").status_code == 200


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (pytest.mark.plugin_host(enable=["users"]), "but not enable"),
        (pytest.mark.plugin_host("users"), "but not 'users'"),
        (pytest.mark.plugin_host(config={"usres": {}}), "no plugin named 'usres'"),
    ],
)
def test_a_mark_that_is_wrong_says_so(
    request: pytest.FixtureRequest, mark: pytest.MarkDecorator, told: str
) -> None:
    request.node.add_marker(mark)
    with pytest.raises((pytest.fail.Exception, PluginNotFound), match=told):
        request.getfixturevalue("plugin_host")


def test_it_is_there_wherever_the_product_is_installed() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert told["pytest11"] == {"devserver.sdk.testing": "devserver.sdk.testing"}


def test_the_settings_of_this_repository_need_pytest_alone() -> None:
    """Who tries the product in a checkout tests plugins with what is installed then."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert set(settings) == {"testpaths", "addopts", "filterwarnings", "markers"}


def test_an_authors_test_beside_the_plugin_uses_it(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "hello"
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text(
        "from devserver.sdk import BasePlugin\n"
        "class Hello(BasePlugin):\n    name = 'hello'\n    version = '1'\n"
        "    def register_routes(self, app, router):\n"
        "        router.get('/')(lambda: 'hi')\n"
    )
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["devserver.sdk.testing"]\n')
    (folder / "test_hello.py").write_text(
        "def test_it(plugin_host):\n"
        "    plugin_host.enable('hello')\n"
        "    assert plugin_host.get('/hello/').text == 'hi'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout
