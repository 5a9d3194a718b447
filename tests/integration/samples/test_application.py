"""An application as printed, which manages plugins."""

from __future__ import annotations

import asyncio
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.samples.conftest import SAMPLES

pytest.importorskip("starlette")


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names of the application's module; the application is closed in the end."""
    for name in ("analytics", "notifications", "test_plugin"):
        shutil.copytree(SAMPLES / "plugins" / name, tmp_path / "plugins" / name)
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(SAMPLES / "application.py"))
    yield names
    names["app"].close()


def test_it_enables_plugins_at_its_start(
    printed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    client = printed["app"].test_client()
    assert client.get("/analytics/").status_code == 200
    assert (
        "Active plugins: ['analytics', 'notifications', 'test_plugin']" in capsys.readouterr().out
    )


def test_it_enables_one_after_checks_of_its_own(
    printed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    app = printed["app"]
    assert app.plugin_manager.disable_plugin("test_plugin")
    assert asyncio.run(printed["enable_with_validation"]("test_plugin")) is True
    assert "Registered 1 routes" in capsys.readouterr().out
    with pytest.raises(ValueError, match="Plugin nobody not found"):
        asyncio.run(printed["enable_with_validation"]("nobody"))


def test_it_enables_one_within_a_time_limit(printed: dict[str, Any]) -> None:
    app = printed["app"]
    assert app.plugin_manager.disable_plugin("test_plugin")
    assert asyncio.run(printed["safe_plugin_enable"]("test_plugin")) is True
    assert asyncio.run(printed["safe_plugin_enable"]("nobody")) is False
    assert asyncio.run(printed["enable_plugin_gracefully"]("test_plugin")) is True
    assert app.plugin_manager.disable_plugin("test_plugin")
    assert asyncio.run(printed["enable_plugin_gracefully"]("test_plugin")) is True


def test_it_watches_over_plugins(
    printed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    app = printed["app"]
    assert app.plugin_manager.disable_plugin("test_plugin")

    async def a_look() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(printed["monitor_plugins"](app), timeout=0.05)

    asyncio.run(a_look())
    assert "Plugins: 2/3 enabled, 2 routes active" in capsys.readouterr().out


def test_it_gives_a_part_of_the_requests_to_a_fallback(printed: dict[str, Any]) -> None:
    app = printed["app"]
    asyncio.run(printed["controlled_plugin_rollout"]("analytics", percentage=-1.0))
    bearer = {"Authorization": f"Bearer {app.token}"}
    client = app.test_client()
    held_back = client.get("/api/plugins/analytics/info", headers=bearer)
    assert (held_back.status_code, held_back.json) == (503, {"error": "Feature not available"})
    assert client.get("/analytics/").status_code == 200
