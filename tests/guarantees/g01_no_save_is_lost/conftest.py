"""What the tests of the watcher alone start from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guarantees.g01_no_save_is_lost.watched import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path / "project")
    project.write("plugins/users/plugin.py", "v0")
    project.write("plugins/users/models.py", "v0")
    project.write("config/hot-loading.yaml", "")
    yield project
    if project.watcher is not None:
        project.watcher.stop()
    assert not [t for t in threading.enumerate() if t.name == "watcher"]


@pytest.fixture(params=[False, True], ids=["events", "polling"])
def polling(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
