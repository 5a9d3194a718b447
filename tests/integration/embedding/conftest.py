"""A project whose plugins somebody else's application serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devserver import EmbeddedApp, create_app
from tests.integration.lab import plugin


def write_project(folder: Path) -> Path:
    """A project with the plugins users, and orders, which needs it."""
    root = folder / "shop"
    (root / "plugins" / "users").mkdir(parents=True)
    (root / "plugins" / "users" / "plugin.py").write_text(plugin("users"))
    (root / "plugins" / "orders.py").write_text(
        plugin("orders", top="from plugins.users.plugin import VERSION as USERS")
    )
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@pytest.fixture
def app(project: Path) -> Iterator[EmbeddedApp]:
    """Its application, which nothing has started yet."""
    app = create_app(project, title="My Shop", hot_reload=False)
    yield app
    app.close()
