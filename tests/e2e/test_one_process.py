"""One process serves a project at a time: the development server, or an application."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver import create_app
from devserver.core.errors import DevServerError
from tests.e2e.running import Running, sysctl
from tests.integration.lab import plugin


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "users.py").write_text(plugin("users"))
    return tmp_path


def test_an_application_does_not_start_beside_the_server(project: Path) -> None:
    server = Running(project)
    try:
        server.wait_for("ready")
        app = create_app(project)
        with pytest.raises(DevServerError, match="another process serves this project") as caught:
            app.start()
        assert f"process {server.process.pid}" in caught.value.message
    finally:
        server.close()
    with app:  # the system let go of the lock with the killed process
        assert app.hot_reload_manager.get_active_plugins() == ["users"]


def test_the_server_does_not_start_beside_an_application(project: Path) -> None:
    with create_app(project):
        done = sysctl(project, "dev", "server", "--port", "0")
    assert done.returncode == 1
    assert "another process serves this project already" in done.stderr
    assert "Traceback" not in done.stderr
