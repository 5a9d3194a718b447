"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A project in a temporary folder; the host is started by the test."""
    lab = Lab(tmp_path / "project")
    yield lab
    lab.stop()
