"""Plugins as printed: they load, answer, reload with their state and go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from devserver.cli.main import main
from devserver.sdk.testing import PluginTestHost
from tests.integration.lab import wait_for
from tests.integration.samples.conftest import SAMPLES

AWESOME = {"my_awesome_plugin": {"api_key": "k"}}
pytestmark = pytest.mark.plugin_host(project=SAMPLES, database=True)


def running(*names: str, **options: Any) -> pytest.MarkDecorator:
    return pytest.mark.plugin_host(enabled=names, **options)


@running("my_awesome_plugin", config=AWESOME)
def test_the_awesome_plugin_answers_and_counts(plugin_host: PluginTestHost) -> None:
    def act(action: str, **parameters: Any) -> Any:
        body = {"action": action, "parameters": parameters}
        return plugin_host.post("/my_awesome_plugin/action", json=body).json()

    echo = act("echo", message="hi")
    assert echo == {
        "success": True,
        "message": "Action 'echo' completed successfully",
        "result": {"echo": "hi"},
    }
    assert act("ping")["result"]["message"] == "pong"
    assert act("count")["result"] == {"current_count": 2}
    failed = act("dance")
    assert (failed["success"], failed["message"]) == (
        False,
        "Action failed: Unknown action: dance",
    )
    status = plugin_host.get("/my_awesome_plugin/status").json()
    assert status["plugin"] == "my_awesome_plugin"
    assert (status["initialized"], status["action_count"]) == (True, 3)
    assert status["last_action"]["action"] == "count"
    assert status["uptime"] >= 0
    health = plugin_host.get("/my_awesome_plugin/health").json()
    assert health["healthy"] is True
    assert health["components"]["actions"] == {"status": "healthy", "count": 3}
    assert health["metrics"]["actions_total"] == 3.0


@running("my_awesome_plugin", config=AWESOME)
def test_the_awesome_plugin_keeps_its_count_through_reloads(plugin_host: PluginTestHost) -> None:
    body = {"action": "ping"}
    plugin_host.post("/my_awesome_plugin/action", json=body)
    for _ in range(2):
        assert plugin_host.reload("my_awesome_plugin")
    assert plugin_host.get("/my_awesome_plugin/status").json()["action_count"] == 1
    services = plugin_host.client.ask("GET", "/api/plugins/my_awesome_plugin/info").json()
    assert services["services"] == ["my_awesome_plugin.api"]
    assert services["events"]["subscribes"] == ["system.maintenance", "user.created"]
    assert services["config"]["api_key"] == "***"


def test_the_awesome_plugin_does_not_start_without_its_key(plugin_host: PluginTestHost) -> None:
    switched = plugin_host.app.plugin_manager.enable_plugin("my_awesome_plugin")
    assert not switched
    assert "api_key" in f"{switched.message} {switched.outcome}"


@running("myplugin")
def test_the_plugin_with_a_service_and_migrations_answers(plugin_host: PluginTestHost) -> None:
    assert plugin_host.get("/myplugin/hello").json() == {"message": "Hello from MyPlugin!"}
    echoed = plugin_host.post("/myplugin/echo", json={"a": 1})
    assert echoed.json() == {"received": {"a": 1}}
    assert plugin_host.post("/myplugin/echo", json=[1]).status_code == 422
    echo = plugin_host.plugin("myplugin").get_service("myplugin.echo")
    assert echo(3) == 3
    info = plugin_host.get("/api/plugins/myplugin/info").json()
    assert info["permissions"] == [
        {"key": "myplugin:view", "description": "View myplugin"},
        {"key": "myplugin:edit", "description": "Edit myplugin"},
    ]
    with plugin_host.app.plugin_host.store.database.read() as connection:
        columns = [c["name"] for c in inspect(connection).get_columns("myplugin_items")]
    assert columns == ["id", "name", "created_at"]


@running("with_routes")
def test_a_module_of_routes_is_mounted(plugin_host: PluginTestHost) -> None:
    answer = plugin_host.get("/with_routes/hello").json()
    assert answer == {"plugin": "myplugin", "message": "Hello!"}


@running("resource_aware")
def test_one_that_looks_after_its_resources_has_one_of_each(plugin_host: PluginTestHost) -> None:
    def resources() -> Any:
        return plugin_host.get("/resource_aware/resources").json()

    wait_for(lambda: resources()["beats"] > 2, "the worker")
    old = plugin_host.plugin("resource_aware")
    (connection,), (task,) = old.connections, old.background_tasks
    beats = resources()["beats"]
    assert plugin_host.reload("resource_aware")
    wait_for(lambda: connection.closed and task.done(), "the end of the old ones")
    wait_for(lambda: resources()["beats"] > beats + 2, "the new worker")
    now = resources()
    assert (now["open"], now["tasks"]) == (1, 1)
    assert plugin_host.disable("resource_aware")


@running("hot_swap_friendly")
def test_one_that_is_made_for_swaps_has_one_worker_after_each(plugin_host: PluginTestHost) -> None:
    def work() -> Any:
        return plugin_host.get("/hot_swap_friendly/work").json()

    for _ in range(3):
        beats = work()["beats"]
        wait_for(lambda n=beats: work()["beats"] > n + 2, "the worker")
        assert plugin_host.reload("hot_swap_friendly")
        assert work()["tasks"] == 1
    assert work()["beats"] > beats, "what it counted is kept"
    last = plugin_host.plugin("hot_swap_friendly")
    (task,) = last._background_tasks
    assert plugin_host.disable("hot_swap_friendly")
    wait_for(task.done, "the end of the worker")


@running("administration")
def test_a_plugin_enables_another_one(plugin_host: PluginTestHost) -> None:
    assert not plugin_host.app.plugin_manager.get_plugin_status("analytics")
    assert plugin_host.post("/administration/enable/analytics").json() == {"success": True}
    assert plugin_host.get("/analytics/").json() == {"plugin": "analytics"}


def test_the_awesome_plugin_passes_its_own_tests(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plugins" / "my_awesome_plugin"
    shutil.copytree(SAMPLES / "plugins" / "my_awesome_plugin", folder)
    (folder / "tests").mkdir()
    shutil.copy(
        SAMPLES / "tests_of_my_awesome_plugin.py", folder / "tests" / "test_my_awesome_plugin.py"
    )
    code = main(
        ["dev", "plugin", "test", "my_awesome_plugin", "--json", "--project", str(tmp_path)]
    )
    told = capfd.readouterr()
    assert (code, json.loads(told.out)["passed"]) == (0, 6), told.err
