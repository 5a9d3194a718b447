"""A laboratory whose looks for leaks come quickly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guarantees.g08_survives_any_plugin.conftest import gates
from tests.integration.lab import Lab

__all__ = ["gates", "lab"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "project")
    lab.settings("safety:\n  trial_process: false\n  max_reload_attempts: 1\n")
    yield lab
    lab.stop()
