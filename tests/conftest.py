"""What holds for all tests: none leaves anything behind."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.lab import Lab

# It would hide stale bytecode, one of the faults that the tests are after.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_TIME = 120.0
"""Seconds that a test may take."""
_PATIENCE = 5.0
"""Seconds that threads get to end after their test."""
_LASTING = ("pytest_timeout", "Dummy-")
"""Beginnings of names; the second are threads that Python did not start and cannot wait for."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Every test has its time. As a setting of the whole repository that would be an error for who
    tests plugins here without pytest-timeout."""
    if config.pluginmanager.hasplugin("timeout") and config.option.timeout is None:
        config.option.timeout = _TIME


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Fails a test after which a thread, a plugin's module, an import path or finder, or a log
    handler is there that was not before. Fixtures of wider scopes were set up earlier, so what
    belongs to them counts as there before."""
    before = _belongings()
    yield
    deadline = time.monotonic() + _PATIENCE
    left = _new(before)
    while left and time.monotonic() < deadline:
        threading.Event().wait(0.01)
        left = _new(before)
    if left:
        pytest.fail("the test left behind: " + "; ".join(left), pytrace=False)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A project in a temporary folder; the host is started by the test."""
    lab = Lab(tmp_path / "project")
    yield lab
    lab.stop()


def _belongings() -> dict[str, set[object]]:
    return {
        "threads": {t for t in threading.enumerate() if not t.name.startswith(_LASTING)},
        "modules": {n for n in sys.modules if n == "plugins" or n.startswith("plugins.")},
        "sys.path": set(sys.path),
        "import finders": {_Same(finder) for finder in sys.meta_path},
        "log handlers": {
            _Same(h, name)
            for name, logger in _loggers()
            for h in logger.handlers
            if not isinstance(h, logging.NullHandler)  # what libraries do when they are imported
        },
    }


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    yield "root", logging.getLogger()
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            yield name, logger


def _new(before: dict[str, set[object]]) -> list[str]:
    found = _belongings()
    return [
        f"{kind}: {', '.join(sorted(str(_shown(x)) for x in found[kind] - before[kind]))}"
        for kind in found
        if found[kind] - before[kind]
    ]


def _shown(thing: object) -> object:
    return f"{thing.name!r}" if isinstance(thing, threading.Thread) else thing


class _Same:
    """Compares by identity, whatever the object itself says of equality; pytest's own handlers,
    which come and go with a test's phases, are all the same."""

    def __init__(self, thing: object, owner: str = "") -> None:
        self._thing = thing
        own = type(thing).__module__.startswith("_pytest")
        self._key = 0 if own else id(thing)
        self._owner = owner

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return f"{self._thing!r}" + (f" of logger {self._owner}" if self._owner else "")
