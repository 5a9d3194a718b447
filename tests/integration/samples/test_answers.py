"""The answers of the API, literally as documents of other plugin hosts print them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devserver import EmbeddedApp, create_app
from devserver.sdk.testing import Answer, PluginTestClient
from tests.integration.lab import plugin

ROUTES = """
@router.route("/users", methods=["GET", "POST"])
def list_users():
    '''List all users'''
    return []
"""
CONFIG = """
ratelimit-geo:
  enabled: true
  geoip_database_path: /usr/share/GeoIP/GeoLite2-City.mmdb
"""


class Printed:
    """An application with some plugins, asked as the documents ask."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "plugins").mkdir(parents=True)
        (root / "config").mkdir()
        (root / "config" / "plugins.yaml").write_text(CONFIG)
        self.app: EmbeddedApp = create_app(root, hot_reload=False)
        self.client = PluginTestClient(self.app)

    def write(self, *names: str, **parts: str) -> None:
        for name in names:
            (self.root / "plugins" / f"{name}.py").write_text(
                plugin(name, **parts).replace(
                    f"class {name.title()}", f"class {name.title().replace('-', '')}"
                )
            )

    def get(self, path: str) -> Any:
        answer = self.client.ask("GET", path)
        assert answer.status_code == 200, answer
        return answer.json()

    def post(self, path: str, status: int = 200) -> Any:
        answer: Answer = self.client.ask("POST", path)
        assert answer.status_code == status, answer
        return answer.json()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Printed]:
    host = Printed(tmp_path / "hockeypuck")
    yield host
    host.app.close()


def stamped(document: dict[str, Any], *times: str) -> dict[str, Any]:
    """The document with 1751731600 where it has the present time, in whole seconds."""
    for name in ("timestamp", *times):
        assert isinstance(document[name], int)
        assert abs(document[name] - time.time()) < 60
        document[name] = 1751731600
    return document


# -- /api ----------------------------------------------------------------------------------------


def test_enabling_and_disabling(host: Printed) -> None:
    host.write("my_plugin", routes=ROUTES)
    assert (
        host.post("/api/plugins/my_plugin/disable").items()
        >= {
            "message": "Plugin my_plugin disabled successfully",
            "routes_affected": 3,
        }.items()
    )
    assert (
        host.post("/api/plugins/my_plugin/enable").items()
        >= {
            "message": "Plugin my_plugin enabled successfully",
            "routes_affected": 3,
        }.items()
    )


def test_the_status_of_hot_reload(host: Printed) -> None:
    host.write("user_management", "analytics")
    found = host.get("/api/hot-reload/status")
    expected = json.loads(
        """
        {
          "active_plugins": ["user_management", "analytics"],
          "total_active": 2,
          "status": "operational"
        }
        """
    )
    assert sorted(found.pop("active_plugins")) == sorted(expected.pop("active_plugins"))
    assert found.items() >= expected.items()


def test_the_routes_of_a_plugin(host: Printed) -> None:
    host.write("user_management", routes=ROUTES)
    found = host.get("/api/plugins/user_management/info")
    expected = json.loads(
        """
        {
          "path": "/users",
          "methods": ["GET", "POST"],
          "name": "list_users",
          "summary": "List all users"
        }
        """
    )
    assert set(found["routes"]) == {"count", "details"}
    assert found["routes"]["count"] == len(found["routes"]["details"]) == 3
    assert expected in found["routes"]["details"]


def test_the_list_of_plugins(host: Printed) -> None:
    host.write("my_plugin")
    (row,) = host.get("/api/plugins")
    assert row["name"] == "my_plugin"
    assert row["version"] == "1.0.0"
    assert row["status"] == "active"
    assert row["last_loaded"].startswith("20")


def test_the_status_of_a_plugin(host: Printed) -> None:
    host.write("my_plugin", body='def initialize(self): self.register_command("count", len)')
    found = host.get("/api/plugins/my_plugin/status")
    assert (
        found.items()
        >= {
            "name": "my_plugin",
            "version": "1.0.0",
            "status": "active",
            "commands": ["count"],
            "reload_count": 0,
        }.items()
    )
    assert found["health"]["status"] == "healthy"
    assert "T" in found["last_loaded"]
    unknown = host.client.ask("GET", "/api/plugins/nobody/status")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "Plugin not found")


def test_a_reload_and_what_there_is_to_ask_besides(host: Printed) -> None:
    host.write("my_plugin")
    outcome = host.post("/api/plugins/my_plugin/reload")
    assert outcome["success"] is True
    assert outcome["message"] == "Plugin my_plugin reloaded successfully"
    assert outcome["error"] is None
    host.write("another")
    assert host.post("/api/plugins/discover") == {
        "discovered": ["another", "my_plugin"],
        "total": 2,
    }
    summary = host.get("/api/plugins/status/summary")
    assert (summary["total"], summary["by_status"]) == (2, {"active": 2})
    assert host.get("/api/hot-reload/plugins/my_plugin/info")["generation"] == 2


# -- /admin ----------------------------------------------------------------------------------------


def test_administration(host: Printed) -> None:
    host.write("powertable", "reports")
    host.post("/admin/plugins/reports/disable")
    assert host.get("/admin/plugins") == {
        "available": ["powertable", "reports"],
        "loaded": ["powertable"],
    }
    assert host.post("/admin/plugins/reports/enable") == {"status": "enabled", "name": "reports"}
    assert host.post("/admin/plugins/powertable/reload") == {
        "status": "reloaded",
        "name": "powertable",
    }
    assert host.post("/admin/plugins/reports/disable") == {
        "status": "disabled",
        "name": "reports",
    }


# -- /plugins --------------------------------------------------------------------------------------


def test_the_status_of_the_system(host: Printed) -> None:
    host.write("ratelimit-geo", "zerotrust")
    found = stamped(host.get("/plugins/status"))
    assert found.pop("uptime").endswith("s")
    assert found["plugin_system"].pop("plugin_dir") == f"{host.root}/plugins"
    assert found == json.loads(
        """
        {
          "plugin_system": {
            "enabled": true,
            "total_plugins": 2,
            "active_plugins": 2,
            "active_requests": 0,
            "plugin_states": {
              "ratelimit-geo": "active",
              "zerotrust": "active"
            }
          },
          "health_status": {
            "healthy_count": 2,
            "unhealthy_count": 0,
            "total_count": 2,
            "overall_status": "healthy"
          },
          "timestamp": 1751731600
        }
        """
    )


def test_the_detailed_list(host: Printed) -> None:
    host.write("ratelimit-geo")
    found = stamped(host.get("/plugins/list"))
    health = found["plugins"][0]["health"]
    assert abs(health["last_check"] - time.time()) < 60
    health["last_check"] = 1751731600
    assert found == json.loads(
        """
        {
          "plugins": [
            {
              "name": "ratelimit-geo",
              "status": "active",
              "health": {
                "status": "healthy",
                "state": "active",
                "last_check": 1751731600,
                "checks": {
                  "active_requests": 0
                }
              }
            }
          ],
          "total_count": 1,
          "timestamp": 1751731600
        }
        """
    )


def test_the_health_of_all(host: Printed) -> None:
    host.write("ratelimit-geo")
    found = stamped(host.get("/plugins/health"))
    found["plugins"]["ratelimit-geo"]["last_check"] = 1751731600
    assert found == json.loads(
        """
        {
          "overall_status": "healthy",
          "plugins": {
            "ratelimit-geo": {
              "status": "healthy",
              "state": "active",
              "last_check": 1751731600,
              "checks": {
                "active_requests": 0
              }
            }
          },
          "timestamp": 1751731600
        }
        """
    )


def test_a_reload_with_draining(host: Printed) -> None:
    host.write("ratelimit-geo")
    assert stamped(host.post("/plugins/reload?plugin=ratelimit-geo")) == json.loads(
        """
        {
          "plugin": "ratelimit-geo",
          "status": "success",
          "message": "Plugin reloaded successfully with graceful draining",
          "timestamp": 1751731600
        }
        """
    )


def test_every_key_stands_in_the_printed_order(host: Printed) -> None:
    host.write("ratelimit-geo")
    assert list(host.get("/plugins/status")) == [
        "plugin_system",
        "health_status",
        "uptime",
        "timestamp",
    ]
    assert list(host.post("/admin/plugins/ratelimit-geo/reload")) == ["status", "name"]
