"""The real server in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Running
from tests.integration.lab import Lab


@pytest.fixture
def project(tmp_path: Path) -> Lab:
    """A project in a temporary folder, for a server in a process of its own."""
    return Lab(tmp_path / "project")


@pytest.fixture
def serve(project: Lab) -> Iterator[Callable[..., Running]]:
    """Starts the dev server on the project; gives it once it is ready."""
    running: list[Running] = []

    def start(*words: str) -> Running:
        server = Running(project.root, *words)
        running.append(server)
        server.wait_for("ready")
        return server

    yield start
    for server in running:
        server.close()
