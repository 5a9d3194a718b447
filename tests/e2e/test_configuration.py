"""A plugin is configured on the command line, over HTTP and in files, with a real server."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.e2e.running import Running, fetch, sysctl
from tests.integration.configuration.plugins import manifest, taking
from tests.integration.lab import wait_for

SECRET = "hunter2-hunter3"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins" / "users"
    folder.mkdir(parents=True)
    (tmp_path / "config").mkdir()
    (folder / "plugin.py").write_text(taking())
    (folder / "manifest.json").write_text(manifest())
    return tmp_path


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    running = Running(project)
    yield running
    running.close()


def put(url: str, body: dict[str, Any]) -> Any:
    request = Request(f"{url}plugins/config?plugin=users", json.dumps(body).encode(), method="PUT")
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_configuration_from_end_to_end(project: Path, server: Running) -> None:
    url = str(server.wait_for("ready")["url"])
    done = sysctl(project, "plugins", "config", "users", "set", "interval", "7", "api_key", SECRET)
    assert done.returncode == 0, done.stderr
    assert fetch(url, "/users/seen") == {"seen": [[5, 7, 7]], "limit": 7}
    assert sysctl(project, "plugins", "config", "users", "set", "interval", "99").returncode == 5
    answer = put(url, {"interval": None, "mode": "fast"})
    assert answer.pop("timestamp") > 0
    message = "Configuration updated and plugin reloaded"
    assert answer == {"plugin": "users", "status": "success", "message": message}
    (project / "config" / "plugins.yaml").write_text("users:\n  interval: 9\n")
    wait_for(lambda: fetch(url, "/users/seen")["limit"] == 9, "the file")
    config = fetch(url, "/plugins/config?plugin=users")["config"]
    assert config == {"interval": 9, "mode": "fast", "api_key": "***"}
    shown = sysctl(project, "plugins", "config", "users").stdout
    assert "config/plugins.yaml:2 (project)" in shown
    code, _, errors = server.end(signal.SIGKILL)
    assert code != 0
    assert SECRET not in json.dumps(server.events) + shown + done.stdout + errors
    again = Running(project)
    try:
        url = str(again.wait_for("ready")["url"])
        found = fetch(url, "/users/config")
        assert found == {"interval": 9, "mode": "fast", "api_key": SECRET}
    finally:
        again.close()
