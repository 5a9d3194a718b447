"""What plugins of these tests do that no plugin should."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

import pytest

from tests.guarantees.g08_survives_any_plugin.gates import Gates


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Plugins reach it as `test_gates`; at the end everything that blocks goes on."""
    gates = Gates()
    builtins.test_gates = gates  # type: ignore[attr-defined]
    yield gates
    del builtins.test_gates  # type: ignore[attr-defined]
    gates.open()
